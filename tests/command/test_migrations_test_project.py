"""migrations_test_project, which people start first."""

import re
import shutil
import signal
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


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_shows_its_jobs_and_its_admin_and_stops_cleanly(sample, signum):
    demo = sample.start("demo")
    address = re.search(r"http://127\.0\.0\.1:\d+/", demo.wait_for_output("Log in as")).group()
    with urlopen(address, timeout=20) as page:  # it leads to the admin's login
        assert "Log in" in page.read().decode()
    with urlopen(f"{address}static/admin/css/base.css", timeout=20) as style:
        assert style.status == 200
    for ending in ENDINGS:
        demo.wait_for_output(ending)
    wait_until(lambda: demo.output.count(address) == 2)  # after the first lines of the log
    demo.send(signum)
    assert demo.wait() == 0, demo.output
    assert "Traceback" not in demo.output.partition("stopping: ")[2]
    assert demo.output.endswith("Stopped.\n")
    assert "GET /" not in demo.output


def test_a_second_demo_takes_another_port_and_the_login_that_there_is(sample):
    addresses = set()
    for _ in range(2):
        demo = sample.start("demo")
        addresses.add(re.search(r"http://\S+", demo.wait_for_output("Log in as")).group())
    assert len(addresses) == 2


def test_a_day_of_history_is_made_up_once(sample):
    demo = sample.start("demo", "--with-history")
    demo.wait_for_output("Made up a day of history")
    demo.wait_for_output(ENDINGS[0])
    demo.send(signal.SIGINT)
    assert demo.wait() == 0, demo.output
    again = sample.start("demo", "--with-history")
    again.wait_for_output("There is a history already")
    counted = sample.run(
        "shell",
        "-c",
        "from quick_jobs.models import JobExecution, JobRunner;"
        "made_up = JobRunner.objects.filter(hostname__endswith='(made up)');"
        "print(sorted(r.stop_reason for r in made_up));"
        "rows = JobExecution.objects.filter(runner__in=made_up);"
        "print(sorted(set(rows.values_list('outcome', flat=True))));"
        "print(rows.exclude(fingerprint='').values('fingerprint').distinct().count() > 2)",
    )
    assert "['', 'signal', 'timed_out']" in counted.stdout, counted.stderr
    assert "['failed', 'interrupted', 'running', 'succeeded', 'timed_out']" in counted.stdout
    assert "True" in counted.stdout
