"""SQLite is locked, read-only, out of reach or out of space: the jobs go on, and share it."""

import contextlib
import shutil
import sqlite3
import subprocess

import pytest
from django.contrib.auth.models import Group

from tests.faults.conftest import sqlite
from tests.faults.shops import BUSY, STEADY, stop
from tests.site import wait_until

# Root may write whatever the file's mode is; without capabilities he may not.
OBEY_MODES = """
    import ctypes
    import struct

    ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
"""


#: A lock is an outage after seconds, where it may be a job's for ten.
SOON_AN_OUTAGE = """
from quick_jobs.history import retries

retries._LONG_LOCK = 2.0
"""


@pytest.fixture
def folder(tmp_path, migrated_file):
    """A folder of its own for the database."""
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(str(migrated_file), str(folder / "database"))
    return folder


@pytest.fixture
def folder_shop(new_shop, folder, unblocked):
    return new_shop(sqlite(folder / "database", timeout=1))


@pytest.fixture
def small_disk_shop(new_shop, tmp_path, migrated_file, unblocked):
    """A shop with its database on a disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    shutil.copy(str(migrated_file), str(disk / "database"))
    shop = new_shop(sqlite(disk / "database", timeout=1))
    yield shop
    shop.end()
    subprocess.run(["umount", str(disk)], check=True)


@contextlib.contextmanager
def locked(folder):
    other = sqlite3.connect(str(folder / "database"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@contextlib.contextmanager
def read_only(folder):
    (folder / "database").chmod(0o444)
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)
        (folder / "database").chmod(0o644)


@contextlib.contextmanager
def out_of_reach(folder):
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


@contextlib.contextmanager
def full(folder):
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    try:
        yield
    finally:
        ballast.unlink()


def assert_survives(shop, fault):
    """The jobs go on under ``fault``, late once at most; their records land when it has gone."""
    shop.jobs(SOON_AN_OUTAGE, STEADY)
    runner = shop.start("run_jobs")
    wait_until(lambda: shop.count() >= 20)
    with fault:
        runner.wait_for_output("the history cannot be written")
        visits = shop.number_of_visits()
        wait_until(lambda: shop.number_of_visits() >= visits + 20)
    runner.wait_for_output("the history is written again")
    shop.wait_for_heartbeat()
    stop(runner)
    shop.assert_starts_were_late_once_at_most()
    shop.assert_history_is_true()
    assert shop.runner().stopped_at


@pytest.mark.parametrize("fault", [locked, read_only, out_of_reach])
def test_a_database_that_cannot_be_written_stops_no_job_and_costs_no_record(
    folder_shop, folder, fault
):
    folder_shop.settings(OBEY_MODES)
    assert_survives(folder_shop, fault(folder))


@pytest.mark.faults
def test_a_full_disk_stops_no_job_and_costs_no_record(small_disk_shop, tmp_path):
    assert_survives(small_disk_shop, full(tmp_path / "disk"))


# Jobs that use the database at the same time as the history does.

MODELS = """
    from django.contrib.auth.models import Group
"""

#: Reads, does something slow, and writes: the documented way of sending emails.
READS_THEN_WRITES = """
    @register_job(interval=0.01)
    def reads_then_writes(env):
        with seen("reads_then_writes"), transaction.atomic():
            group = Group.objects.first()
            time.sleep(0.3)
            group.name = str(time.time())
            group.save()
"""

UPDATES_OR_CREATES = "".join(
    f"""
    @register_job(interval={interval})
    def {name}(env):
        with seen("{name}"):
            Group.objects.update_or_create(name="{name}")
    """
    for name, interval in [("updates", 0.05), ("updates_too", 0.07)]
)

#: Has a cursor open for seconds. In the rollback journal, nobody can commit meanwhile.
ITERATES = """
    @register_job(interval=60)
    def iterates(env):
        with seen("iterates"), connection.cursor() as cursor:
            cursor.execute("SELECT name FROM auth_group")
            cursor.fetchone()
            time.sleep(4)
"""

READS = """
    @register_job(interval=0.1)
    def reads(env):
        with seen("reads"):
            Group.objects.count()
"""

HOLDS_THE_LOCK = """
    @register_job(interval=60)
    def holds_the_lock(env):
        with seen("holds_the_lock"), transaction.atomic():
            Group.objects.create(name="held")
            time.sleep({seconds})
"""


def ends_of(shop, name):
    return sum(words[:2] == ["ended", name] for words in shop.told())


def work(shop, *jobs, until):
    """Have ``jobs`` run until one of them, by its name, has ended a number of times."""
    shop.jobs(MODELS, *jobs)
    with shop.database() as using:
        for group in ("a", "b"):
            Group.objects.using(using).create(name=group)
    runner = shop.start("run_jobs")
    name, times = until
    wait_until(lambda: ends_of(shop, name) >= times, 60)
    stop(runner)
    for execution in shop.executions(outcome="failed"):
        assert execution.job.name.endswith("_fails"), execution.traceback
    shop.assert_history_is_true()
    return runner.output


def test_jobs_that_read_and_then_write_share_the_database_with_the_history(file_shop):
    work(file_shop, READS_THEN_WRITES, BUSY, until=("reads_then_writes", 5))


def test_update_or_create_shares_the_database_with_the_history(file_shop):
    work(file_shop, UPDATES_OR_CREATES, BUSY, until=("updates", 20))


def test_jobs_can_read_while_the_history_waits_for_another_who_reads(new_shop, folder, unblocked):
    """Who waits for two seconds at most would fail for a commit that waits as long."""
    shop = new_shop(sqlite(folder / "database", timeout=2))
    output = work(shop, ITERATES, READS, BUSY, until=("iterates", 1))
    assert "the history cannot be written" not in output


def test_a_job_that_holds_the_lock_for_seconds_is_no_outage_and_delays_no_job_twice(
    new_shop, folder, unblocked
):
    shop = new_shop(sqlite(folder / "database", timeout=1))
    output = work(shop, STEADY, HOLDS_THE_LOCK.format(seconds=4), until=("holds_the_lock", 1))
    assert "the history cannot be written" not in output
    shop.assert_starts_were_late_once_at_most()
