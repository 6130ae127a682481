"""The history is in a database of its own, or in the one whose transactions jobs roll back."""

import time

import pytest

from tests.faults.conftest import sqlite
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

pytestmark = pytest.mark.faults

# Here the jobs' own data is, and nothing of the history.
ROUTED = """
    DATABASES = {{"default": {default!r}, "history": DATABASES["default"]}}
    DATABASE_ROUTERS = ["routers.HistoryElsewhere"]
"""
ROUTERS = """
    class HistoryElsewhere:
        def db_for_read(self, model, **hints):
            return "history" if model._meta.app_label == "quick_jobs" else None

        db_for_write = db_for_read

        def allow_migrate(self, db, app_label, **hints):
            return (db == "history") == (app_label == "quick_jobs")
"""

# Two jobs that roll back what they have written, and one that leaves a transaction open.
ROLLING_BACK = """
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    def write(name):
        Session.objects.create(session_key=name, session_data="", expire_date=timezone.now())

    @register_job(interval=0.2)
    def rolls_back_and_fails(env):
        with seen("rolls_back_and_fails"), transaction.atomic():
            write("rolled back")
            raise ValueError

    @register_job(interval=0.2)
    def rolls_back(env):
        with seen("rolls_back"), transaction.atomic():
            write("set back")
            transaction.set_rollback(True)

    @register_job(interval=0.2)
    def leaves_open(env):
        with seen("leaves_open"):
            transaction.atomic().__enter__()
            write("left open")
"""
SESSIONS = "from django.contrib.sessions.models import Session; print(Session.objects.count())"
TABLES = "from django.db import connection; print(*connection.introspection.table_names())"


@pytest.fixture
def routed_shop(any_shop, tmp_path):
    """A shop with its history in a database of each kind, and all else in another."""
    any_shop.write("routers.py", ROUTERS)
    any_shop.settings(ROUTED.format(default=sqlite(tmp_path / "default")))
    migrated = any_shop.run("migrate", "--verbosity=0")
    assert migrated.returncode == 0, migrated.stderr
    return any_shop


def printed(shop, code):
    """Return the words that ``code`` prints in the shop's shell."""
    completed = shop.run("shell", "--verbosity=0", "-c", code)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.split()


def test_all_of_the_history_goes_where_the_router_says(routed_shop):
    shop = routed_shop
    shop.settings("QUICK_JOBS_HISTORY_RETENTION = 4")
    shop.jobs(STEADY, ROLLING_BACK)
    runner = shop.start("run_jobs")
    runner.wait_for_output("the history is kept in the database 'history'")
    wait_until(lambda: shop.count() >= 30)
    wait_until(lambda: not shop.count(number=1))  # it is pruned
    shop.wait_for_heartbeat()
    now = time.time()
    stop(runner)
    shop.assert_history_is_true(since=now - 2)
    assert shop.states() == (0, 0, 1)
    pruned = shop.run("prune_job_history", "--older-than=0s")
    assert pruned.returncode == 0, pruned.stderr
    assert shop.count() == 0
    assert printed(shop, SESSIONS) == ["0"]
    tables = printed(shop, TABLES)
    assert "django_session" in tables
    assert not [table for table in tables if table.startswith("quick_jobs")]


def test_what_a_job_rolls_back_is_not_its_history(any_shop):
    shop = any_shop
    shop.jobs(STEADY, ROLLING_BACK)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count(outcome="succeeded") >= 60)
    stop(runner)
    shop.assert_history_is_true()
    assert printed(shop, SESSIONS) == ["0"]
    assert "shop.jobs.leaves_open left a transaction open" in runner.output
