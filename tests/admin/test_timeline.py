"""The timeline: pure parts first, then its page."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from quick_jobs.admin.execution_view import ExecutionView
from quick_jobs.admin.timeline.axis import ticks
from quick_jobs.admin.timeline.bars import (
    BUCKETS,
    Window,
    bars_of,
    bars_of_many,
    gaps_between,
    without_gaps,
)
from quick_jobs.admin.timeline.svg import draw_axis, draw_gaps, draw_ticks
from quick_jobs.admin.wording import clock_time
from quick_jobs.models import JobExecution, JobRunner
from tests.admin_pages import ago, make_executions, make_job, make_runner, page

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone.utc)
HOUR = dt.timedelta(hours=1)
WINDOW = Window(NOON - 6 * HOUR, NOON)


def execution(minutes_before_noon, state="succeeded", seconds=60, pk=1):
    start = NOON - dt.timedelta(minutes=minutes_before_noon)
    return ExecutionView(1, 1, pk, state, start, dt.timedelta(seconds=seconds), None)


def test_a_few_executions_are_a_bar_each_where_they_were():
    late, early = bars_of([execution(180, pk=2), execution(90, "failed", 5400, pk=3)], WINDOW)
    assert (late.x, round(late.width, 4), late.pk, late.failures) == (0.5, 0.0028, 2, 0)
    assert (early.x, early.width, early.pk, early.failures) == (0.75, 0.25, 3, 1)


def test_what_reaches_over_the_window_is_cut():
    (bar,) = bars_of([execution(420, seconds=2 * 3600)], WINDOW)
    assert (bar.x, round(bar.width, 4)) == (0, 0.1667)


def test_many_executions_are_summed_up_into_no_more_bars_than_buckets():
    executions = [execution(minutes / 10) for minutes in range(3600)]
    executions.append(execution(1, "failed", 600))
    bars = bars_of(executions, WINDOW)
    assert len(bars) == BUCKETS
    assert sum(bar.executions for bar in bars) == len(executions)
    assert [bar.failures for bar in bars] == [0] * (BUCKETS - 1) + [1]
    assert (bars[-1].state, bars[-1].longest) == ("failed", dt.timedelta(minutes=10))
    assert (bars[0].start, bars[-1].end) == (WINDOW.start, WINDOW.end)


def test_of_very_many_executions_only_those_that_went_wrong_are_known():
    first, last = bars_of_many({0, 99}, [execution(1, "timed_out")], WINDOW)
    assert (first.state, first.executions, first.failures) == ("many", None, 0)
    assert (last.state, last.executions, last.failures) == ("timed_out", None, 1)


def test_gaps_are_where_no_runner_lived():
    def at(hours):
        return NOON - hours * HOUR

    lives = [(at(2), at(1)), (at(9), at(5)), (at(5.5), at(4))]
    assert gaps_between(lives, WINDOW) == [Window(at(4), at(2)), Window(at(1), NOON)]
    assert gaps_between([], WINDOW) == [WINDOW]
    assert gaps_between([(at(9), at(-1))], WINDOW) == []
    assert gaps_between([(at(-1), at(-2))], WINDOW) == [WINDOW]


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        (1, ["11:10", "11:20", "11:30", "11:40", "11:50"]),
        (6, ["07:00", "08:00", "09:00", "10:00", "11:00"]),
        (24, ["16:00", "20:00", "00:00", "04:00", "08:00"]),
        (168, [f"11-{day}" for day in range(18, 25)]),
    ],
)
def test_the_axis_has_round_times(hours, labels):
    assert [tick.label for tick in ticks(Window(NOON - hours * HOUR, NOON))] == labels


def test_the_day_s_change_is_marked():
    marks = ticks(Window(NOON - 24 * HOUR, NOON))
    assert [mark.day for mark in marks] == ["", "", "11-24", "", ""]
    assert "11-24</text>" in draw_axis(marks)
    assert draw_ticks(marks).count("qj-day") == 1
    assert not any(mark.day for mark in ticks(Window(NOON - 168 * HOUR, NOON)))


@pytest.mark.parametrize("minutes", [1, 24 * 60 - 1])
def test_the_day_s_change_is_marked_also_at_the_edge(minutes):
    start = NOON - 12 * HOUR - dt.timedelta(minutes=minutes)
    (day,) = [mark.day for mark in ticks(Window(start, start + 24 * HOUR)) if mark.day]
    assert day == "11-24"


def test_a_bar_of_several_executions_begins_with_the_first_of_them():
    early = [execution(200) for _one in range(100)]
    (*_others, last) = bars_of([*early, execution(1), execution(2)], WINDOW)
    assert (last.executions, last.start) == (2, WINDOW.bucket_start(99))
    assert last.x == WINDOW.share(NOON - dt.timedelta(minutes=2))
    assert round(last.x + last.width, 6) == 0.999


def test_a_bar_of_several_executions_neither_begins_nor_ends_where_no_runner_lived():
    half = (WINDOW.end - WINDOW.start) / (2 * BUCKETS)
    gap = Window(WINDOW.bucket_start(40) + half, WINDOW.bucket_start(50) + half)
    bars = bars_of_many({39, 40, 50, 51}, [], WINDOW)
    before, last, first, after = without_gaps(bars, [gap], WINDOW)
    assert (round(last.x, 6), round(last.width, 6)) == (0.4, 0.005)
    assert (round(first.x, 6), round(first.width, 6)) == (0.505, 0.004)
    assert [before, after] == [bars[0], bars[3]]
    alone = bars_of([execution(181, seconds=600)], WINDOW)
    assert without_gaps(alone, [gap], WINDOW) == alone


def test_gaps_that_touch_or_are_narrow_are_drawn_as_one():
    def at(share):
        return WINDOW.start + (WINDOW.end - WINDOW.start) * share

    gaps = [Window(at(0.5), at(0.5001)), Window(at(0.501), at(0.5011)), Window(at(0.7), at(0.8))]
    gaps += [Window(at(0.996), at(0.9979)), Window(at(0.999), at(1))]
    drawn = re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', draw_gaps(gaps, WINDOW))
    assert [tuple(map(float, one)) for one in drawn] == [(50.0, 0.25), (70.0, 10.0), (99.6, 0.4)]


@pytest.fixture
def job(db):
    return make_job()


@pytest.fixture
def runner(job):
    return make_runner(job, started_at=ago(hours=3))


def test_every_execution_is_a_link_with_words(admin_client, job, runner):
    succeeded, failed = make_executions(job, runner, 2)
    JobExecution.objects.filter(pk=failed.pk).update(outcome="failed")
    html = page(admin_client, "timeline")
    assert f'<a href="../{succeeded.pk}/change/" tabindex="-1"><title>' in html
    assert f'<a href="../{failed.pk}/change/"><title>' in html
    assert ": failed, 1 s</title>" in html
    assert "2 executions, 1 failure" in html


def test_an_execution_that_began_before_the_window_reaches_into_it(admin_client, job, runner):
    (long,) = make_executions(job, runner, every=5400, outcome="running")
    assert f"../{long.pk}/change/" in page(admin_client, "timeline", span="1h")
    JobExecution.objects.update(outcome="succeeded", duration=dt.timedelta(minutes=1))
    assert f"../{long.pk}/change/" not in page(admin_client, "timeline", span="1h")


def test_a_job_with_many_executions_is_summed_up_with_links_to_the_lists(admin_client, job, runner):
    make_executions(job, runner, 300, every=10)
    html = page(admin_client, "timeline", span="1h")
    assert "300 executions" in html
    # The first and the last bucket may have a single one.
    assert html.split("qj-lane-name")[1].split("</svg>")[0].count("/change/") <= 3  # and the job's
    link = re.search(r'href="\.\./\?(job__id__exact=\d+)&amp;(since=[\d-]+)"', html)
    query = dict(part.split("=") for part in link.groups())
    assert "execution" in page(admin_client, "jobexecution_changelist", **query)


def test_of_a_job_with_very_many_executions_the_buckets_and_the_failures_are_shown(
    admin_client, job, runner, monkeypatch
):
    monkeypatch.setattr("quick_jobs.admin.timeline.queries.MOST_READ", 200)
    executions = make_executions(job, runner, 300, every=10)
    JobExecution.objects.filter(pk=executions[150].pk).update(outcome="failed")
    html = page(admin_client, "timeline", span="1h")
    assert "more than 500 executions, 1 failure" in html
    assert html.count("many executions") > 75
    assert "are not shown" not in html
    lost = make_runner(job, started_at=ago(hours=3), beat_at=ago(hours=2))
    make_executions(job, lost, every=600, outcome="running")
    assert "more than 500 executions, 2 failures" in page(admin_client, "timeline", span="1h")
    JobExecution.objects.update(outcome="failed")
    monkeypatch.setattr("quick_jobs.admin.timeline.queries.MOST_BAD", 50)
    assert "failures before" in page(admin_client, "timeline", span="1h")


def test_gaps_and_the_lives_of_runners_are_drawn(admin_client, job, runner):
    make_executions(job, runner)
    lost = make_runner(job, pid=3, started_at=ago(hours=5), beat_at=ago(hours=4))
    html = page(admin_client, "timeline", span="6h")
    # In two lanes, and in the legend. Before the first runner nothing is known.
    assert html.count('class="qj-gap"') == 2 * 1 + 1
    assert f"/jobrunner/{lost.pk}/change/" in html
    assert "qj-life-lost" in html
    assert "qj-life-alive" in html


def test_more_runners_than_are_read_leave_no_gaps_before_them(
    admin_client, job, runner, monkeypatch
):
    make_executions(job, runner)
    monkeypatch.setattr("quick_jobs.admin.timeline.page.MOST_RUNNERS", 1)
    assert page(admin_client, "timeline", span="6h").count('class="qj-gap"') == 1


def test_other_times_and_other_jobs_can_be_reached(admin_client, runner, monkeypatch):
    monkeypatch.setattr("quick_jobs.admin.timeline.page.LANES", 2)
    monkeypatch.setattr("quick_jobs.admin.timeline.queries.LANES", 2)
    for name in "abc":
        make_executions(make_job(f"shop.jobs.{name}"), runner)
    html = page(admin_client, "timeline")
    assert "shop.jobs.b<" in html
    assert "shop.jobs.c<" not in html
    assert "More jobs" in html
    html = page(admin_client, "timeline", p=1)
    assert "shop.jobs.c<" in html
    assert "Previous jobs" in html
    assert "shop.jobs.c<" in page(admin_client, "timeline", q="jobs c")
    before = page(admin_client, "timeline", until=ago(hours=7).timestamp())
    assert "No executions." in before
    assert "Later" in before


def test_no_span_that_ends_now_is_chosen_while_other_times_are_shown(admin_client, job):
    assert 'class="qj-chosen" aria-current="true">the last hour<' in page(
        admin_client, "timeline", span="1h"
    )
    html = page(admin_client, "timeline", span="1h", until=ago(hours=7).timestamp())
    assert "qj-chosen" not in html
    assert '<a href="?span=1h">the last hour</a>' in html
    assert '<option value="1h" selected>1 h</option>' in html


def test_before_the_first_runner_on_record_there_is_no_gap(admin_client, job):
    make_executions(job, make_runner(job, started_at=ago(hours=3)))
    html = page(admin_client, "timeline", span="6h")
    assert html.count('class="qj-gap"') == 1  # in the legend
    JobRunner.objects.all().delete()
    assert page(admin_client, "timeline", span="6h").count('class="qj-gap"') == 1


def test_a_day_can_be_chosen(admin_client, job, runner):
    (execution,) = make_executions(job, runner, every=3 * 86400)
    day = clock_time(execution.started_at)[:10]
    html = page(admin_client, "timeline", span="24h", day=day)
    assert f"From {day} 00:00:00 to " in html
    assert f"../{execution.pk}/change/" in html
    assert f'value="{day}"' in html
    assert "Later" in html
    assert "qj-chosen" not in html


def test_a_chosen_day_begins_at_midnight_of_the_active_zone_also_if_clocks_change(
    admin_client, job
):
    for name, day, start in (
        ("Europe/Berlin", "2023-03-26", "00:00:00"),
        ("Europe/Berlin", "2023-10-29", "00:00:00"),
        ("Asia/Kolkata", "2023-10-29", "00:00:00"),
        ("America/Santiago", "2023-09-03", "01:00:00"),  # there was no midnight
    ):
        with timezone.override(name):
            html = page(admin_client, "timeline", span="6h", day=day)
        assert f"From {day} {start} to {day} " in html, name


@pytest.mark.parametrize(
    "day",
    ["", "x", "2026-02-30", "0001-01-01", "1979-12-31", "9999-12-31", "2026-1-1", "2026-01-01x"],
)
def test_a_day_that_is_none_or_has_not_begun_is_ignored(admin_client, job, day):
    html = page(admin_client, "timeline", day=day)
    assert "the last 6 hours" in html
    assert "qj-chosen" in html
    assert 'value=""' in html


def test_today_can_be_chosen(admin_client, job, runner):
    (execution,) = make_executions(job, runner, every=0.001)
    today = clock_time(timezone.now())[:10]
    html = page(admin_client, "timeline", span="24h", day=today)
    assert f"From {today} 00:00:00" in html
    assert f"../{execution.pk}/change/" in html


@pytest.mark.sweeps
def test_the_page_stays_small(admin_client, runner):
    for number in range(25):
        make_executions(make_job(f"a_name_of.some_length.job_{number:02}"), runner, 240, every=85)
    JobExecution.objects.update(duration=dt.timedelta(seconds=171))
    JobExecution.objects.filter(pk__in=range(0, 10000, 7)).update(outcome="failed")
    html = page(admin_client, "timeline", span="6h")
    assert html.count("/?job__id__exact=") > 1500
    assert len(html.encode()) < 500_000


def test_without_time_zones_it_works_too(admin_client, job, runner, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    now = dt.datetime.now()
    JobExecution.objects.create(job=job, runner=runner, started_at=now - dt.timedelta(minutes=1))
    runner.last_heartbeat_at = now
    runner.started_at = now - HOUR
    runner.save()
    page(admin_client, "timeline", day=f"{now:%Y-%m-%d}")
    for name in ("timeline", "job_changelist", "jobexecution_changelist", "jobrunner_changelist"):
        page(admin_client, name)


def test_times_are_those_of_the_active_zone(admin_client, job, runner):
    (execution,) = make_executions(job, runner)
    with timezone.override(dt.timezone(dt.timedelta(hours=5))):
        html = page(admin_client, "jobexecution_change", execution.pk)
    there = execution.started_at + dt.timedelta(hours=5)
    assert f"{there:%Y-%m-%d %H:%M:%S}<" in html
