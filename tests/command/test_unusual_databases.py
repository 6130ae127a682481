"""On databases that are set up in unusual ways run_jobs keeps its history, or says why not."""

import datetime as dt
import sqlite3
import textwrap

import pytest
from django.db import connection

JOBS = """
from quick_jobs import register_job

@register_job(0.05)
def work(env):
    pass

@register_job(0.05)
def fail(env):
    raise ValueError("näh \\U0001f40d" + "x" * 3000)
"""

SHOW = """
import datetime as dt
from django.core.management.base import BaseCommand
from django.db import transaction
from quick_jobs.models import Job, JobExecution, JobRunner

class Command(BaseCommand):
    def handle(self, **options):
        ended = JobExecution.objects.exclude(outcome="running")
        print("names", ",".join(sorted(Job.objects.values_list("name", flat=True))))
        for name in ("work", "fail"):
            print(name, ended.filter(job__name=f"shop.jobs.{name}").count())
        print("stopped", JobRunner.objects.stopped().count(), "of", JobRunner.objects.count())
        for runner in JobRunner.objects.all():
            print("started", runner.started_at.isoformat())
        many = ended.values_list("started_at", flat=True)
        print("span", (max(many) - min(many)).total_seconds() if many else None)
"""


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def empty_site(site, tmp_path):
    """A site with a database of its own, in which there are no tables yet."""
    site.write("shop/jobs.py", JOBS)
    site.write("shop/management/__init__.py", "")
    site.write("shop/management/commands/__init__.py", "")
    site.write("shop/management/commands/show.py", SHOW)
    if connection.vendor == "sqlite":
        site.settings(f"DATABASES['default']['NAME'] = {str(tmp_path / 'own.sqlite3')!r}")
        yield site
        return
    name = connection.settings_dict["NAME"] + "_own"
    execute(f"CREATE DATABASE {name}")
    site.settings(f"DATABASES['default']['NAME'] = {name!r}")
    yield site
    site.end()
    execute(f"DROP DATABASE {name}")


def migrate(site):
    migrated = site.run("migrate", "--verbosity", 0)
    assert migrated.returncode == 0, migrated.stderr


def shown(site):
    """Return what is on record, by its name."""
    output = site.run("show")
    assert output.returncode == 0, output.stderr
    return dict(line.split(" ", 1) for line in output.stdout.splitlines())


def assert_kept(site, *options):
    """Run the jobs for a second, and see that both are on record."""
    run = site.run("run_jobs", "--stop-after", 1, *options)
    assert run.returncode == 0, run.stderr
    assert "cannot be written" not in run.stderr
    assert "not saved" not in run.stderr
    found = shown(site)
    assert int(found["work"]) > 3
    assert int(found["fail"]) > 3
    assert found["stopped"] == "1 of 1"
    return found


PREFIX = """
from django.db.models.signals import class_prepared

def add_prefix(sender, **kwargs):
    if not sender._meta.db_table.startswith(PREFIX):
        sender._meta.db_table = PREFIX + sender._meta.db_table

class_prepared.connect(add_prefix)
PREFIX = {!r}
"""


@pytest.mark.parametrize("prefix", ["ACME_", "acme-", "Acme's "])
def test_a_table_may_have_any_name_that_django_can_use(empty_site, prefix):
    empty_site.settings(PREFIX.format(prefix))
    migrate(empty_site)
    assert_kept(empty_site)
    pruned = empty_site.run("prune_job_history", "--older-than", "0s")
    assert pruned.returncode == 0, pruned.stderr


def test_the_history_is_committed_where_connections_do_not_commit_by_themselves(empty_site):
    migrate(empty_site)
    empty_site.settings('DATABASES["default"]["AUTOCOMMIT"] = False')
    assert_kept(empty_site)
    pruned = empty_site.run("prune_job_history", "--older-than", "0s")
    assert pruned.returncode == 0, pruned.stderr
    empty_site.settings('DATABASES["default"]["AUTOCOMMIT"] = True')
    assert shown(empty_site)["work"] == "0"


@pytest.mark.parametrize("zone", ["", "Asia/Kolkata"], ids=["of the system", "of a variable"])
def test_the_history_is_in_the_systems_time_without_time_zones(empty_site, zone):
    empty_site.settings("USE_TZ = False\nTIME_ZONE = None")
    if zone:
        empty_site.variables["TZ"] = zone
    migrate(empty_site)
    found = assert_kept(empty_site)
    now = dt.datetime.now()
    if zone:
        now = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=5.5)).replace(tzinfo=None)
    started = dt.datetime.fromisoformat(found["started"])
    assert abs(now - started) < dt.timedelta(minutes=1)
    assert float(found["span"]) < 60


def give_collation(site):
    """Let the database hold names for equal that differ in case, and if it can, in accents."""
    if connection.vendor == "sqlite":
        own = sqlite3.connect(str(site.path / "own.sqlite3"))
        own.execute("PRAGMA writable_schema = 1")
        own.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '\"name\" varchar(255) NOT NULL UNIQUE', "
            "'\"name\" varchar(255) NOT NULL COLLATE NOCASE UNIQUE') WHERE name = 'quick_jobs_job'"
        )
        own.commit()
        own.execute("REINDEX")
        own.close()
        return
    statements = [
        "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level1', "
        "deterministic = false)",
        "DO $$ DECLARE i text; BEGIN FOR i IN SELECT indexname FROM pg_indexes WHERE indexname "
        "LIKE 'quick_jobs_job_name%like' LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$",
        "ALTER TABLE quick_jobs_job ALTER name TYPE varchar(255) COLLATE folding",
    ]
    if connection.vendor == "mysql":
        statements = [
            "ALTER TABLE quick_jobs_job MODIFY name varchar(255) "
            "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
        ]
    site.write("statements.py", f"statements = {statements!r}")
    code = """
        from django.db import connection
        from statements import statements
        for statement in statements:
            connection.cursor().execute(statement)
        """
    run = site.run("shell", "-c", textwrap.dedent(code))
    assert run.returncode == 0, run.stderr


NAMED = """
from quick_jobs import register_job

def register(name):
    def function(env):
        pass
    function.__name__ = function.__qualname__ = name
    globals()[name] = function
    globals()[name] = register_job(0.05)(function)

for name in {names!r}:
    register(name)
"""

EQUAL_NAMES = [
    ("tidy_all", "Tidy_All"),
    ("mise_a_jour_resume", "mise_a_jour_résumé"),
    ("pedido_ano", "pedido_año"),
]


def equal_here(names):
    return connection.vendor != "sqlite" or all(name.isascii() for name in names)


@pytest.mark.parametrize("names", EQUAL_NAMES, ids="-".join)
def test_a_job_that_is_renamed_to_an_equal_name_goes_on_with_its_row(empty_site, names):
    migrate(empty_site)
    give_collation(empty_site)
    counts = []
    for name in names:
        empty_site.write("shop/jobs.py", NAMED.format(names=[name, "work", "fail"]))
        run = empty_site.run("run_jobs", "--stop-after", 1)
        assert run.returncode == 0, run.stderr
        assert "cannot be written" not in run.stderr
        found = shown(empty_site)
        counts.append(int(found["work"]))
        assert f"shop.jobs.{name}" in found["names"].split(",")
    assert 3 < counts[0] < counts[1] - 3
    assert len(found["names"].split(",")) == (3 if equal_here(names) else 4)


@pytest.mark.parametrize("names", EQUAL_NAMES, ids="-".join)
def test_jobs_with_equal_names_are_refused_at_the_start_or_recorded_each(empty_site, names):
    migrate(empty_site)
    give_collation(empty_site)
    empty_site.write("shop/jobs.py", NAMED.format(names=[*names, "work"]))
    run = empty_site.run("run_jobs", "--stop-after", 1)
    if not equal_here(names):
        assert run.returncode == 0, run.stderr
        assert all(f"shop.jobs.{name}" in shown(empty_site)["names"] for name in names)
        return
    assert run.returncode == 1
    assert all(f"shop.jobs.{name}" in run.stderr for name in names)


def test_the_exit_status_shows_history_lost_to_an_error_that_is_no_outage(empty_site):
    migrate(empty_site)
    empty_site.settings("import broken")
    empty_site.write(
        "broken.py",
        """
        from quick_jobs.databases.base import Database
        from django.db import ProgrammingError

        def refuse(*args):
            raise ProgrammingError("permission denied for table quick_jobs_jobexecution")

        Database.upsert = refuse
        """,
    )
    run = empty_site.run("run_jobs", "--stop-after", 1)
    assert run.returncode == 1
    assert "the stop of this runner could not be saved" in run.stderr
    assert "waiting will not help: ProgrammingError: permission denied" in run.stderr
    assert "--no-history" in run.stderr


def test_a_database_that_lacks_characters_has_them_as_escapes(empty_site):
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL; tests/faults/test_texts.py has MariaDB")
    name = connection.settings_dict["NAME"] + "_own"
    execute(f"DROP DATABASE {name}")
    latin1 = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    execute(f"CREATE DATABASE {name} {latin1}")
    migrate(empty_site)
    empty_site.write("shop/jobs.py", JOBS + NAMED.format(names=["日本", "año"]))
    names = {name.rpartition(".")[2] for name in assert_kept(empty_site)["names"].split(",")}
    assert names == {"año", "fail", "work", r"\u65e5\u672c"}
