"""Every block of code in the documents does what it says.

A section is a small site, built and used from top to bottom: a Python block is the file that its
first line names, an ``sh`` block is given in it, and in the end each of its jobs is run once. What
is for other programs is read as they would, and the commands in it are those that there are.
"""

import argparse
import configparser
import fnmatch
import importlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.db import connection

from quick_jobs import cron
from quick_jobs.models import JobExecution, JobRunner
from tests.documents import sections
from tests.site import ROOT, wait_until

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

SECTIONS = sections()


def blocks_named(name):
    return [block for section in SECTIONS for block in section.blocks if block.name == name]


#: What readers write once they have installed the package, and what is there ever after.
[FIRST_JOB] = blocks_named("core/jobs.py")

#: Files that decide what a process is from its start.
OF_A_PROCESS = ("settings.py", "models.py", "admin.py", "urls.py")

#: Runs each job of the site once. One that goes on until it is stopped may look three times.
RUN_EVERY_JOB = """
from django.core.management import call_command
from quick_jobs.discovery import all_jobs
from quick_jobs.testing import FakeEnv, run_job

call_command("check", tags=["quick_jobs"], fail_level="WARNING")
for job in all_jobs():
    run_job(job, FakeEnv(stop_at=3))
    print(f"Has run: {job.name}")
"""

#: What stands in for a package that the documents use, and that is not installed here.
SENTRY = """
def capture_exception(error, tags):
    print(f"Sentry is told: {tags['job']} {error}")
"""

#: Mail goes to the console, to be read by the tests.
MAIL = """
import django

if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
ADMINS = ["a@example.com"] if django.VERSION >= (6, 0) else [("A", "a@example.com")]
"""

#: Needs a package that is not installed everywhere; tests/celery use it.
CELERY = "project/celery.py"

FAILING_JOB = """

from quick_jobs import register_job


@register_job(0.1)
def fail(env):
    raise ValueError("no stock")
"""


@pytest.fixture
def shop(site):
    """A site with the first job, as readers have it once they have installed the package."""
    site.app("core")
    site.write(FIRST_JOB.name, FIRST_JOB.text)
    site.write("sentry_sdk.py", SENTRY)
    site.settings(MAIL)
    site.settings(
        f"""
        DATABASES = {{"default": DATABASES["default"]}}
        if "sqlite3" in DATABASES["default"]["ENGINE"]:
            DATABASES["default"]["TEST"]["NAME"] = {str(site.path / "test.sqlite3")!r}
        """
    )
    yield site
    for table in connection.introspection.table_names():
        if table.startswith("shop_"):
            with connection.schema_editor() as editor:
                editor.execute(f"DROP TABLE {editor.quote_name(table)}")


@pytest.fixture
def run_here(import_here, capsys):
    """Run code as ``manage.py shell`` of a site does, in the tests' process; return its output."""

    def run_here(site, code):
        import_here(site, "shop", "core")
        exec(code, {})
        return capsys.readouterr().out

    return run_here


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_a_section_does_what_it_says(section, shop, run_here):
    if any("admin" in block.name + block.text for block in section.blocks):
        shop.add_admin()
    for block in section.blocks:
        use(block, shop)
    modules = [
        block.name[: -len(".py")].replace("/", ".")
        for block in section.blocks
        if block.name != CELERY
        and fnmatch.fnmatchcase(block.name, "*/*.py")
        and not block.is_before
    ]
    if modules:
        code = "\n".join([RUN_EVERY_JOB, *map("import {}".format, modules)])
        output = run_in_shell(shop, code) if needs_a_process(section) else run_here(shop, code)
        assert "Has run: core.jobs.clear_sessions" in output
    assert not JobExecution.objects.filter(outcome=JobExecution.FAILED)


def test_the_probe_and_the_monitoring_see_whether_a_runner_is_alive(shop):
    [kubernetes] = blocks_named("jobs.yaml")
    alive = str(shop.path / "alive")
    [probe] = [words for words in commands_in(kubernetes) if words[0] == "sh"]
    probe = [word.replace("/tmp/alive", alive) for word in probe]
    assert subprocess.call(probe, stderr=subprocess.DEVNULL) == 1
    assert "There has been no runner yet" in shop.run("check_jobs").stdout

    runner = shop.start("run_jobs", "--alive-file", alive)
    wait_until(JobExecution.objects.filter(outcome=JobExecution.SUCCEEDED).exists)
    assert subprocess.call(probe) == 0
    assert shop.run("check_jobs").returncode == 0

    runner.send(signal.SIGTERM)
    assert runner.wait() == 0

    Path(alive).touch()
    os.utime(alive, (0, 0))  # as of a runner that hangs
    assert subprocess.call(probe) == 1


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no locks for rows")
def test_two_runners_send_each_email_once(shop):
    for block in blocks_named("shop/models.py") + blocks_named("shop/jobs.py"):
        if "Email" in block.text:
            use(block._replace(text=block.text.replace("interval=60", "interval=0.05")), shop)
    runners = [shop.start("run_jobs") for _ in range(2)]
    wait_until(lambda: JobRunner.objects.alive().count() == 2)
    with connection.cursor() as cursor:
        for number in range(50):
            cursor.execute("INSERT INTO shop_email (recipient) VALUES (%s)", [f"{number}@a.io"])

    def are_sent():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM shop_email WHERE sent_at IS NULL")
            return not cursor.fetchall()

    wait_until(are_sent)
    for runner in runners:
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0, runner.output
    for number in range(50):
        assert sum(runner.output.count(f"To: {number}@a.io\n") for runner in runners) == 1


def test_failures_are_told_to_sentry_each_time_and_to_the_admins_once(shop):
    [receivers] = [block for block in blocks_named("shop/jobs.py") if "tell_sentry" in block.text]
    setting = next(block for block in blocks_named("settings.py") if "mail_admins" in block.text)
    add_settings(setting, shop)
    shop.write("shop/jobs.py", receivers.text + FAILING_JOB)
    runner = shop.start("run_jobs")
    wait_until(lambda: JobExecution.objects.filter(outcome=JobExecution.FAILED).count() > 1)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output
    assert runner.output.count("Sentry is told: shop.jobs.fail no stock") > 1
    assert runner.output.count("Subject: [Django] shop.jobs.fail fails: ValueError: no stock") == 1
    assert "receiver" not in runner.output


def needs_a_process(section):
    """Return whether it changes what a process is from its start, or what stays to its end."""
    return any(
        Path(block.name).name in OF_A_PROCESS or "receiver" in block.text
        for block in section.blocks
        if not block.is_before
    )


def run_in_shell(site, code):
    """Run code in a process of the site; return its output."""
    done = site.run("shell", "-c", code)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def use(block, site):
    kind = "before" if block.is_before else f"{block.language} {block.name}"
    for pattern, do in KINDS.items():
        if fnmatch.fnmatchcase(kind, pattern):
            do(block, site)
            return
    pytest.fail(f"{block.place}: nobody knows what to do with {kind!r}")


# Python.


def compile_only(block, site):
    compile(block.text, block.place, "exec")


def add_settings(block, site):
    """The three dots of a block stand for the apps that are there."""
    if "# ..." in block.text:
        site.settings("INSTALLED_APPS.remove('quick_jobs')")
    site.settings(block.text.replace("# ...", "*INSTALLED_APPS,"))


def write_file(block, site):
    compile_only(block, site)
    site.write(block.name, block.text)


def make_tables(block, site):
    write_file(block, site)
    use_manage(["migrate", "--run-syncdb"], site)


def run_tests(block, site):
    write_file(block, site)
    tested = site.run("test", "--noinput", Path(block.name).parent)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"Ran [1-9]", tested.stderr), f"{block.place} has no test"


# Shell.


def give_commands(block, site):
    for line in block.text.replace("\\\n", " ").splitlines():
        for command in re.split(r" && ", line.partition(" #")[0]):
            words = shlex.split(command)
            while words and "=" in words[0]:
                assert words.pop(0).startswith("QUICK_JOBS_TEST_"), block.place
            if words:
                program = Path(words[0]).name
                assert program in PROGRAMS, f"{block.place}: nobody knows {program}"
                PROGRAMS[program](words[1:], site)


def use_python(arguments, site):
    if arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), arguments
    elif arguments[0] == "manage.py":
        use_manage(arguments[1:], site)
    else:
        path = ROOT / arguments[0]
        assert path.is_file(), arguments
        assert list(path.parent.glob(f"*/management/commands/{arguments[1]}.py")), arguments


def use_manage(arguments, site):
    if arguments[0] == "run_jobs" and not {"--once", "--stop-after", "--trial-run"}.intersection(
        arguments
    ):
        before = JobRunner.objects.count()
        runner = site.start(*arguments)
        wait_until(lambda: JobRunner.objects.count() > before)
        runner.send(signal.SIGTERM)
        status, output = runner.wait(), runner.output
    else:
        done = site.run(*arguments)
        status, output = done.returncode, done.stdout + done.stderr
    assert status == 0, output


def use_pip(arguments, site):
    assert arguments[0] == "install", arguments
    for what in arguments[1:]:
        name, extras = re.fullmatch(r"([\w.-]+)(?:\[(.+)\])?(?:>=[\d.]+)?", what).groups()
        if name in (".", PROJECT["project"]["name"]):
            for extra in (extras or "").split(","):
                assert extra in ("", *PROJECT["project"]["optional-dependencies"]), what
        else:
            assert name in ("-e", "psycopg", "mysqlclient", "redis"), what


def use_pytest(arguments, site):
    declared = PROJECT["tool"]["pytest"]["ini_options"]["markers"]
    parser = argparse.ArgumentParser()
    names = [marker.split(":")[0] for marker in declared]
    parser.add_argument("-m", choices=[f"{no}{name}" for name in names for no in ("", "not ")])
    parser.add_argument("-n")
    parser.add_argument("--sweeps", action="store_true")
    parser.add_argument("--ds", type=importlib.import_module)
    parser.add_argument("paths", nargs="*", type=lambda path: (ROOT / path).resolve(strict=True))
    parser.parse_args(arguments)


def use_celery(arguments, site):
    assert arguments[:2] == ["-A", "project"], arguments
    assert arguments[2:] in (["worker"], ["beat"]), arguments


def use_bash(arguments, site):
    assert (ROOT / arguments[0]).is_file(), arguments


def use_tool(name):
    def use(arguments, site):
        assert any(name in each for each in PROJECT["project"]["optional-dependencies"]["dev"])

    return use


# What is for people, and for other programs.


def look_at_picture(block, site):
    """What an arrow leads to is a module or a folder."""
    names = re.findall(r"-> ([\w/]+)", block.text)
    assert names
    for name in names:
        path = ROOT / "quick_jobs" / name
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{block.place}: no {name}"


def read_log(block, site):
    """Each line is as those that are kept."""
    form = re.compile(r"\d\d:\d\d:\d\d\.\d{3} [a-zA-Z ]{8} \S|… [\d,]+ lines \(\d+ kB\) left out …")
    assert all(form.match(line) for line in block.text.splitlines()[1:]), block.place


def read_procfile(block, site):
    processes = dict(line.split(": ", 1) for line in block.text.splitlines()[1:])
    check_command(shlex.split(processes["worker"]))


def read_unit(block, site):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(block.text)
    check_command(shlex.split(unit["Service"]["ExecStart"]))


def read_timer(block, site):
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string(block.text)
    assert unit["Timer"]["OnCalendar"]
    assert unit["Install"]["WantedBy"] == "timers.target"


def read_crontab(block, site):
    for line in block.text.splitlines()[1:]:
        words = shlex.split(line)
        cron(" ".join(words[:5]))
        check_command(words[words.index("manage.py") - 1 :])


def read_dockerfile(block, site):
    lines = [
        line.split(" ", 1) for line in block.text.replace("\\\n", " ").splitlines()[1:] if line
    ]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "STOPSIGNAL", "CMD"}
    assert known.issuperset(line[0] for line in lines), block.place
    check_command(json.loads(lines[-1][1]))  # the form without a shell, which would keep signals


def read_yaml(block, site):
    commands = list(commands_in(block))
    assert commands, f"{block.place} has no command"
    for command in commands:
        if command[0] != "sh":  # a probe
            check_command(command)


def read_scrape_config(block, site):
    [config] = yaml.safe_load(block.text)["scrape_configs"]
    assert config["params"] == {"format": ["prometheus"]}
    assert config["metrics_path"] in (ROOT / "docs" / "health.md").read_text(encoding="utf-8")


def write_template(block, site):
    site.write("core/templates/admin/index.html", block.text)


def commands_in(block):
    """Find the commands in what a block of YAML says."""
    waiting = [yaml.safe_load(block.text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            if isinstance(value.get("command"), list):
                yield value["command"]
            for name in ("run_command", "startCommand"):
                if "manage.py" in value.get(name, ""):
                    yield shlex.split(value[name])
        elif isinstance(value, list):
            waiting += value


def check_command(words):
    """See that the command's own parser takes it."""
    python, manage, name, *arguments = words
    assert (Path(python).name, Path(manage).name) == ("python", "manage.py"), words
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(arguments)


KINDS = {
    "before": compile_only,
    "python settings.py": add_settings,
    f"python {CELERY}": compile_only,
    "python *models.py": make_tables,
    "python *tests.py": run_tests,
    "python *.py": write_file,
    "sh ": give_commands,
    "text Procfile": read_procfile,
    "text crontab": read_crontab,
    "text log": read_log,
    "text ": look_at_picture,
    "ini *.service": read_unit,
    "ini *.timer": read_timer,
    "dockerfile Dockerfile": read_dockerfile,
    "yaml *.yaml": read_yaml,
    "yaml prometheus.yml": read_scrape_config,
    "html ": write_template,
}

PROGRAMS = {
    "python": use_python,
    "python3": use_python,
    "pip": use_pip,
    "pytest": use_pytest,
    "bash": use_bash,
    "celery": use_celery,
    **{name: use_tool(name) for name in ("mypy", "ruff", "tox")},
}
