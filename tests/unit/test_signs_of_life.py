"""What a runner's loop shows of itself: the alive file, and messages to a service manager."""

import os
import socket
import stat

import pytest

from quick_jobs.runner.alive_file import AliveFile
from quick_jobs.runner.service_manager import ServiceManager
from quick_jobs.runner.signs_of_life import SignsOfLife

needs_unix_sockets = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets"
)


@pytest.fixture
def alive_file(tmp_path):
    return AliveFile(str(tmp_path / "alive"))


class Manager:
    """A service manager that reads its socket when the test says so."""

    def __init__(self, address, **environment):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address, **environment}
        self.told = ServiceManager.of(self.environment)

    def read(self):
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self):
        self.socket.close()
        self.told.close()


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"), WATCHDOG_USEC="20000000")
    yield manager
    manager.close()


# The alive file.


def test_the_file_is_made_touched_and_removed(alive_file, tmp_path):
    alive_file.create()
    os.utime(tmp_path / "alive", (0, 0))
    alive_file.touch()
    assert (tmp_path / "alive").stat().st_mtime > 0
    alive_file.remove()
    alive_file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_somebody_deletes_is_made_again(alive_file, tmp_path):
    alive_file.touch()
    assert (tmp_path / "alive").exists()


def test_a_file_that_a_killed_runner_left_is_taken_over(alive_file, tmp_path):
    (tmp_path / "alive").touch()
    os.utime(tmp_path / "alive", (0, 0))
    alive_file.create()
    assert (tmp_path / "alive").stat().st_mtime > 0


def test_what_is_no_empty_file_is_refused_and_left(tmp_path):
    (tmp_path / "manage.py").write_text("import django")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("manage.py", "folder", "pipe"):
        with pytest.raises(OSError):  # noqa: PT011
            AliveFile(str(tmp_path / name)).create()
    assert (tmp_path / "manage.py").read_text() == "import django"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_failures_later_on_are_logged_once_until_one_succeeds(tmp_path, caplog):
    folder = tmp_path / "folder"
    alive_file = AliveFile(str(folder / "alive"))
    for _ in range(3):
        alive_file.touch()
    assert len(caplog.messages) == 1
    assert "cannot be written" in caplog.text
    folder.mkdir()
    alive_file.touch()
    (folder / "alive").unlink()
    folder.rmdir()
    alive_file.touch()
    assert len(caplog.messages) == 2


# A service manager.


@needs_unix_sockets
def test_its_variables_are_taken_out_of_the_environment(manager):
    assert manager.environment == {}


@needs_unix_sockets
@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "ours"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_watchdog_is_ours_unless_another_process_is_named(environment, watchdog):
    if environment.get("WATCHDOG_PID") == "ours":
        environment = {**environment, "WATCHDOG_PID": str(os.getpid())}
    service_manager = ServiceManager.of({"NOTIFY_SOCKET": "/run/notify", **environment})
    assert service_manager.watchdog == watchdog
    service_manager.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "run/notify"])
def test_without_an_address_that_can_be_used_there_is_none(address):
    assert ServiceManager.of({"NOTIFY_SOCKET": address}) is None


@needs_unix_sockets
def test_an_abstract_socket_is_reached():
    manager = Manager(f"@quick-jobs-test-{os.getpid()}")
    assert manager.told.tell("READY=1", "STATUS=well")
    assert manager.read() == ["READY=1\nSTATUS=well"]
    manager.close()


@needs_unix_sockets
def test_a_full_socket_and_one_that_is_gone_hold_up_nobody(manager):
    assert any(not manager.told.tell("WATCHDOG=1") for _ in range(10_000))
    manager.socket.close()
    assert not manager.told.tell("WATCHDOG=1")


# When.


@needs_unix_sockets
def test_the_service_manager_is_told_twice_per_watchdog_time_and_when_it_stops(manager):
    signs = SignsOfLife(None, manager.told, jobs=8, heartbeat_interval=15.0)
    signs.look(100.0, False, [])
    assert manager.read() == ["WATCHDOG=1", "READY=1", "STATUS=8 jobs, 0 running"]
    assert signs.next_check() == 110.0
    signs.look(109.0, False, [1])
    assert manager.read() == []
    signs.look(110.0, False, [1])
    assert manager.read() == ["WATCHDOG=1"]
    assert signs.next_check() == 115.0
    signs.look(115.0, False, [1, 2])
    assert manager.read() == ["STATUS=8 jobs, 2 running"]
    for now in (116.0, 117.0):
        signs.look(now, True, [])
    assert manager.read() == ["STOPPING=1"]


@needs_unix_sockets
def test_what_found_the_socket_full_is_told_with_the_next_heartbeat(manager):
    while manager.told.tell("X"):
        pass
    signs = SignsOfLife(None, manager.told, jobs=1, heartbeat_interval=15.0)
    signs.look(100.0, False, [])
    assert set(manager.read()) == {"X"}
    signs.look(115.0, False, [])
    assert manager.read() == ["WATCHDOG=1", "READY=1", "STATUS=1 job, 0 running"]


def test_the_file_is_touched_at_each_heartbeat(alive_file, tmp_path):
    signs = SignsOfLife(alive_file, None, jobs=8, heartbeat_interval=15.0)
    path = tmp_path / "alive"
    for now, touched in [(100.0, True), (114.0, False), (115.0, True), (131.0, True)]:
        path.touch()
        os.utime(path, (0, 0))
        signs.look(now, False, [])
        assert (path.stat().st_mtime > 0) == touched
    assert signs.next_check() == 146.0
