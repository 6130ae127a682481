"""Database servers of the tests' own, to be stopped, frozen and restarted at will.

Each has a data directory and a port of its own and, where the tests are run by
root, who may not run a server, its user. A program that is not installed is an
error, never a skip.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from django.db.utils import load_backend

from tests.faults.clocks import WallClock
from tests.site import wait_until

START_TIMEOUT = 60

# PostgreSQL's own programs are not on the PATH of Debian.
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, _PLACES)])


class Server:
    """A private server with one database, ``quick_jobs``, for all who ask from this machine.

    Its wall clock is ``clock``.
    """

    user = ""
    login = {}
    system_database = ""
    create = "CREATE DATABASE quick_jobs"
    create_user = ()

    def __init__(self):
        self.port = free_port()
        self.path = Path(tempfile.mkdtemp(prefix="quick_jobs_"))
        if is_root():
            shutil.chown(str(self.path), self.user, self.user)
        self.clock = WallClock(self.path)
        self.prepare()
        self.start()
        self.execute(self.create, self.system_database)

    def prepare(self):
        """Make the data directory."""
        raise NotImplementedError

    def start(self):
        """Start it, and wait until it answers."""
        raise NotImplementedError

    def stop(self):
        """End it at once, as a crash would."""
        raise NotImplementedError

    def main_pid(self):
        """Return the number of its main process; raise OSError if there is none."""
        raise NotImplementedError

    def sessions(self, user="%"):
        """Return the numbers of the sessions in the database, of all users or this one."""
        raise NotImplementedError

    def add_plain_user(self):
        """Add the user ``shop``, who may do all in the database and nothing on the server."""
        for sql in self.create_user:
            self.execute(sql)

    def settings(self, database="quick_jobs", port=None, **more):
        """Return its entry in ``DATABASES``."""
        return {
            **self.login,
            "HOST": "127.0.0.1",
            "PORT": str(port or self.port),
            "NAME": database,
            **more,
        }

    def execute(self, sql, database="quick_jobs"):
        """Return what ``sql`` gives, in a session of its own."""
        connection = new_connection(self.settings(database))
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def answers(self):
        try:
            return bool(self.execute("SELECT 1", self.system_database))
        except Exception:
            return False

    def freeze(self):
        """Let it accept connections, and answer none."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def recover(self):
        """Have it as it was, after whatever a test has done to it."""
        self.thaw()
        self.clock.set_ahead(0)
        if not self.answers():
            self.start()

    def remove(self):
        self.thaw()
        self.stop()
        shutil.rmtree(str(self.path))

    def _signal(self, signum):
        try:
            processes = family(self.main_pid())
        except (OSError, ValueError):
            return
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)

    def _run(self, *command):
        subprocess.run(
            list(map(str, command)),
            check=True,
            cwd="/",
            env={**os.environ, **self.clock.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2 * START_TIMEOUT,
        )


class PostgreSQL(Server):
    user = "postgres"
    login = {"ENGINE": "django.db.backends.postgresql", "USER": "postgres"}
    system_database = "postgres"
    create_user = (
        "CREATE ROLE shop LOGIN",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO shop",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop",
    )

    def prepare(self):
        # Its programs are not told which user to become.
        self._as_user = ["runuser", "-u", self.user, "--"] if is_root() else []
        self._data = self.path / "data"
        self._run_as_user(
            "initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", self._data
        )
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nmax_connections = 200\n"
                f"unix_socket_directories = '{self.path}'\nfsync = off\n"
            )

    def start(self):
        log = self.path / "log"
        self._run_as_user("pg_ctl", "-w", "-t", START_TIMEOUT, "-D", self._data, "-l", log, "start")

    def stop(self):
        if (self._data / "postmaster.pid").exists():
            self._run_as_user("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def main_pid(self):
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def sessions(self, user="%"):
        found = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            f"AND pid <> pg_backend_pid() AND usename LIKE '{user}'"
        )
        return [pid for (pid,) in found]

    def end_sessions(self):
        """End all sessions, as an administrator may."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def _run_as_user(self, name, *arguments):
        self._run(*self._as_user, program(name), *arguments)


class MariaDB(Server):
    user = "mysql"
    login = {
        "ENGINE": "django.db.backends.mysql",
        "USER": "root",
        "OPTIONS": {"charset": "utf8mb4"},
    }
    system_database = "mysql"
    create = "CREATE DATABASE quick_jobs CHARACTER SET utf8mb4"
    create_user = ("CREATE USER shop", "GRANT ALL ON quick_jobs.* TO shop")

    def prepare(self):
        self._process = None
        self._as_user = [f"--user={self.user}"] if is_root() else []
        self._run(
            program("mariadb-install-db"),
            "--no-defaults",
            *self._as_user,
            f"--datadir={self.path}/data",
            f"--tmpdir={self.path}",  # a server that starts removes others' files from theirs
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def start(self):
        self._process = start_process(
            program("mariadbd"),
            "--no-defaults",
            *self._as_user,
            f"--datadir={self.path}/data",
            f"--tmpdir={self.path}",
            f"--socket={self.path}/socket",
            f"--pid-file={self.path}/pid",
            f"--log-error={self.path}/log",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=64M",
            "--max-connections=200",
            env={**os.environ, **self.clock.environment},
        )
        wait_until(self.answers, START_TIMEOUT)

    def stop(self):
        self._process.kill()
        self._process.wait(START_TIMEOUT)

    def main_pid(self):
        return self._process.pid

    def sessions(self, user="%"):
        found = self.execute(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() "
            f"AND id <> CONNECTION_ID() AND user LIKE '{user}'"
        )
        return [number for (number,) in found]

    def end_sessions(self):
        """End all sessions, as an administrator may."""
        for number in self.sessions():
            with suppress(Exception):  # it has gone meanwhile
                self.execute(f"KILL {number}")


class PgBouncer:
    """PgBouncer in transaction mode, before a :class:`PostgreSQL`."""

    user = "postgres"

    def __init__(self, server, pool_size):
        self.port = free_port()
        self.path = Path(tempfile.mkdtemp(prefix="quick_jobs_"))
        (self.path / "users").write_text('"postgres" ""\n"shop" ""\n')
        (self.path / "ini").write_text(
            "[databases]\n"
            f"quick_jobs = host=127.0.0.1 port={server.port} dbname=quick_jobs\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.path}/users\nlogfile = {self.path}/log\n"
            f"pool_mode = transaction\ndefault_pool_size = {pool_size}\nmax_client_conn = 500\n"
        )
        as_user = []
        if is_root():
            as_user = ["-u", self.user]
            for path in [self.path, *self.path.iterdir()]:
                shutil.chown(str(path), self.user, self.user)
        self._process = start_process(program("pgbouncer"), "-q", *as_user, self.path / "ini")
        wait_until(lambda: is_listening(self.port))

    def remove(self):
        self._process.terminate()
        self._process.wait(START_TIMEOUT)
        shutil.rmtree(str(self.path))


def new_connection(settings, alias="private"):
    """Return a Django connection to the database with ``settings``, known to nobody else."""
    complete = {
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
        "CONN_HEALTH_CHECKS": False,
        "CONN_MAX_AGE": 0,
        "HOST": "",
        "OPTIONS": {},
        "PASSWORD": "",
        "PORT": "",
        "TEST": {},
        "TIME_ZONE": None,
        "USER": "",
        **settings,
    }
    return load_backend(complete["ENGINE"]).DatabaseWrapper(complete, alias)


def program(name):
    """Return the path of a server's program."""
    path = shutil.which(name, path=_PATH)
    assert path, f"{name} is not installed: .ci/run says which packages the servers come in"
    return path


def start_process(*command, env=None):
    return subprocess.Popen(
        list(map(str, command)),
        cwd="/",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_root():
    return os.getuid() == 0


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_listening(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def family(pid):
    """Return ``pid`` and the numbers of all processes that descend from it."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found
