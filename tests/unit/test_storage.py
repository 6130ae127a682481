"""Storage: the statements that the recorder sends, on a real database."""

import contextlib
import datetime as dt
import os
from random import Random

import pytest
from django.db import DataError, IntegrityError, OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

from quick_jobs.history.identity import RunnerIdentity
from quick_jobs.history.look import Look, LookTexts
from quick_jobs.history.record import Record, Words
from quick_jobs.history.storage import Storage
from quick_jobs.history.tables import NotMigrated
from quick_jobs.models import Job, JobExecution, JobRunner
from tests.records import MOMENT, NAME, a_job, a_start, an_end, an_identity

pytestmark = pytest.mark.django_db(transaction=True)

UTC = dt.timezone.utc
BEGAN = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ENDED = BEGAN + dt.timedelta(seconds=2.5)


@pytest.fixture
def storage():
    storage = Storage(an_identity(), [a_job()])
    storage.register()
    return storage


@pytest.fixture
def unreachable(transactional_db):
    """The database does not answer."""
    connections["default"].close()
    settings = connections["default"].settings_dict
    before = {**settings}
    nowhere = os.path.join(os.sep, "nonexistent", "db") if not settings["PORT"] else "db"
    settings.update(NAME=nowhere, PORT=settings["PORT"] and "1")
    yield
    settings.update(before)


@contextlib.contextmanager
def statements():
    """Collect the statements with their values."""
    sent = []

    def collect(execute, sql, params, many, context):
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connections["default"].execute_wrapper(collect):
        yield sent


# Registering.


def test_registering_puts_the_runner_and_its_jobs_on_record():
    Storage(an_identity(), [a_job(interval=60, variance=15, timeout=5)]).register()
    runner = JobRunner.objects.get()
    assert (runner.hostname, runner.pid, runner.started_at) == ("example.org", 4711, BEGAN)
    assert (runner.stopped_at, runner.stop_reason, runner.dropped_executions) == (None, "", 0)
    job = runner.jobs.get()
    assert (job.name, job.interval, job.variance, job.timeout) == (
        NAME,
        dt.timedelta(seconds=60),
        dt.timedelta(seconds=15),
        dt.timedelta(seconds=5),
    )


def test_registering_writes_the_first_heartbeat():
    Storage(an_identity(), []).register()
    assert JobRunner.objects.alive().count() == 1


def test_registering_again_after_a_lost_answer_finds_what_is_there():
    identity = an_identity()
    for _ in range(2):
        storage = Storage(identity, [a_job()])
        assert not storage.is_registered
        storage.register()
        assert storage.is_registered
    assert JobRunner.objects.get().jobs.count() == Job.objects.count() == 1


def test_runners_share_the_rows_of_their_jobs():
    for names in (["shop.jobs.a", "shop.jobs.b"], ["shop.jobs.b", "shop.jobs.c"]):
        Storage(an_identity(), [a_job(name) for name in names]).register()
    assert sorted(Job.objects.values_list("name", flat=True)) == [
        "shop.jobs.a",
        "shop.jobs.b",
        "shop.jobs.c",
    ]
    assert [runner.jobs.count() for runner in JobRunner.objects.all()] == [2, 2]


def test_a_schedule_that_has_changed_is_written_and_others_are_left_alone():
    Job.objects.create(name="shop.jobs.other")
    Storage(an_identity(), [a_job(interval=60)]).register()
    Storage(an_identity(), [a_job(interval=30, variance=5, timeout=9)]).register()
    job = Job.objects.get(name=NAME)
    assert [each.total_seconds() for each in (job.interval, job.variance, job.timeout)] == [
        30,
        5,
        9,
    ]
    with statements() as sent:
        Storage(an_identity(), [a_job(interval=30, variance=5, timeout=9)]).register()
    assert not [sql for sql, _ in sent if sql.startswith("UPDATE")]


def test_a_job_known_in_another_case_gets_a_row(storage):
    """MariaDB takes both names for one; the others keep two rows."""
    renamed = Storage(an_identity(), [a_job("shop.jobs.Work")])
    renamed.register()
    renamed.write([a_start(job="shop.jobs.Work")])
    assert JobExecution.objects.get().job.name.lower() == NAME


def test_a_thousand_jobs_are_registered_in_few_queries():
    jobs = [a_job(f"shop.jobs.work_{number}") for number in range(1000)]
    with statements() as sent:
        Storage(an_identity(), jobs).register()
    assert len(sent) < 30
    assert JobRunner.objects.get().jobs.count() == 1000


def test_a_host_name_that_is_too_long_is_cut():
    Storage(an_identity(hostname="h" * 300), []).register()
    assert JobRunner.objects.get().hostname == "h" * 255


def rename_table(monkeypatch, model):
    """Have the code ask for a table that is not there."""
    for field in model._meta.fields:
        field.cached_col  # noqa: B018 - Django keeps it with the name of the table
    monkeypatch.setattr(model._meta, "db_table", "no_such_table")


@pytest.mark.parametrize("model", [Job, JobRunner, JobRunner.jobs.through, JobExecution])
def test_a_table_that_is_missing_is_told_with_what_to_do(monkeypatch, model):
    """Whatever is recorded as migrated: somebody may have used --fake."""
    rename_table(monkeypatch, model)
    storage = Storage(an_identity(), [a_job()])
    with pytest.raises(NotMigrated, match="'default': run 'manage.py migrate',") as told:
        storage.register()
    assert str(told.value).endswith("Missing: no_such_table.")
    assert not storage.is_registered


@pytest.mark.parametrize(
    ("model", "name"), [(Job, "timeout"), (JobRunner, "pid"), (JobExecution, "lateness")]
)
def test_a_column_that_is_missing_is_told(monkeypatch, model, name):
    """As in tables that are older than this version."""
    field = model._meta.get_field(name)
    # What the code wants, and not the table: SQLite before 3.35 cannot drop a column.
    monkeypatch.setattr(field, "column", "brand_new")
    with pytest.raises(NotMigrated, match=f"Missing: {model._meta.db_table}.brand_new.$"):
        Storage(an_identity(), [a_job()]).register()


@pytest.fixture
def no_migrations_on_record(transactional_db):
    rows = MigrationRecorder.Migration.objects.filter(app="quick_jobs")
    before = list(rows)
    rows.delete()
    yield
    MigrationRecorder.Migration.objects.bulk_create(before)


@pytest.mark.usefixtures("no_migrations_on_record")
def test_tables_that_no_migration_on_record_has_made_will_do(monkeypatch):
    """As with MIGRATION_MODULES, migrate --run-syncdb, or a dump of another database."""

    def fail(*args):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "_register_runner", fail)
        with pytest.raises(OperationalError, match="database is locked"):
            Storage(an_identity(), [a_job()]).register()
    storage = Storage(an_identity(), [a_job()])
    storage.register()
    assert storage.is_registered


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_command_that_makes_the_tables_fits_the_site(settings, monkeypatch):
    settings.MIGRATION_MODULES = {"quick_jobs": None}
    settings.DATABASE_ROUTERS = [RouterTo("other")]
    rename_table(monkeypatch, Job)
    with pytest.raises(NotMigrated, match="run 'manage.py migrate --run-syncdb --database other'"):
        Storage(an_identity(), [a_job()]).register()


def test_a_database_that_does_not_answer_is_not_taken_for_one_without_tables(unreachable):
    storage = Storage(an_identity(), [a_job()])
    with pytest.raises(OperationalError):
        storage.register()
    assert not storage.is_registered


def test_the_history_is_written_where_the_router_says(settings):
    settings.DATABASE_ROUTERS = [RouterTo("history")]
    assert Storage(an_identity(), []).using == "history"


class RouterTo:
    def __init__(self, alias):
        self.db_for_write = lambda model, **hints: alias


# Writing executions.


def test_a_start_is_a_running_execution(storage):
    storage.write([a_start(7)])
    execution = JobExecution.objects.get()
    assert execution.job.name == NAME
    assert execution.runner == JobRunner.objects.get()
    assert execution.number == 7
    assert execution.started_at == BEGAN
    assert execution.outcome == JobExecution.RUNNING
    assert (execution.finished_at, execution.duration, execution.lateness) == (None, None, None)
    assert (execution.error, execution.traceback) == ("", "")


@pytest.mark.parametrize("with_start", [True, False], ids=["after its start", "alone"])
def test_an_end_says_how_and_when(storage, with_start):
    if with_start:
        storage.write([a_start()])
    storage.write([an_end(outcome=JobExecution.FAILED, error="E: \U0001f40d", traceback="über\n")])
    execution = JobExecution.objects.get()
    assert (execution.started_at, execution.finished_at) == (BEGAN, ENDED)
    assert execution.duration == dt.timedelta(seconds=2.5)
    assert execution.lateness == dt.timedelta(seconds=0.125)
    assert execution.outcome == JobExecution.FAILED
    assert (execution.error, execution.traceback) == ("E: \U0001f40d", "über\n")


def test_an_end_corrects_what_its_start_said(storage):
    storage.write([a_start(started_at=MOMENT - 1)])
    storage.write([an_end()])
    assert JobExecution.objects.get().started_at == BEGAN


def test_a_start_does_not_overwrite_an_end(storage):
    storage.write([an_end()])
    storage.write([a_start(started_at=MOMENT - 1)])
    execution = JobExecution.objects.get()
    assert (execution.outcome, execution.started_at) == (JobExecution.SUCCEEDED, BEGAN)
    assert execution.finished_at == ENDED


def test_writing_again_after_a_lost_answer_changes_nothing(storage):
    batch = [a_start(1), an_end(2), an_end(3, traceback="t")]
    storage.write(batch)
    before = list(JobExecution.objects.order_by("number").values())
    storage.write(batch)
    assert list(JobExecution.objects.order_by("number").values()) == before


@pytest.mark.parametrize("use_tz", [True, False], ids=["with time zones", "without"])
def test_it_makes_no_difference_how_many_are_written_at_once(settings, use_tz):
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "America/New_York"
    few, many = (Storage(an_identity(), [a_job()]) for _ in range(2))
    failed = {"outcome": JobExecution.FAILED, "error": "E: \U0001f40d", "traceback": "über\n"}
    batch = [a_start(1), an_end(2), an_end(3, **failed), *map(an_end, range(4, 50)), a_start(50)]
    few.register()
    many.register()
    for number in range(0, len(batch), 2):
        few.write(batch[number : number + 2])
    many.write(batch)
    written = [
        list(runner.executions.order_by("number").values(*Record._fields[:-1]))
        for runner in JobRunner.objects.all()
    ]
    assert written[0] == written[1]
    assert len(written[0]) == len(batch)


@pytest.mark.parametrize("at_once", [1, 2, 50])
def test_times_are_written_as_python_rounds_them_however_many_at_once(storage, at_once):
    random = Random(at_once)
    times = [0.0, 0.000001, 0.999999, 0.9999996, *(random.random() * 1e6 for _ in range(96))]
    records = [
        an_end(number, started_at=1_800_000_000 + each, duration=each)
        for number, each in enumerate(times, start=1)
    ]
    for number in range(0, len(records), at_once):
        storage.write(records[number : number + at_once])
    written = JobExecution.objects.order_by("number").values_list("started_at", "duration")
    assert list(written) == [
        (dt.datetime.fromtimestamp(1_800_000_000 + each, UTC), dt.timedelta(seconds=each))
        for each in times
    ]


TEXT = "\\'\" {NULL}, \t\n\r%s \\x41 über \U0001f40d \\"


def test_every_text_is_written_as_it_is_however_many_at_once(storage):
    texts = ["", "NULL", "null", " ", *TEXT, TEXT, TEXT * 100]
    storage.write(
        [
            an_end(number, error=text[:255], traceback=text)
            for number, text in enumerate(texts, start=1)
        ]
    )
    written = JobExecution.objects.order_by("number").values_list("error", "traceback")
    assert list(written) == [(text[:255], text) for text in texts]


def test_runners_count_their_executions_each_for_itself(storage):
    other = Storage(an_identity(), [a_job()])
    other.register()
    for each in (storage, other):
        each.write([an_end(1), an_end(2)])
    assert [runner.executions.count() for runner in JobRunner.objects.all()] == [2, 2]


def test_a_lone_execution_is_written_in_one_round_trip(storage):
    with statements() as sent:
        storage.write([a_start()])
    assert len(sent) == 1


def test_a_burst_is_written_in_few_statements(storage):
    with statements() as sent:
        storage.write([an_end(number) for number in range(1000)])
    assert JobExecution.objects.count() == 1000
    assert len(sent) < 20


def test_a_batch_is_written_as_a_whole_or_not_at_all(storage):
    too_large = 2**63
    batch = [*(an_end(number) for number in range(1, 601)), an_end(too_large)]
    with pytest.raises((DataError, OverflowError)):
        storage.write(batch)
    assert not JobExecution.objects.exists()


def test_long_texts_are_spread_over_statements_of_bounded_size(storage):
    texts = {number: f"{number} " + "\U0001f40d" * 65_000 for number in range(20)}
    with statements() as sent:
        storage.write([an_end(number, traceback=text) for number, text in texts.items()])
    sizes = [sum(len(str(value)) for value in params or ()) for _, params in sent]
    assert max(sizes) < 270_000  # which are 1 MB in UTF-8
    assert dict(JobExecution.objects.values_list("number", "traceback")) == texts


def test_a_site_with_debug_does_not_keep_the_statements_in_memory(storage, settings):
    settings.DEBUG = True
    storage.write([a_start()])
    assert not connections["default"].queries


def test_moments_are_right_without_time_zone_support(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    storage = Storage(an_identity(), [a_job()])
    storage.register()
    storage.write([an_end()])
    execution = JobExecution.objects.get()
    local = dt.datetime(2026, 1, 1, 22, 4, 5, 678901)
    assert execution.started_at == execution.runner.started_at == local
    assert execution.finished_at == local + dt.timedelta(seconds=2.5)
    assert JobRunner.objects.alive().exists()
    assert JobRunner.objects.get().last_heartbeat_at > local


# What executions say.

WORDS = Words("14 sent \U0001f40d", 3.0, 4.5, "a line\nüber\n", "ValueError in shop.jobs.work")


def said():
    return JobExecution.objects.values_list(
        "note", "progress_done", "progress_total", "log", "fingerprint", "stack"
    ).get()


@pytest.mark.parametrize("with_start", [True, False], ids=["after its start", "alone"])
def test_an_end_says_what_the_job_said_and_drops_its_stack(storage, with_start):
    if with_start:
        storage.write([a_start()])
        JobExecution.objects.update(stack="in work", log="so far", note="so far")
    storage.write([an_end(words=WORDS, cpu_time=0.25)])
    assert said() == (*WORDS, "")
    assert JobExecution.objects.get().cpu_time == dt.timedelta(seconds=0.25)


def test_an_end_without_words_leaves_alone_what_is_there(storage):
    storage.write([a_start()])
    JobExecution.objects.update(log="so far")
    storage.write([an_end()])
    assert said() == ("", None, None, "so far", "", "")


def test_a_batch_of_both_is_written_as_a_whole(storage):
    batch = [an_end(1), an_end(2, words=WORDS), a_start(3), an_end(4, words=Words())]
    for _ in range(2):  # again after a lost answer
        with statements() as sent:
            storage.write(batch)
        assert len([sql for sql, _ in sent if "INSERT" in sql]) == 2
        rows = JobExecution.objects.order_by("number").values_list("number", "note", "outcome")
        assert list(rows) == [
            (1, "", "succeeded"),
            (2, WORDS.note, "succeeded"),
            (3, "", "running"),
            (4, "", "succeeded"),
        ]
    storage.write([an_end(3, words=WORDS), an_end(2**62, words=WORDS)])
    with pytest.raises((DataError, OverflowError)):
        storage.write([an_end(5), an_end(2**63, words=WORDS)])
    assert not JobExecution.objects.filter(number=5).exists()


def looked(number, **changes):
    return LookTexts.of(Look(number)._replace(**changes))


STACK = (("/shop/jobs.py", 17, "work"),)


def test_looks_are_one_statement_that_writes_what_is_new_of_each(storage):
    storage.write([a_start(1), a_start(2), a_start(3)])
    storage.beat(0)
    looks = [
        looked(1, note="half", reached=(1, 2), log=lambda: "a\n"),
        looked(2, stack=STACK),
        looked(4, note="is not there"),
    ]
    with statements() as sent:
        storage.observe(looks)
    assert len([sql for sql, _ in sent if "UPDATE" in sql]) == 1
    assert not [sql for sql, _ in sent if "INSERT" in sql]
    first, second, third = JobExecution.objects.order_by("number")
    assert (first.note, first.progress_done, first.progress_total) == ("half", 1.0, 2.0)
    assert (first.log, first.stack) == ("a\n", "")
    assert (second.note, second.progress_done, second.log) == ("", None, "")
    assert second.stack.endswith('File "/shop/jobs.py", line 17, in work\n')
    heartbeat = JobRunner.objects.get().last_heartbeat_at
    assert first.observed_at == second.observed_at == heartbeat
    assert third.observed_at is None
    storage.observe([looked(1, reached=(3, None))])
    first.refresh_from_db()
    assert (first.note, first.progress_done, first.progress_total) == ("half", 3.0, None)


def test_a_look_does_not_change_an_execution_that_has_ended_or_is_another_runners(storage):
    other = Storage(an_identity(), [a_job()])
    other.register()
    other.write([a_start(1)])
    storage.write([an_end(1, words=WORDS)])
    before = list(JobExecution.objects.order_by("pk").values())
    storage.beat(0)
    storage.observe([looked(1, note="late", stack=STACK)])
    assert list(JobExecution.objects.order_by("pk").values()) == before


def test_long_looks_are_spread_over_statements_of_bounded_size(storage):
    storage.write([a_start(number) for number in range(100)])
    storage.beat(0)
    with statements() as sent:
        storage.observe(
            [looked(number, log=lambda: "\U0001f40d" * 16_000) for number in range(100)]
        )
    sizes = [sum(len(str(value)) for value in params or ()) for _, params in sent]
    assert max(sizes) < 270_000
    assert JobExecution.objects.filter(observed_at__isnull=False).count() == 100


def test_the_release_is_on_the_runners_record_cut_and_in_ascii(settings):
    settings.QUICK_JOBS_RELEASE = "v1-ü" + "x" * 200
    Storage(RunnerIdentity.of_this_process(), []).register()
    assert JobRunner.objects.get().release == ("v1-\\xfc" + "x" * 200)[:100]


# When rows have gone.


@pytest.mark.parametrize("model", [JobRunner, Job])
def test_a_write_without_its_runner_or_job_succeeds_when_they_are_registered_anew(storage, model):
    storage.write([an_end(1)])
    model.objects.all().delete()
    with pytest.raises(IntegrityError) as caught:
        storage.write([an_end(2)])
    assert storage.is_about_data(caught.value)
    storage.reset()
    storage.forget_registration()
    assert not storage.is_registered
    storage.register()
    storage.write([an_end(2)])
    execution = JobExecution.objects.get()
    assert (execution.number, execution.job.name) == (2, NAME)
    assert list(execution.runner.jobs.all()) == [execution.job]


def test_an_execution_whose_row_has_gone_is_written_anew_by_its_end(storage):
    storage.write([a_start()])
    JobExecution.objects.all().delete()
    storage.write([an_end()])
    assert JobExecution.objects.get().outcome == JobExecution.SUCCEEDED


def test_a_heartbeat_writes_a_runner_anew_whose_row_has_gone(storage):
    key = JobRunner.objects.get().key
    JobRunner.objects.all().delete()
    storage.beat(dropped_executions=0)
    runner = JobRunner.objects.get()
    assert (runner.key, runner.jobs.get().name) == (key, NAME)
    storage.write([an_end()])
    assert runner.executions.count() == 1


def test_a_stop_writes_a_runner_anew_whose_row_has_gone(storage):
    JobRunner.objects.all().delete()
    storage.stop(JobRunner.SIGNAL, "SIGTERM", MOMENT, dropped_executions=0)
    assert JobRunner.objects.get().stopped_at == BEGAN


# The runner's life.


def test_a_heartbeat_advances_by_the_clock_of_the_database(storage):
    JobRunner.objects.update(last_heartbeat_at=BEGAN)
    assert JobRunner.objects.lost().count() == 1
    storage.beat(dropped_executions=3)
    assert JobRunner.objects.alive().get().dropped_executions == 3


def test_a_stop_says_when_and_why(storage):
    storage.stop(JobRunner.SIGNAL, "d" * 300, MOMENT, dropped_executions=2)
    runner = JobRunner.objects.get()
    assert (runner.stopped_at, runner.stop_reason) == (BEGAN, JobRunner.SIGNAL)
    assert (runner.stop_detail, runner.dropped_executions) == ("d" * 255, 2)
    assert not JobRunner.objects.alive().exists()
    assert not JobRunner.objects.lost().exists()


def test_only_the_own_runner_beats_and_stops(storage):
    other = Storage(an_identity(), [])
    other.register()
    JobRunner.objects.update(last_heartbeat_at=BEGAN)
    other.beat(dropped_executions=0)
    other.stop(JobRunner.SIGNAL, "SIGTERM", MOMENT, dropped_executions=0)
    assert JobRunner.objects.lost().count() == 1


# When the connection fails.


def test_after_a_reset_a_broken_connection_is_replaced(storage):
    connections["default"].connection.close()
    with pytest.raises(Exception, match="(?i)closed|gone away|''"):
        storage.write([a_start()])
    storage.reset()
    storage.write([a_start()])
    assert JobExecution.objects.count() == 1


def test_a_reset_inside_a_transaction_begins_with_a_clean_connection(storage):
    connections["default"].set_autocommit(False)
    connections["default"].in_atomic_block = True
    storage.reset()
    storage.write([a_start()])
    assert JobExecution.objects.count() == 1


def test_a_reset_goes_on_when_closing_fails(storage, monkeypatch):
    connection = connections["default"]

    def fail():
        raise OSError("it is broken")

    monkeypatch.setattr(connection, "close", fail)
    storage.reset()
    assert connections["default"] is not connection
    monkeypatch.undo()
    connection.close()
