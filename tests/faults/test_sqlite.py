"""SQLite is locked, read-only, out of reach or out of space: the jobs go on."""

import contextlib
import shutil
import sqlite3
import subprocess

import pytest

from tests.faults.conftest import sqlite
from tests.faults.shops import STEADY, stop
from tests.site import wait_until

# Root may write whatever the file's mode is; without capabilities he may not.
OBEY_MODES = """
    import ctypes
    import struct

    ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
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
    shop.jobs(STEADY)
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
