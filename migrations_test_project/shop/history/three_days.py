"""Three believable days in the life of a shop's jobs, always the same but for the date."""

import datetime as dt
import random

from quick_jobs.models import Job, JobRunner

from .executions import HOUR, MADE_UP, MINUTE, Kind, executions, save

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/urllib3/connectionpool.py", line 468, in _make_request
    self._validate_conn(conn)
  File "/srv/shop/.venv/lib/python3.12/site-packages/urllib3/connection.py", line 211, in connect
    sock = self._new_conn()
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/shop/jobs.py", line 41, in ask_the_supplier
    stock = supplier.stock_of(product for product in Product.objects.running_low())
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/shop/supplier.py", line 88, in stock_of
    raise SupplierUnavailable(f"{self.host} does not answer") from error
shop.supplier.SupplierUnavailable: api.supplier.example does not answer
"""  # noqa: E501


BUG = """Traceback (most recent call last):
  File "/srv/shop/newsletter/jobs.py", line 23, in collect_bounces
    address = report["Final-Recipient"]
              ~~~~~~^^^^^^^^^^^^^^^^^^^
KeyError: 'Final-Recipient'
"""


LOG = """\
{0} INFO shop.jobs 37 products are running low
{0} INFO shop.supplier asking api.supplier.example for the stock of 37 products, 10 at a time: SKU-10041, SKU-10044, SKU-10052, SKU-10067
{0} INFO shop.supplier 10 of 37
{0} INFO shop.supplier 20 of 37
{1} WARNING urllib3.connectionpool Retrying after connection broken by 'NewConnectionError': /v2/stock?page=3
{2} WARNING urllib3.connectionpool Retrying after connection broken by 'NewConnectionError': /v2/stock?page=3
"""  # noqa: E501

RELEASES = ("81bd0c4e92f7a35d6c1b8e4f7a09d2c5b3e6f180", "3f2a91c0d4e5f60718293a4b5c6d7e8f90a1b2c3")


KINDS = [
    Kind("billing.jobs.close_the_day", 24 * HOUR, 0, 19 * MINUTE),
    Kind("billing.jobs.send_invoices", 15 * MINUTE, MINUTE, 21),
    Kind(
        "newsletter.jobs.collect_bounces",
        10 * MINUTE,
        0,
        4.2,
        error="KeyError: 'Final-Recipient'",
        traceback=BUG,
        broken_for=35 * MINUTE,
    ),
    Kind("search.jobs.rebuild_index", 2 * HOUR, 0, 27 * MINUTE, first=76 * MINUTE),
    Kind(
        "shop.jobs.ask_the_supplier",
        5 * MINUTE,
        30,
        1.8,
        0.04,
        "SupplierUnavailable: api.supplier.example does not answer",
        TRACEBACK,
        note="37 of 37 asked",
        failed_note="20 of 37 asked",
        log=LOG,
    ),
    Kind("shop.jobs.pack_orders", 5 * MINUTE, 0, 38),
    Kind(
        "shop.jobs.send_emails",
        MINUTE,
        15,
        0.9,
        0.002,
        "SMTPServerDisconnected: Connection unexpectedly closed",
        "smtplib.SMTPServerDisconnected: Connection unexpectedly closed",
        note="14 sent",
    ),
    Kind("shop.jobs.take_stock", HOUR, 5 * MINUTE, 11 * MINUTE),
    Kind("shop.jobs.update_prices", 30 * MINUTE, 0, 44, timeout=5 * MINUTE),
    Kind("statistics.jobs.count_visitors", 40, 0, 0.06),
]


def make_history(now):
    """Fill the empty tables; the present is ``now``."""
    chance = random.Random(11)
    jobs = {
        kind.name: Job.objects.create(
            name=kind.name,
            interval=dt.timedelta(seconds=kind.interval),
            variance=dt.timedelta(seconds=kind.variance),
            timeout=dt.timedelta(seconds=kind.timeout) if kind.timeout else None,
        )
        for kind in KINDS
    }
    gone = Job.objects.create(name="shop.jobs.import_old_orders", interval=dt.timedelta(hours=1))

    def ago(hours, minutes=0):
        return now - dt.timedelta(hours=hours, minutes=minutes)

    def runner(hostname, pid, started, names, **fields):
        fields["release"] = RELEASES[started > ago(5)]
        made = JobRunner.objects.create(
            hostname=f"{hostname} {MADE_UP}", pid=pid, started_at=started, **fields
        )
        made.jobs.set(jobs[name] for name in names)
        return made

    mine = [name for name in jobs if name.startswith(("shop.", "billing.", "newsletter."))]
    others = [name for name in jobs if name not in mine]
    signal = {"stop_reason": JobRunner.SIGNAL, "stop_detail": "SIGTERM"}
    first = runner(
        "worker-1", 812, ago(72), mine, last_heartbeat_at=ago(29), stopped_at=ago(29), **signal
    )
    first.jobs.add(gone)
    crashed = runner("worker-1", 2291, ago(28, 58), mine, last_heartbeat_at=ago(4, 10))
    old = runner(
        "worker-2", 640, ago(72), others, last_heartbeat_at=ago(20), stopped_at=ago(20), **signal
    )
    current = runner("worker-1", 3344, ago(3, 25), mine, last_heartbeat_at=now)
    beside = runner("worker-2", 1077, ago(19, 59), others, last_heartbeat_at=ago(4, 10))
    after = runner("worker-2", 2910, ago(3, 25), others, last_heartbeat_at=now)

    lives = {
        True: [
            (first, ago(72), ago(29)),
            (crashed, ago(28, 58), ago(4, 10)),
            (current, ago(3, 25), now),
        ],
        False: [
            (old, ago(72), ago(20)),
            (beside, ago(19, 59), ago(4, 10)),
            (after, ago(3, 25), now),
        ],
    }
    rows = []
    for kind in KINDS:
        for lived, start, end in lives[kind.name in mine]:
            rows += list(executions(chance, kind, jobs[kind.name], lived, start, end, now))
    rows += executions(chance, Kind(gone.name, HOUR, 0, 95), gone, first, ago(72), ago(41), now)
    save(rows)
