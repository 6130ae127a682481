"""What the admin's pages cost over a long history, beside a naive ModelAdmin on the same table.

    python -m benchmarks.admin [--database postgresql] [--rows 10000000] [--keep]

Makes a history of 30 days, whose last 7 are a quarter of it, and prints for each
page its queries, the time they took, the time of the whole request and the
page's size: the medians of five requests. ``--keep`` leaves the database for the
next time, and uses what is there.

SQLite looks for rows while they are fetched, which only the time of the request has.

It needs what the tests need, and finds the servers as ``tests/settings.py`` says.
"""

import argparse
import os
import statistics
import time

OURS = "/admin/quick_jobs"
NAIVE = "/naive/quick_jobs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql", "mariadb"], default="postgresql"
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    set_up(options.database)

    from django.db import connection

    name = connection.settings_dict["NAME"]
    # Serialized, what was kept would fill the memory.
    connection.creation.create_test_db(
        verbosity=0, autoclobber=True, serialize=False, keepdb=options.keep
    )
    try:
        show(make_history(options.rows))
    finally:
        if not options.keep:
            connection.creation.destroy_test_db(name, verbosity=0)


def set_up(database):
    os.environ["QUICK_JOBS_TEST_DATABASE"] = database
    os.environ["QUICK_JOBS_TEST_DB_NAME"] = "quick_jobs_benchmark_admin"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings
    from django.test.utils import setup_test_environment

    django.setup()
    settings.ROOT_URLCONF = "benchmarks.admin_sites"
    setup_test_environment()


def make_history(rows):
    """Return how many executions there are; make them if there are none."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from benchmarks.history import fill
    from quick_jobs.models import JobExecution

    if not JobExecution.objects.exists():
        get_user_model().objects.create_superuser("admin", "admin@example.com", "admin")
        began = time.perf_counter()
        fill(rows, timezone.now())
        print(f"{rows:,} executions made in {time.perf_counter() - began:.0f} s\n")
    return JobExecution.objects.count()


def show(rows):
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.get(username="admin"))
    print(f"{connection.display_name}, {rows:,} executions\n")
    print("| page | queries | database ms | slowest ms | request ms | KB |")
    print("| --- | --: | --: | --: | --: | --: |")
    for title, url in pages():
        count = 1 if url.startswith(NAIVE) else 5
        queries, database, slowest, total, size = map(
            statistics.median, zip(*(measure(client, url) for _ in range(count)))
        )
        print(
            f"| {title} | {queries:.0f} | {database:.1f} | {slowest:.1f} | {total:.0f}"
            f" | {size / 1024:.0f} |",
            flush=True,
        )


def pages():
    """Return titles and addresses."""
    from quick_jobs.models import Job, JobExecution, JobRunner

    jobs = list(Job.objects.order_by("name").values_list("pk", flat=True))
    runners = list(JobRunner.objects.order_by("-pk").values_list("pk", flat=True))
    busy, rare, old = jobs[0], jobs[-1], runners[-1]
    execution = JobExecution.objects.order_by("-pk").values_list("pk", flat=True)[1000]
    executions = f"{OURS}/jobexecution"
    of_old = f"{executions}/?runner__id__exact={old}"
    return [
        ("jobs", f"{OURS}/job/"),
        ("jobs that failed last time", f"{OURS}/job/?state=failed"),
        ("jobs running now", f"{OURS}/job/?state=running"),
        ("jobs not in the code", f"{OURS}/job/?state=gone"),
        ("a busy job", f"{OURS}/job/{busy}/change/"),
        ("deletion of a busy job", f"{OURS}/job/{busy}/delete/"),
        ("executions", f"{executions}/"),
        ("executions, page 50", f"{executions}/?p=49"),
        ("failed ones", f"{executions}/?outcome__exact=failed"),
        ("those that went wrong", f"{executions}/?outcome__exact=went_wrong"),
        ("lost ones", f"{executions}/?outcome__exact=lost"),
        ("timed out ones (none)", f"{executions}/?outcome__exact=timed_out"),
        ("of a rare job", f"{executions}/?job__id__exact={rare}"),
        ("of a rare job, failed", f"{executions}/?job__id__exact={rare}&outcome__exact=failed"),
        ("of an old runner", of_old),
        (
            "of an old runner, failed",
            f"{of_old}&outcome__exact=failed",
        ),
        ("of a minute or more (none)", f"{executions}/?took=60"),
        ("search in errors", f"{executions}/?q=supplier+13"),
        ("search for a job's name", f"{executions}/?q=job_199"),
        ("search for 50 jobs' names", f"{executions}/?q=job_0"),
        ("search that finds nothing", f"{executions}/?q=nosuch"),
        ("an execution", f"{executions}/{execution}/change/"),
        ("runners", f"{OURS}/jobrunner/"),
        ("a live runner", f"{OURS}/jobrunner/{runners[1]}/change/"),
        ("timeline, 1 hour", f"{executions}/timeline/?span=1h"),
        ("timeline, 6 hours", f"{executions}/timeline/?span=6h"),
        ("timeline, 24 hours", f"{executions}/timeline/?span=24h"),
        ("timeline, 7 days", f"{executions}/timeline/?span=7d"),
        ("health, as `check_jobs` asks", "/status/"),
        ("naive: executions", f"{NAIVE}/jobexecution/"),
        ("naive: failed ones", f"{NAIVE}/jobexecution/?outcome__exact=failed"),
        ("naive: search that finds nothing", f"{NAIVE}/jobexecution/?q=nosuch"),
    ]


def measure(client, url):
    """Return the queries of a request, their time, the slowest of them, and its time and size."""
    from django.db import connection

    times = []

    def watch(execute, *args):
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            times.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    with connection.execute_wrapper(watch):
        response = client.get(url)
    total = 1000 * (time.perf_counter() - began)
    # Some of the jobs are not healthy.
    assert response.status_code in (200, 503), (url, response)
    return len(times), sum(times), max(times), total, len(response.content)


if __name__ == "__main__":
    main()
