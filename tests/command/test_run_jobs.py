"""``manage.py run_jobs``: its options, its console, and what it says when it cannot run."""

import re

import pytest
from django.core.management import CommandError, call_command

from quick_jobs.models import Job, JobExecution, JobRunner

WORKS = """
from quick_jobs import register_job

@register_job(3600)
def works(env):
    print("works")
    env.request_stop()
"""

#: Each waits for the other, before the first to end stops the runner.
WORK_TOGETHER = """
import threading
from quick_jobs import register_job

meet = threading.Barrier(2).wait

@register_job(3600)
def works(env):
    print("works")
    env.request_stop()
    meet()

@register_job(3600)
def helps(env):
    meet()
"""


def assert_refused(completed, message):
    """Assert that a process ended with status 1 and said only this, a pattern."""
    assert completed.returncode == 1, completed.stderr
    assert re.fullmatch(message + "\n", completed.stderr), completed.stderr
    assert completed.stdout == ""


@pytest.fixture
def assert_refused_here(import_here, capsys):
    """Assert that run_jobs refuses and says only this, a pattern, without a process."""

    def assert_refused_here(site, message, *options, apps=("shop",)):
        import_here(site, *apps)
        with pytest.raises(SystemExit, match="1"):
            call_command("run_jobs", "--trial-run", *options)
        output = capsys.readouterr()
        assert re.fullmatch(message + "\n", output.err), output.err
        assert output.out == ""

    return assert_refused_here


def assert_found_by_check(site, check_id, *messages):
    checked = site.run("check")
    assert checked.returncode == 1
    for message in messages:
        assert re.search(rf"\({check_id}\) {message}\n", checked.stderr), checked.stderr
    assert "Traceback" not in checked.stderr


def assert_nothing_is_on_record():
    for model in (Job, JobRunner, JobExecution):
        assert not model.objects.exists()


# Which jobs.


def test_without_jobs_there_is_nothing_to_run(site):
    assert_refused(
        site.run("run_jobs"),
        "There are no jobs to run: decorate a function in an installed app's jobs.py "
        r"with @register_job\(interval\).",
    )


def test_all_jobs_of_the_installed_apps_are_run(site):
    """That of an app that is installed by its configuration, too."""
    site.app("stock")
    site.write("stock/jobs.py", WORKS)
    site.write("shop/apps.py", "from django.apps import AppConfig\n\n\nclass Shop(AppConfig):\n")
    with (site.path / "shop/apps.py").open("a") as file:
        file.write("    name = 'shop'\n")
    site.settings("INSTALLED_APPS[INSTALLED_APPS.index('shop')] = 'shop.apps.Shop'")
    site.write("shop/jobs.py", WORKS)
    site.write("elsewhere.py", WORKS)
    tried = site.run("run_jobs", "--trial-run")
    assert tried.returncode == 0
    assert "INFO 2 jobs to run: shop.jobs.works, stock.jobs.works\n" in tried.stderr


def test_only_included_jobs_are_run_from_whatever_module(site):
    site.write("shop/jobs.py", WORKS)
    site.write("elsewhere.py", WORK_TOGETHER)
    names = ["elsewhere.helps", "elsewhere.works"]
    ended = site.run("run_jobs", f"--include-job={names[0]}", "--include-job", names[1])
    assert ended.returncode == 0, ended.stderr
    assert f"INFO 2 jobs to run: {', '.join(names)}\n" in ended.stderr
    assert sorted(Job.objects.values_list("name", flat=True)) == names
    assert sorted(JobExecution.objects.values_list("job__name", flat=True)) == names


def test_excluded_jobs_are_not_run_and_a_name_that_matches_nothing_is_a_warning(site):
    site.write("shop/jobs.py", WORKS + WORKS.replace("works", "works_too"))
    ended = site.run(
        "run_jobs", "--exclude-job=shop.jobs.works_too", "--exclude-job=shop.jobs.wroks"
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING --exclude-job shop.jobs.wroks matches no job\n" in ended.stderr
    assert "INFO 1 job to run: shop.jobs.works\n" in ended.stderr
    assert list(JobExecution.objects.values_list("job__name", flat=True)) == ["shop.jobs.works"]


def test_not_all_jobs_can_be_excluded(site, assert_refused_here):
    site.write("shop/jobs.py", WORKS)
    assert_refused_here(
        site,
        "There are no jobs to run: all of them are excluded.",
        "--exclude-job=shop.jobs.works",
    )


def test_every_included_job_that_is_unknown_is_told(site, assert_refused_here):
    site.write("shop/jobs.py", WORKS)
    unknown = ["nowhere.jobs.works", "shop.jobs.wroks", "works"]
    assert_refused_here(
        site,
        r"The module of the job nowhere.jobs.works cannot be imported: ModuleNotFoundError: .*\n"
        r"There is no job shop.jobs.wroks: the jobs there are shop.jobs.works\n"
        "'works' is not the dotted path of a job, like shop.jobs.send_emails",
        *[f"--include-job={name}" for name in ["shop.jobs.works", *unknown]],
    )


def test_a_wrong_command_line_has_exit_status_2(site):
    refused = site.run("run_jobs", "--include-job=a.b", "--exclude-job=c.d")
    assert refused.returncode == 2
    assert "not allowed with argument" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--stop-after=soon", "--stop-after: 'soon' is not a number of seconds, 0 or more"),
        ("--stop-timeout=-1", "--stop-timeout: '-1' is not a number of seconds, 0 or more"),
        ("--stop-variance=nan", "--stop-variance: 'nan' is not a number of seconds, 0 or more"),
    ],
)
def test_what_is_no_number_of_seconds_is_told(option, message):
    with pytest.raises(CommandError, match=message):
        call_command("run_jobs", option)


# Jobs that are wrong; `manage.py check` finds them as well, as tests/unit/test_checks.py has it.

DECORATORS = """
import functools

def wrapped(func):
    @functools.wraps(func)
    def wrapper(env):
        return func(env)
    return wrapper
"""


def test_jobs_that_cannot_be_run_are_told_each(site):
    site.write("shop/decorators.py", DECORATORS)
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job; from shop.decorators import wrapped

        @register_job(60)
        def takes_nothing(): pass

        @register_job(60)
        def yields(env): yield

        @register_job(60)
        def is_below(env): pass

        is_below = wrapped(is_below)
        """,
    )
    messages = [
        "shop.jobs.is_below is below another decorator, which would be ignored: "
        r"put @register_job above all others \(.*/shop/jobs.py, line 10\)",
        "shop.jobs.takes_nothing must take one argument, the RunEnv: "
        r"def takes_nothing\(env\) \(.*/shop/jobs.py, line 4\)",
        r"shop.jobs.yields is a generator function, .* \(.*/shop/jobs.py, line 7\)",
    ]
    assert_refused(site.run("run_jobs", "--trial-run"), "\n".join(messages))
    assert_found_by_check(site, "quick_jobs.E008", *messages)


def test_jobs_of_one_name_are_told(site, assert_refused_here):
    site.write("shop/jobs.py", WORKS + WORKS)
    message = (
        "Jobs need names that differ, .*:\n"
        r"  shop.jobs.works \(.*/shop/jobs.py, line 4\)\n"
        r"  shop.jobs.works \(.*/shop/jobs.py, line 11\)"
    )
    assert_refused_here(site, message)


def test_jobs_that_cannot_be_imported_are_told_for_each_app(site, assert_refused_here):
    """Whatever keeps them from being imported."""
    site.write("shop/jobs.py", f"{WORKS}import a_module_that_is_not_there")
    site.write("stock/__init__.py", "")
    site.write("stock/broken.py", "\n1 / 0\n")
    site.write("stock/jobs.py", f"{WORKS}import stock.broken")
    site.write("tills/__init__.py", "")
    site.write("tills/jobs.py", "\ndef works(env) pass\n")
    site.write("doors/__init__.py", "")
    site.write("doors/jobs.py", f"{WORKS}raise SystemExit(0)")
    messages = [
        "The jobs of the app 'shop' cannot be imported: .*/shop/jobs.py, line 8: "
        "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
        "The jobs of the app 'stock' cannot be imported: .*/stock/jobs.py, line 8, "
        "raised in .*/stock/broken.py, line 2: ZeroDivisionError: division by zero",
        "The jobs of the app 'tills' cannot be imported: .*/tills/jobs.py, line 2: SyntaxError: .*",
        "The jobs of the app 'doors' cannot be imported: .*/doors/jobs.py, line 8: SystemExit: 0",
    ]
    apps = ["shop", "stock", "tills", "doors"]
    assert_refused_here(site, "\n".join(messages), apps=apps)


def test_when_a_job_is_wrong_none_is_run(site):
    """Unless all that are asked for are right."""
    wrong = "@register_job(60)\ndef wrong(): pass\n"
    site.write("shop/jobs.py", WORKS + wrong)
    refused = site.run("run_jobs")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("shop.jobs.wrong must take one argument, the RunEnv")
    assert_nothing_is_on_record()
    ended = site.run("run_jobs", "--exclude-job=shop.jobs.wrong")
    assert (ended.returncode, ended.stdout) == (0, "works\n")


def test_a_job_of_a_module_that_jobs_imports_is_told_in_the_log_and_by_check(
    site, import_here, settings, caplog
):
    """But not where it is included or excluded, or where the check is silenced."""
    site.write("shop/emails.py", WORKS + WORKS.replace("works", "works_too"))
    site.write("shop/jobs.py", f"import shop.emails\n{WORKS}")

    def told(name):
        return f"{name} is registered in shop.emails, where run_jobs does not look for jobs: "

    checked = site.run("check")
    assert checked.returncode == 0
    for name in ("shop.emails.works", "shop.emails.works_too"):
        assert f"(quick_jobs.W003) {told(name)}" in checked.stderr
    tried = site.run("run_jobs", "--trial-run", "--exclude-job=shop.emails.works_too")
    assert tried.returncode == 0
    assert f"WARNING {told('shop.emails.works')}" in tried.stderr
    assert told("shop.emails.works_too") not in tried.stderr
    assert "INFO 1 job to run: shop.jobs.works\n" in tried.stderr
    import_here(site, "shop")
    call_command("run_jobs", "--trial-run", "--include-job=shop.emails.works")
    assert told("shop.emails.works") not in caplog.text
    call_command("run_jobs", "--trial-run")
    assert told("shop.emails.works") in caplog.text
    caplog.clear()
    settings.SILENCED_SYSTEM_CHECKS = ["quick_jobs.W003"]
    call_command("run_jobs", "--trial-run")
    assert told("shop.emails.works") not in caplog.text


def test_a_job_in_a_module_that_the_urlconf_imports_is_named_by_check(site):
    site.write("shop/views.py", WORKS)
    site.write("shop/jobs.py", WORKS)
    site.write("shop/urls.py", "from shop import views\nurlpatterns = []\n")
    site.settings("ROOT_URLCONF = 'shop.urls'")
    checked = site.run("check")
    assert checked.returncode == 0
    assert checked.stderr.count("shop.views.works is registered in shop.views, where run_jobs") == 1


def test_where_there_are_no_jobs_a_file_with_jobs_beside_jobs_py_is_named(
    site, assert_refused_here
):
    site.write("shop/tasks.py", WORKS)
    assert_refused_here(site, ".* .*/shop/tasks.py has @register_job: move its jobs to jobs.py.")


def test_where_only_such_jobs_are_it_is_told_why_there_are_none_to_run(site):
    site.write("shop/emails.py", WORKS)
    site.write("shop/jobs.py", "from shop import emails\n")
    refused = site.run("run_jobs")
    assert refused.returncode == 1
    assert "WARNING shop.emails.works is registered in shop.emails" in refused.stderr
    assert "There are no jobs to run" in refused.stderr


def test_jobs_in_submodules_and_classes_are_run(site):
    site.write("shop/jobs/__init__.py", "")
    site.write(
        "shop/jobs/emails.py",
        """
        import threading
        from quick_jobs import register_job

        meet = threading.Barrier(2).wait

        class Mails:
            @staticmethod
            @register_job(3600)
            def works(env):
                env.request_stop()
                meet()

        def helps(env):
            meet()

        JOBS = [register_job(3600)(helps)]
        """,
    )
    ended = site.run("run_jobs", "--print-jobs")
    assert ended.returncode == 0, ended.stderr
    names = ["shop.jobs.emails.helps", "shop.jobs.emails.works"]
    assert [line for line in ended.stdout.splitlines() if line[0] != " "] == names
    succeeded = JobExecution.objects.filter(outcome=JobExecution.SUCCEEDED)
    assert sorted(succeeded.values_list("job__name", flat=True)) == names


# Settings and tables that are wrong.


def test_every_setting_that_is_wrong_is_told(site):
    """Also one that only the admin needs; `manage.py check` finds them as well."""
    site.write("shop/jobs.py", WORKS)
    site.settings("QUICK_JOBS_HEARTBEAT_INTERVAL = 'soon'\nQUICK_JOBS_LOST_AFTER = 0")
    messages = (
        "QUICK_JOBS_HEARTBEAT_INTERVAL must be a number of seconds or a timedelta, not 'soon'",
        "QUICK_JOBS_LOST_AFTER must be more than 0 seconds",
    )
    assert_refused(site.run("run_jobs", "--trial-run", "--no-history"), "\n".join(messages))
    assert_found_by_check(site, "quick_jobs.E00[12]", *messages)


def test_a_database_that_is_not_migrated_is_told(site):
    site.write("shop/jobs.py", WORKS)
    call_command("migrate", "quick_jobs", "zero", verbosity=0)
    try:
        refused = site.run("run_jobs")
    finally:
        call_command("migrate", verbosity=0)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "The tables of quick_jobs are not in the database 'default': "
        "run 'manage.py migrate', or keep no history with --no-history."
    )
    assert "Traceback" not in refused.stderr
    assert "works" not in refused.stdout


def test_without_any_database_the_jobs_run_all_the_same(site):
    site.write("shop/jobs.py", WORKS)
    site.settings("DATABASES = {}")
    ended = site.run("run_jobs")
    assert (ended.returncode, ended.stdout) == (0, "works\n")
    assert (
        "WARNING No history is kept: it needs a database of SQLite, PostgreSQL, MariaDB or MySQL, "
        "and 'default' is not configured. Use --no-history to run without one.\n"
    ) in ended.stderr


def test_an_error_in_the_command_itself_has_a_traceback_and_exit_status_1(site):
    """Also when a thread that another app has begun would hold up the process."""
    site.write("shop/jobs.py", WORKS)
    site.write(
        "router.py",
        r"""
        import threading

        class Router:
            def db_for_write(self, model, **hints):
                threading.Thread(target=threading.Event().wait).start()
                raise LookupError("which database?\n2026 INFO forged\x1b[2J")
        """,
    )
    site.settings("DATABASE_ROUTERS = ['router.Router']")
    broken = site.run("run_jobs", "--stop-timeout=0")
    assert broken.returncode == 1
    assert broken.stderr.startswith("Traceback")
    assert "LookupError: which database?\n" in broken.stderr
    assert broken.stderr.count("Traceback") == 1
    assert_nothing_is_forged(broken.stderr)


# Without a database, and without running anything.


def test_without_history_and_on_a_trial_run_no_database_is_touched(site):
    site.write("shop/jobs.py", WORKS)
    site.write(
        "untouchable/base.py",
        """
        import os
        from django.db.backends.sqlite3 import base

        class DatabaseWrapper(base.DatabaseWrapper):
            def connect(self):
                os._exit(9)
        """,
    )
    site.settings("DATABASES = {'default': {'ENGINE': 'untouchable', 'NAME': 'nowhere'}}")
    assert site.run("migrate").returncode == 9
    ended = site.run("run_jobs", "--no-history", "--print-jobs")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("shop.jobs.works\n")
    assert ended.stdout.endswith("\nworks\n")  # it has run
    tried = site.run("run_jobs", "--trial-run", "--print-jobs")
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout.startswith("shop.jobs.works\n")
    assert not tried.stdout.endswith("\nworks\n")


def test_jobs_are_printed_with_their_schedules(site):
    site.write(
        "shop/jobs.py",
        """
        from datetime import timedelta
        from quick_jobs import at, register_job

        @register_job(
            at("08:00", "20:00", days="mon-fri", timezone="Europe/Berlin"),
            variance=300,
            timeout=timedelta(hours=2),
        )
        def works(env): pass

        @register_job(timedelta(days=1))
        def cleans(env):
            '''
            Cleans up.

            All of it.
            '''

        @register_job(1, enabled=False)
        def rests(env): pass
        """,
    )
    printed = site.run("run_jobs", "--print-jobs", "--trial-run")
    assert printed.returncode == 0
    moment = r"\d{4}-\d\d-\d\d (08|20):00:00 Europe/Berlin"
    assert re.sub(moment, "(a time) Europe/Berlin", printed.stdout).splitlines() == [
        "shop.jobs.cleans",
        "    description: Cleans up.",
        "    schedule: every day",
        "    next start: at once",
        "    timeout: none",
        "shop.jobs.works",
        "    schedule: Monday to Friday at 08:00 and 20:00 (Europe/Berlin), up to 5 min later",
        "    next start: (a time) Europe/Berlin",
        "    timeout: 2 h",
    ]


# The console.

WORKS_AND_FAILS = WORK_TOGETHER.replace("helps", "fails") + "    raise ValueError('nine')\n"

FAILURE = ["ERROR shop.jobs.fails failed after _ s"]
ENDS = ["INFO shop.jobs.works succeeded in _ s", *FAILURE]
LIFE = ["INFO 2 jobs to run: shop.jobs.fails, shop.jobs.works", "INFO stopping: shop.jobs.works"]
STARTS = ["DEBUG shop.jobs.works starts", "DEBUG shop.jobs.fails starts"]


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [(0, FAILURE), (1, LIFE + ENDS), (2, LIFE + ENDS + STARTS)],
)
def test_the_console_shows_as_much_as_the_verbosity_says(site, verbosity, expected):
    site.write("shop/jobs.py", WORKS_AND_FAILS)
    ended = site.run("run_jobs", "--no-history", f"--verbosity={verbosity}")
    assert ended.returncode == 0
    assert ended.stdout == "works\n"  # the log goes to standard error
    logged = re.findall(
        r"^[-\d]{10} [\d:,]{12} ((?:DEBUG|INFO|WARNING|ERROR) .*)", ended.stderr, re.M
    )
    if verbosity:  # the other job may be running still when the first one stops the runner
        logged = [line for line in logged if not line.startswith("INFO waiting up to 5 s for ")]
    assert sorted(re.sub(r"\d\.\d{3} s", "_ s", line) for line in logged) == sorted(expected)
    assert ended.stderr.count("Traceback") == 1  # the failure's


def test_what_a_job_prints_is_seen_at_once(site):
    """Also where it goes to a pipe, for which Python by itself would collect kilobytes."""
    site.write("shop/jobs.py", WORKS + "    env.sleep(3600)\n")
    runner = site.start("run_jobs", "--no-history", "-v0", env={"PYTHONUNBUFFERED": ""})
    runner.wait_for_output("works\n")
    assert runner.is_running


def test_logging_that_the_site_has_configured_is_left_alone(site):
    site.write("shop/jobs.py", WORKS_AND_FAILS)
    site.settings(
        """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"bare": {"format": "%(name)s %(levelname)s %(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "log", "formatter": "bare"}},
    "loggers": {"quick_jobs": {"handlers": ["file"], "level": "ERROR"}},
}
"""
    )
    ended = site.run("run_jobs", "--no-history", "--verbosity=3")
    assert (ended.returncode, ended.stderr) == (0, "")
    logged = (site.path / "log").read_text().splitlines()
    assert re.match(
        r"quick_jobs.execution ERROR shop.jobs.fails failed after \d\.\d{3} s", logged[0]
    )
    assert logged[-1] == "ValueError: nine"


# Texts of others on the terminal.


def assert_nothing_is_forged(text):
    assert "forged" in text
    assert not set("\x1b\r\x9b") & set(text)
    assert not re.search("^2026 INFO forged", text, re.M)


def test_what_a_job_raises_and_its_name_make_no_line_of_the_console_and_the_list(site):
    site.write(
        "shop/jobs.py",
        """
        from quick_jobs import register_job

        def fails(env):
            env.request_stop()
            raise ValueError("x\\n2026 INFO forged by its error\\x1b[2J\\r\\x9b")

        fails.__name__ = "fails\\n2026 INFO forged by its name\\x1b[2J"
        fails = register_job(3600)(fails)
        """,
    )
    ended = site.run("run_jobs", "--print-jobs", "--no-history")
    assert_nothing_is_forged(ended.stdout)
    assert_nothing_is_forged(ended.stderr)
    for what in ("name", "error"):
        assert f"forged by its {what}" in ended.stderr


def test_what_an_import_raises_makes_no_line_of_the_refusal(site, import_here, capsys):
    site.write("shop/jobs.py", r"raise ValueError('x\x1b[2J\x9b2026 INFO forged')")
    refused = site.run("run_jobs")
    assert refused.returncode == 1
    assert_nothing_is_forged(refused.stderr)
    import_here(site, "shop")
    call_command("prune_job_history", "--older-than=30d")
    assert_nothing_is_forged(capsys.readouterr().err)
