"""SQLite's write lock: who begins with it, and how long the history keeps readers out."""

import sqlite3
import threading
import time

import django
import pytest
from django.core import checks
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.backends.sqlite3.base import DatabaseWrapper

from quick_jobs import checks as quick_jobs_checks
from quick_jobs.databases import write_lock
from quick_jobs.databases.write_lock import immediate_transactions, is_locked, short_commit
from tests.faults.servers import new_connection

HAS_OPTION = django.VERSION >= (5, 1)

pytestmark = pytest.mark.usefixtures("unblocked")


@pytest.fixture
def unblocked(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def path(tmp_path):
    """A database with a table of one row."""
    path = tmp_path / "database"
    with sqlite3.connect(str(path)) as other:
        other.execute("CREATE TABLE stock (number INTEGER)")
        other.execute("INSERT INTO stock VALUES (0)")
    other.close()
    return path


@pytest.fixture
def other(path):
    """Somebody else's connection, who waits for nobody."""
    other = sqlite3.connect(str(path), isolation_level=None, timeout=0)
    yield other
    other.close()


@pytest.fixture
def connect(path):
    """Make a connection that is known as ``shop``."""
    made = []

    def new(engine="django.db.backends.sqlite3", **options):
        made.append(
            new_connection({"ENGINE": engine, "NAME": str(path), "OPTIONS": options}, "shop")
        )
        connections["shop"] = made[-1]
        return made[-1]

    yield new
    for each in made:
        each.close()
    if made:
        del connections["shop"]


def ask(using, sql):
    with using.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if sql.startswith(("SELECT", "PRAGMA")) else None


def sell(using):
    ask(using, "UPDATE stock SET number = number - 1")


def can_write(other):
    try:
        sell_raw(other)
    except sqlite3.OperationalError:
        return False
    return True


def sell_raw(other):
    other.execute("UPDATE stock SET number = number - 1")


def begins_with_the_lock(other):
    with transaction.atomic(using="shop"):
        return not can_write(other)


# In run_jobs.


def test_elsewhere_transactions_begin_without_the_lock(connect, other):
    connect()
    assert not begins_with_the_lock(other)


def test_in_a_runner_transactions_begin_with_the_lock(connect, other):
    connect()
    with immediate_transactions():
        assert begins_with_the_lock(other)


def test_a_transaction_that_reads_first_can_write_although_another_wanted_to(connect, other):
    shop = connect()
    with immediate_transactions(), transaction.atomic(using="shop"):
        ask(shop, "SELECT number FROM stock")
        assert not can_write(other)
        with transaction.atomic(using="shop"):
            sell(shop)
    assert ask(shop, "SELECT number FROM stock") == (-1,)


def test_a_connection_that_is_opened_again_begins_with_the_lock_again(connect, other):
    shop = connect()
    with immediate_transactions():
        assert begins_with_the_lock(other)
        shop.close()
        assert begins_with_the_lock(other)


def test_connections_that_are_open_already_begin_with_the_lock(connect, other, monkeypatch):
    shop = connect()
    shop.ensure_connection()
    monkeypatch.setattr(write_lock, "initialized_connections", lambda: [shop])
    with immediate_transactions():
        assert begins_with_the_lock(other)


def test_each_thread_begins_with_the_lock(connect, other):
    begin = []

    def run():
        connections["shop"] = new_connection(settings, "shop")
        begin.append(begins_with_the_lock(other_there))
        connections["shop"].close()

    settings = connect().settings_dict
    (_, _, file) = other.execute("PRAGMA database_list").fetchone()
    other_there = sqlite3.connect(file, isolation_level=None, timeout=0, check_same_thread=False)
    with immediate_transactions():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    other_there.close()
    assert begin == [True]


def test_after_the_runner_new_connections_begin_as_ever(connect, other):
    shop = connect()
    with immediate_transactions():
        pass
    shop.close()
    assert not begins_with_the_lock(other)


def test_single_statements_take_no_lock_to_read(connect, other):
    shop = connect()
    with immediate_transactions():
        ask(shop, "SELECT number FROM stock")
        assert can_write(other)


@pytest.mark.skipif(not HAS_OPTION, reason="Django has no option for it")
@pytest.mark.parametrize("mode", ["DEFERRED", "deferred", "IMMEDIATE", "EXCLUSIVE"])
def test_a_mode_that_the_site_chose_is_kept(connect, mode):
    shop = connect(transaction_mode=mode)
    with immediate_transactions():
        shop.ensure_connection()
        assert shop.transaction_mode == mode.upper()


class OwnBackend(DatabaseWrapper):
    """A backend of the site's own, as there is no option before Django 5.1."""

    def _start_transaction_under_autocommit(self):
        self.cursor().execute("BEGIN DEFERRED")


def test_a_backend_that_begins_in_its_own_way_is_left_alone(connect, other):
    connect().__class__ = OwnBackend
    with immediate_transactions():
        assert not begins_with_the_lock(other)


def test_a_receiver_that_begins_in_its_own_way_is_left_alone(connect, other):
    def begin_deferred(connection, **_):
        start = "_start_transaction_under_autocommit"
        setattr(connection, start, lambda: connection.cursor().execute("BEGIN DEFERRED"))

    connect()
    connection_created.connect(begin_deferred)
    try:
        with immediate_transactions():
            assert not begins_with_the_lock(other)
    finally:
        connection_created.disconnect(begin_deferred)


def test_a_database_that_can_only_be_read_is_read_in_transactions(connect, path):
    path.chmod(0o444)
    shop = connect()
    shop.settings_dict["NAME"] = f"file:{path}?mode=ro"
    with immediate_transactions(), transaction.atomic(using="shop"):
        assert ask(shop, "SELECT number FROM stock") == (0,)


def test_other_databases_are_left_alone():
    class Other:
        vendor = "postgresql"

    other = Other()
    with immediate_transactions():
        connection_created.send(sender=Other, connection=other)
    assert vars(other) == {}


# What the history writes.


@pytest.fixture
def pauses(monkeypatch):
    pauses = []
    monkeypatch.setattr(write_lock.time, "sleep", pauses.append)
    return pauses


def timeout_of(shop):
    return ask(shop, "PRAGMA busy_timeout")


def test_the_history_begins_with_the_lock_and_commits(connect, other):
    shop = connect()
    with short_commit(shop):
        assert not can_write(other)
        sell(shop)
    assert can_write(other)
    assert ask(shop, "SELECT number FROM stock") == (-2,)


def test_a_commit_that_readers_hold_up_is_rolled_back_and_leaves_them_time(connect, other, pauses):
    shop = connect(timeout=0.4)
    reading = other.execute("SELECT number FROM stock")
    began = time.monotonic()
    with pytest.raises(OperationalError) as raised, short_commit(shop):
        sell(shop)
    assert time.monotonic() - began >= 0.2
    assert is_locked(raised.value)
    assert len(pauses) == 1
    assert 0.5 <= pauses[0] <= 1
    assert timeout_of(shop) == (400,)
    assert not shop.in_atomic_block
    assert reading.fetchall() == [(0,)]
    with short_commit(shop):
        sell(shop)
    assert ask(shop, "SELECT number FROM stock") == (-1,)


@pytest.mark.parametrize(("timeout", "expected"), [(20, 1000), (5, 1000), (1, 500), (0, 0)])
def test_a_commit_waits_for_a_second_and_for_half_of_what_readers_wait_at_most(
    connect, monkeypatch, timeout, expected
):
    shop = connect(timeout=timeout)
    seen = []
    monkeypatch.setattr(shop, "commit", lambda: seen.append(timeout_of(shop)) or commit(), False)
    commit = type(shop).commit.__get__(shop)
    with short_commit(shop):
        seen.append(timeout_of(shop))
        sell(shop)
    assert [*seen, timeout_of(shop)] == [(timeout * 1000,), (expected,), (timeout * 1000,)]


def test_in_wal_mode_no_reader_holds_up_a_commit(connect, other, pauses):
    shop = connect(timeout=0.2)
    ask(shop, "PRAGMA journal_mode=WAL")
    reading = other.execute("SELECT number FROM stock")
    with short_commit(shop):
        sell(shop)
    assert pauses == []
    assert reading.fetchall() == [(0,)]


def test_a_lock_that_others_hold_is_waited_for_as_long_as_ever_and_makes_no_pause(
    connect, other, pauses
):
    shop = connect(timeout=0.2)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError) as raised, short_commit(shop):
        sell(shop)
    assert is_locked(raised.value)
    assert pauses == []


def test_an_error_rolls_back_and_leaves_the_connection_as_it_was(connect, pauses):
    shop = connect(timeout=0.4)

    def sell_what_is_not_there():
        with short_commit(shop):
            sell(shop)
            ask(shop, "DELETE FROM orders")

    with pytest.raises(OperationalError, match="no such table"):
        sell_what_is_not_there()
    assert pauses == []
    assert ask(shop, "SELECT number FROM stock") == (0,)
    assert timeout_of(shop) == (400,)
    assert "_start_transaction_under_autocommit" not in vars(shop)


@pytest.mark.skipif(not HAS_OPTION, reason="Django has no option for it")
def test_the_history_keeps_no_readers_out_where_the_site_begins_exclusively(connect, other):
    shop = connect(transaction_mode="EXCLUSIVE")
    with short_commit(shop):
        assert other.execute("SELECT number FROM stock").fetchone() == (0,)
    assert shop.transaction_mode == "EXCLUSIVE"


def test_in_a_runner_the_history_leaves_the_mode_as_it_was(connect, other):
    shop = connect()
    with immediate_transactions():
        with short_commit(shop):
            sell(shop)
        assert begins_with_the_lock(other)


def test_within_a_transaction_the_history_is_a_part_of_it(connect):
    shop = connect()
    with transaction.atomic(using="shop"):
        with short_commit(shop):
            sell(shop)
        transaction.set_rollback(True, using="shop")
    assert ask(shop, "SELECT number FROM stock") == (0,)


# The check.


def messages(monkeypatch, shop, databases=("shop",)):
    monkeypatch.setattr(quick_jobs_checks.router, "db_for_write", lambda model: "shop")
    return quick_jobs_checks.check_sqlite_locking(app_configs=None, databases=databases)


def test_a_new_site_on_sqlite_is_warned_of_both(connect, monkeypatch):
    (message,) = messages(monkeypatch, connect())
    assert message.id == "quick_jobs.W005"
    assert not message.is_serious(checks.ERROR)
    assert "'shop'" in message.msg
    assert "not in WAL mode" in message.msg
    assert "begin deferred" in message.msg
    assert "PRAGMA journal_mode=WAL" in message.hint


def test_transactions_that_begin_deferred_are_warned_of_also_in_wal_mode(connect, monkeypatch):
    shop = connect()
    ask(shop, "PRAGMA journal_mode=WAL")
    (message,) = messages(monkeypatch, shop)
    assert "WAL" not in message.msg
    assert "begin deferred" in message.msg


def test_the_rollback_journal_is_warned_of_also_with_the_lock_from_the_start(connect, monkeypatch):
    shop = connect()
    shop.__class__ = OwnBackend
    (message,) = messages(monkeypatch, shop)
    assert "not in WAL mode" in message.msg
    assert "begin deferred" not in message.msg


@pytest.mark.skipif(not HAS_OPTION, reason="Django has no option for it")
def test_what_the_hint_says_helps(connect, monkeypatch):
    options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    assert messages(monkeypatch, connect(**options)) == []


@pytest.mark.parametrize("databases", [None, [], ["default"]])
def test_a_database_that_is_not_to_be_asked_is_not_asked(connect, monkeypatch, databases):
    shop = connect()
    assert messages(monkeypatch, shop, databases) == []
    assert shop.connection is None


def test_a_database_that_does_not_answer_is_not_warned_of(connect, monkeypatch, path):
    shop = connect()
    shop.settings_dict["NAME"] = str(path.parent / "missing" / "database")
    assert messages(monkeypatch, shop) == []


def test_a_database_in_memory_is_not_warned_of(connect, monkeypatch):
    shop = connect()
    shop.settings_dict["NAME"] = ":memory:"
    assert messages(monkeypatch, shop) == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="for the other databases")
def test_other_databases_are_not_warned_of():
    assert quick_jobs_checks.check_sqlite_locking(databases=["default"]) == []
