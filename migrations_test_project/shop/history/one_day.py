"""A believable day of the sample project's own jobs, always the same but for the date."""

import datetime as dt
import random

from quick_jobs.models import Job, JobExecution, JobRunner

from .executions import HOUR, MADE_UP, MINUTE, Kind, executions, save

RELEASES = ("81bd0c4e92f7a35d6c1b8e4f7a09d2c5b3e6f180", "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3")

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/shop/jobs.py", line 45, in ask_the_supplier
    raise ConnectionError("The supplier does not answer")
ConnectionError: The supplier does not answer
"""

LOCKED = """Traceback (most recent call last):
  File "/srv/shop/shop/jobs.py", line 27, in pack_an_order
    Order.objects.filter(pk=order.pk, packed_at=None).update(packed_at=timezone.now())
django.db.utils.OperationalError: database is locked
"""

LOG = """\
{0} INFO shop.supplier asking for the stock of 37 products
{1} WARNING shop.supplier no answer yet, trying again
{2} WARNING shop.supplier no answer yet, trying again
"""

AT_WORK = """\
  File "/srv/shop/shop/jobs.py", line 36, in take_stock
    env.sleep(1)
"""

#: As in ``shop.jobs``, but for rarer starts: a day has fewer rows, and the first start waits less.
KINDS = [
    Kind("shop.jobs.place_orders", 60, 0, 0.02, note="3 orders"),
    Kind(
        "shop.jobs.pack_an_order",
        45,
        45,
        0.03,
        0.003,
        "OperationalError: database is locked",
        LOCKED,
        log="{0} INFO shop.jobs packing an order\n",
    ),
    Kind("shop.jobs.take_stock", 5 * MINUTE, 0, 20, first=290, stack=AT_WORK, reached=(8, 20)),
    Kind(
        "shop.jobs.ask_the_supplier",
        90,
        30,
        1.2,
        0.05,
        "ConnectionError: The supplier does not answer",
        TRACEBACK,
        note="37 of 37 asked",
        failed_note="20 of 37 asked",
        log=LOG,
    ),
    Kind("shop.jobs.update_prices", 2 * MINUTE, 0, 2),
]

GONE = Kind(
    "shop.jobs.import_old_orders",
    HOUR,
    0,
    95,
    0.3,
    "KeyError: 'customer'",
    "KeyError: 'customer'\n",
    note="1200 orders",
)


def make_day(now):
    """Fill the empty tables with the day before ``now``; its last runner was lost just now."""
    chance = random.Random(7)

    def ago(hours, minutes=0):
        return now - dt.timedelta(hours=hours, minutes=minutes)

    def runner(pid, start, end, release, **fields):
        return JobRunner.objects.create(
            hostname=f"worker-1 {MADE_UP}",
            pid=pid,
            started_at=start,
            last_heartbeat_at=end,
            release=RELEASES[release],
            **fields,
        )

    deployed, hung = ago(14), ago(5, 20)
    restarted = hung + dt.timedelta(seconds=5)
    vanished = restarted + dt.timedelta(hours=5, minutes=10)  # ten seconds into taking stock
    first = runner(
        812, ago(24), deployed, 0, stopped_at=deployed, stop_reason="signal", stop_detail="SIGTERM"
    )
    second = runner(
        2291,
        deployed + dt.timedelta(seconds=20),
        hung,
        1,
        stopped_at=hung,
        stop_reason="timed_out",
        stop_detail="shop.jobs.update_prices ran over its timeout of 10 s",
    )
    third = runner(3344, restarted, vanished, 1)
    lives = [(one, one.started_at, one.last_heartbeat_at) for one in (first, second, third)]

    rows = []
    for kind in KINDS:
        job = make_job(kind)
        for lived, start, end in lives:
            lived.jobs.add(job)
            rows += executions(chance, kind, job, lived, start, end, now)
    gone = make_job(GONE)
    first.jobs.add(gone)
    rows += executions(chance, GONE, gone, *lives[0], now)
    rows.append(
        JobExecution(
            job=Job.objects.get(name="shop.jobs.update_prices"),
            runner=second,
            started_at=hung - dt.timedelta(seconds=10),
            finished_at=hung,
            duration=dt.timedelta(seconds=10),
            outcome=JobExecution.TIMED_OUT,
            error="ran over its timeout of 10 s",
            fingerprint="timed_out shop.jobs.update_prices",
        )
    )
    rows += nightly(lives, now)
    save(rows)


def make_job(kind):
    return Job.objects.create(
        name=kind.name,
        interval=dt.timedelta(seconds=kind.interval),
        variance=dt.timedelta(seconds=kind.variance),
    )


def nightly(lives, now):
    """Yield the execution of the job that runs every day at 03:00, if a runner lived then."""
    night = now.replace(hour=3, minute=0, second=0, microsecond=0)
    due_at = night if night < now else night - dt.timedelta(days=1)
    job = Job.objects.create(name="shop.jobs.forget_old_orders", schedule="at('03:00')")
    for runner, start, end in lives:
        runner.jobs.add(job)
        if start <= due_at < end - dt.timedelta(seconds=1):
            yield JobExecution(
                job=job,
                runner=runner,
                started_at=due_at,
                due_at=due_at,
                finished_at=due_at + dt.timedelta(milliseconds=40),
                duration=dt.timedelta(milliseconds=40),
                outcome=JobExecution.SUCCEEDED,
            )
