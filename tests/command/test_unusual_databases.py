"""On databases that are set up in unusual ways run_jobs keeps its history, or says why not."""

import datetime as dt
from collections import Counter

import pytest
from django.core.management import call_command
from django.db import connection, connections

from quick_jobs.models import Job, JobExecution, JobRunner
from tests.faults.servers import new_connection

#: They stop their runner when each of them has run four times.
JOBS = """
from quick_jobs import register_job

NAMES = {names!r}
runs = dict.fromkeys(NAMES, 0)

def register(name):
    def function(env):
        runs[name] += 1
        if min(runs.values()) > 3:
            env.request_stop()
        if name == "fail":
            raise ValueError("näh \\U0001f40d" + "x" * 3000)

    function.__name__ = function.__qualname__ = name
    globals()[name] = function
    globals()[name] = register_job(0.05)(function)

for name in NAMES:
    register(name)
"""


def write_jobs(site, *names):
    site.write("shop/jobs.py", JOBS.format(names=names))


def execute(sql, using="default"):
    with connections[using].cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def own_site(site, tmp_path):
    """A site with a database of its own, in which there are no tables yet.

    The test's process knows it by the alias ``own``.
    """
    on_server = connection.vendor != "sqlite"
    if on_server:
        name = connection.settings_dict["NAME"] + "_own"
        execute(f"CREATE DATABASE {name}")
    else:
        name = str(tmp_path / "own.sqlite3")
    site.settings(f"DATABASES['default']['NAME'] = {name!r}")
    connections["own"] = new_connection({**connection.settings_dict, "NAME": name}, "own")
    yield site
    site.end()
    connections["own"].close()
    del connections["own"]
    if on_server:
        execute(f"DROP DATABASE {name}")


def make_our_tables():
    call_command("migrate", "quick_jobs", database="own", verbosity=0)


def run_jobs(site):
    run = site.run("run_jobs")
    assert run.returncode == 0, run.stderr
    assert "cannot be written" not in run.stderr
    assert "not saved" not in run.stderr
    return run


def prune(site):
    pruned = site.run("prune_job_history", "--older-than", "0s")
    assert pruned.returncode == 0, pruned.stderr


PREFIX = """
from django.db.models.signals import class_prepared

def add_prefix(sender, **kwargs):
    if not sender._meta.db_table.startswith(PREFIX):
        sender._meta.db_table = PREFIX + sender._meta.db_table

class_prepared.connect(add_prefix)
PREFIX = {!r}
"""


def test_a_table_may_have_any_name_that_django_can_use(own_site):
    """With capitals, a quote, a space and a hyphen."""
    prefix = "ACME's own-"
    own_site.settings(PREFIX.format(prefix))
    write_jobs(own_site, "work", "fail")
    migrated = own_site.run("migrate", "--verbosity", 0)
    assert migrated.returncode == 0, migrated.stderr

    def rows(table, column):
        quoted = connections["own"].ops.quote_name(prefix + table)
        with connections["own"].cursor() as cursor:
            cursor.execute(f"SELECT {column} FROM {quoted}")
            return [row[0] for row in cursor.fetchall()]

    run_jobs(own_site)
    outcomes = Counter(rows("quick_jobs_jobexecution", "outcome"))
    assert min(outcomes["succeeded"], outcomes["failed"]) > 3
    assert rows("quick_jobs_jobrunner", "stop_reason") == ["requested"]
    prune(own_site)
    assert rows("quick_jobs_jobexecution", "outcome") == []


def test_the_history_is_committed_where_connections_do_not_commit_by_themselves(site):
    write_jobs(site, "work", "fail")
    site.settings('DATABASES["default"]["AUTOCOMMIT"] = False')
    run_jobs(site)
    for outcome in ("succeeded", "failed"):
        assert JobExecution.objects.filter(outcome=outcome).count() > 3
    assert JobRunner.objects.get().stopped_at
    prune(site)
    assert not JobExecution.objects.exists()


#: Shows the history as the site sees it.
LOOKS = """
from quick_jobs import register_job
from quick_jobs.models import JobExecution, JobRunner

@register_job(0.05)
def look(env):
    ended = JobExecution.objects.exclude(finished_at=None)
    if ended.count() > 3:
        print(JobRunner.objects.get().started_at.isoformat())
        for times in ended.values_list("due_at", "started_at", "finished_at"):
            print(*[time.isoformat() for time in times], sep="\\n")
        env.request_stop()
"""


@pytest.mark.parametrize("zone", ["", "Asia/Kolkata"], ids=["of the system", "of a variable"])
def test_the_history_is_in_the_systems_time_without_time_zones(site, zone):
    site.settings("USE_TZ = False\nTIME_ZONE = None")
    if zone:
        site.variables["TZ"] = zone
    site.write("shop/jobs.py", LOOKS)
    times = run_jobs(site).stdout.split()
    now = dt.datetime.now()
    if zone:
        now = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=5.5)).replace(tzinfo=None)
    assert len(times) > 12
    for time in map(dt.datetime.fromisoformat, times):
        assert abs(now - time) < dt.timedelta(minutes=1)


def give_collation():
    """Let the database hold names for equal that differ in case, and if it can, in accents."""
    statements = {
        "sqlite": [
            "PRAGMA writable_schema = 1",
            "UPDATE sqlite_master SET sql = replace(sql, '\"name\" varchar(255) NOT NULL UNIQUE', "
            "'\"name\" varchar(255) NOT NULL COLLATE NOCASE UNIQUE') WHERE name = 'quick_jobs_job'",
            "REINDEX",
        ],
        "postgresql": [
            "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level1', "
            "deterministic = false)",
            "DO $$ DECLARE i text; BEGIN FOR i IN SELECT indexname FROM pg_indexes WHERE indexname "
            "LIKE 'quick_jobs_job_name%like' LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$",
            "ALTER TABLE quick_jobs_job ALTER name TYPE varchar(255) COLLATE folding",
        ],
        "mysql": [
            "ALTER TABLE quick_jobs_job MODIFY name varchar(255) "
            "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
        ],
    }
    for statement in statements[connection.vendor]:
        execute(statement, "own")
    connections["own"].close()  # which knows the former table


EQUAL_NAMES = [
    ("tidy_all", "Tidy_All"),
    ("mise_a_jour_resume", "mise_a_jour_résumé"),
    ("pedido_ano", "pedido_año"),
]


def are_equal_here(names):
    return connection.vendor != "sqlite" or all(name.isascii() for name in names)


def own_jobs():
    """Return the primary keys of the jobs on record, by the names of their functions."""
    jobs = Job.objects.using("own").values_list("name", "pk")
    return {name.rpartition(".")[2]: pk for name, pk in jobs}


def test_a_job_that_is_renamed_to_an_equal_name_goes_on_with_its_row(own_site):
    make_our_tables()
    give_collation()
    seen = []
    for names in zip(*EQUAL_NAMES):
        write_jobs(own_site, *names, "work")
        run_jobs(own_site)
        seen.append(own_jobs())
    for before, after in EQUAL_NAMES:
        if are_equal_here((before, after)):
            assert before not in seen[1]
            assert seen[1][after] == seen[0][before]
        else:
            assert seen[1][before] == seen[0][before] != seen[1][after]
        of_both = JobExecution.objects.using("own").filter(
            job__in=[seen[0][before], seen[1][after]]
        )
        assert of_both.filter(outcome="succeeded").count() >= 8


def test_jobs_with_equal_names_are_refused_at_the_start_or_recorded_each(own_site):
    """Names that differ in case only are refused everywhere, and before the database is asked."""
    make_our_tables()
    give_collation()
    names = [name for pair in EQUAL_NAMES if not all(map(str.isascii, pair)) for name in pair]
    write_jobs(own_site, *names, "work")
    if not are_equal_here(names):
        run_jobs(own_site)
        assert set(own_jobs()) == {*names, "work"}
        return
    refused = own_site.run("run_jobs")
    assert refused.returncode == 1
    assert "holds the names of these jobs for one" in refused.stderr
    assert not [name for name in names if f"shop.jobs.{name}" not in refused.stderr], refused.stderr


def test_the_exit_status_shows_history_lost_to_an_error_that_is_no_outage(site):
    write_jobs(site, "work")
    site.settings("import broken")
    site.write(
        "broken.py",
        """
        from quick_jobs.databases.base import Database
        from django.db import ProgrammingError

        def refuse(*args):
            raise ProgrammingError("permission denied for table quick_jobs_jobexecution")

        Database.upsert = refuse
        """,
    )
    run = site.run("run_jobs", "--stop-after", 0.5, "--stop-timeout", 0.5)
    assert run.returncode == 1
    assert "the stop of this runner could not be saved" in run.stderr
    assert "waiting will not help: ProgrammingError: permission denied" in run.stderr
    assert "--no-history" in run.stderr


def test_a_database_that_lacks_characters_has_them_as_escapes(own_site):
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL; tests/faults/test_texts.py has MariaDB")
    name = connection.settings_dict["NAME"] + "_own"
    execute(f"DROP DATABASE {name}")
    latin1 = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    execute(f"CREATE DATABASE {name} {latin1}")
    make_our_tables()
    write_jobs(own_site, "work", "fail", "日本", "año")
    run_jobs(own_site)
    assert set(own_jobs()) == {"año", "fail", "work", r"\u65e5\u672c"}
    failed = JobExecution.objects.using("own").filter(outcome="failed")
    assert failed.count() > 3
