"""The databases that the benchmarks write to, each made for the run and dropped after it.

They are looked for where ``tests/settings.py`` looks for them.
"""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from benchmarks.processes import cpu_seconds, family, open_files, parent

_HOST = os.environ.get("QUICK_JOBS_TEST_DB_HOST", "127.0.0.1")
NAME = f"quick_jobs_benchmark_{os.getpid()}"


class PostgreSQL:
    """A database in a server of this machine."""

    kind = "postgresql"

    def __init__(self, port=5432):
        self.port = port
        self.settings = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _HOST,
            "PORT": str(port),
            "USER": os.environ.get("QUICK_JOBS_TEST_DB_USER", "postgres"),
            "PASSWORD": os.environ.get("QUICK_JOBS_TEST_DB_PASSWORD", ""),
            "NAME": NAME,
        }
        self._control = self.connect("postgres")

    def connect(self, name=NAME):
        """Return a driver's connection that commits each statement."""
        import psycopg

        return psycopg.connect(
            host=_HOST,
            port=self.port,
            user=self.settings["USER"],
            password=self.settings["PASSWORD"],
            dbname=name,
            autocommit=True,
        )

    def create(self):
        self.drop()
        self._control.execute(f"CREATE DATABASE {NAME}")
        self._control.execute("CHECKPOINT")

    def drop(self):
        self._control.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")

    def query(self, sql):
        """Return the rows that ``sql`` gives."""
        with self.connect() as connection:
            return connection.execute(sql).fetchall()

    def connections(self, pids):
        """Return how many connections there are."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        return self._control.execute(sql, [NAME]).fetchone()[0]

    def commits(self):
        """Return how many transactions there were; a session tells it at its end at the latest."""
        sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        return self._control.execute(sql, [NAME]).fetchone()[0]

    def cpu_seconds(self):
        """Return what the server has taken, with all its sessions."""
        return cpu_seconds(family(parent(self._control.info.backend_pid)))


class MariaDB:
    """A database in a server of this machine."""

    kind = "mariadb"

    def __init__(self):
        self.settings = {
            "ENGINE": "django.db.backends.mysql",
            "HOST": _HOST,
            "PORT": "3306",
            "USER": "root",
            "NAME": NAME,
            "OPTIONS": {"charset": "utf8mb4"},
        }
        self._control = self.connect("mysql")

    def connect(self, name=NAME):
        """Return a driver's connection that commits each statement."""
        import MySQLdb

        return MySQLdb.connect(host=_HOST, port=3306, user="root", database=name, autocommit=True)

    def _ask(self, sql, values=()):
        with self._control.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    def create(self):
        self.drop()
        self._ask(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")

    def drop(self):
        self._ask(f"DROP DATABASE IF EXISTS {NAME}")

    def query(self, sql):
        """Return the rows that ``sql`` gives."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def connections(self, pids):
        """Return how many connections there are."""
        return self._ask(
            "SELECT count(*) FROM information_schema.processlist WHERE db = %s", [NAME]
        )[0][0]

    def commits(self):
        return None

    def cpu_seconds(self):
        """Return what the server has taken."""
        ((_, path),) = self._ask("SHOW VARIABLES LIKE 'pid_file'")
        return cpu_seconds([int(Path(path).read_text())])


class SQLite:
    """A file, with Django's defaults: a rollback journal, and five seconds of patience."""

    kind = "sqlite"

    def __init__(self):
        self.path = Path(tempfile.gettempdir(), f"{NAME}.sqlite3")
        self.settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.path)}

    def create(self):
        self.drop()

    def drop(self):
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    def query(self, sql):
        """Return the rows that ``sql`` gives."""
        with contextlib.closing(sqlite3.connect(str(self.path), timeout=60)) as connection:
            return connection.execute(sql).fetchall()

    def connections(self, pids):
        """Return how often the file is open."""
        return open_files(pids, self.path)

    def commits(self):
        return None

    def cpu_seconds(self):
        return 0.0


DATABASES = {each.kind: each for each in (PostgreSQL, MariaDB, SQLite)}
