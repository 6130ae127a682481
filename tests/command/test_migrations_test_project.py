"""migrations_test_project, which people start first."""

import contextlib
import re
import shutil
import signal
import sqlite3
from urllib.request import urlopen

import django
import pytest

from tests.site import ROOT, Project, wait_until

ENDINGS = (
    "shop.jobs.place_orders succeeded",
    "shop.jobs.pack_an_order succeeded",
    "shop.jobs.update_prices succeeded",
)


@pytest.fixture
def sample(tmp_path):
    """A copy of the project, with a database of its own."""
    path = tmp_path / "sample"
    shutil.copytree(
        str(ROOT / "migrations_test_project"),
        str(path),
        ignore=shutil.ignore_patterns("*.sqlite3*", "__pycache__"),
    )
    sample = Project(path)
    yield sample
    sample.end()


def test_its_migrations_and_ours_are_complete(sample):
    checked = sample.run("makemigrations", "--check", "--dry-run")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has no options for it")
def test_its_admin_can_share_the_database_with_its_jobs(sample):
    checked = sample.run("check", "--database=default", "--fail-level=WARNING")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_demo_shows_its_jobs_and_its_admin_and_stops_cleanly(sample):
    demo = sample.start("demo")
    address = re.search(r"http://127\.0\.0\.1:\d+/", demo.wait_for_output("Log in as")).group()
    with urlopen(address, timeout=20) as page:  # it leads to the admin's login
        assert "Log in" in page.read().decode()
    with urlopen(f"{address}static/admin/css/base.css", timeout=20) as style:
        assert style.status == 200
    for ending in ENDINGS:
        demo.wait_for_output(ending)
    wait_until(lambda: demo.output.count(address) == 2)  # after the first lines of the log
    demo.send(signal.SIGTERM)
    assert demo.wait() == 0, demo.output
    assert "Traceback" not in demo.output.partition("stopping: ")[2]
    assert demo.output.endswith("Stopped.\n")
    assert "GET /" not in demo.output


def test_a_second_demo_takes_another_port_and_the_login_and_the_history_that_there_are(sample):
    demos = []
    for about_history in ("Made up a day of history", "There is a history already"):
        demos.append(sample.start("demo", "--with-history"))
        demos[-1].wait_for_output(about_history)
        demos[-1].wait_for_output("Log in as")
    assert len({re.search(r"http://\S+", demo.output).group() for demo in demos}) == 2
    first, _ = demos
    first.wait_for_output(ENDINGS[0])
    first.send(signal.SIGINT)
    assert first.wait() == 0, first.output

    with contextlib.closing(sqlite3.connect(str(sample.path / "demo.sqlite3"))) as database:

        def made_up(column):
            """Return the values that the made-up rows have."""
            found = database.execute(
                f"SELECT DISTINCT {column} FROM quick_jobs_jobrunner AS runner "
                "JOIN quick_jobs_jobexecution AS execution ON execution.runner_id = runner.id "
                "WHERE hostname LIKE '%(made up)'"
            )
            return {value for (value,) in found}

        assert made_up("stop_reason") == {"", "signal", "timed_out"}
        assert made_up("outcome") == {"failed", "interrupted", "running", "succeeded", "timed_out"}
        assert len(made_up("fingerprint")) > 3
