"""The admin in a browser, under a strict policy; every page that complains fails its test."""

import datetime as dt
import re

import django
import pytest
from django.utils import timezone

from quick_jobs.admin.compat import HAS_DARK_ADMIN
from quick_jobs.models import Job, JobExecution, JobRunner

pytestmark = pytest.mark.browser

DARK = {"color_scheme": "dark"}
PHONE = {"width": 390, "height": 844}


def color(page, selector, name):
    script = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
    return page.evaluate(script, [selector, name])


def brightness(page, selector, name="backgroundColor"):
    red, green, blue = map(float, re.findall(r"[\d.]+", color(page, selector, name))[:3])
    return (red + green + blue) / 3


def a_failed_one():
    failed = JobExecution.objects.filter(outcome="failed", error__startswith="Supplier")
    return failed.order_by("-started_at").first()


def is_as_wide_as_the_window(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_dropdown_filters_when_something_is_chosen(open_page):
    page = open_page("jobexecution/")
    with page.expect_navigation():
        page.get_by_label("Outcome").select_option("failed")
    assert "outcome__exact=failed" in page.url
    assert set(page.locator("#result_list .qj-badge").all_inner_texts()) == {"failed"}
    with page.expect_navigation():
        page.locator(".qj-filter select").first.select_option("shop.jobs.send_emails")
    assert "outcome__exact=failed" in page.url
    names = page.locator("#result_list tbody th").all_inner_texts()
    assert set(names) == {"shop.jobs.send_emails"}
    with page.expect_navigation():
        page.get_by_label("Outcome").select_option("All")
    assert "outcome" not in page.url


def test_a_dropdown_with_few_choices_is_one_too(open_page):
    page = open_page("jobrunner/")
    with page.expect_navigation():
        page.get_by_label("State").select_option("lost")
    assert page.locator("#result_list .qj-badge").all_inner_texts() == ["lost", "lost"]


def test_the_keyboard_chooses_with_enter_and_not_with_each_arrow(open_page):
    page = open_page("jobrunner/")
    address = page.url
    page.get_by_label("State").focus()
    # A closed dropdown's change by a key, which not every platform's browser makes of an arrow.
    page.evaluate(
        """() => {
            const select = document.querySelector(".qj-filter select");
            select.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true}));
            select.selectedIndex = 1;
            select.dispatchEvent(new Event("change", {bubbles: true}));
        }"""
    )
    assert page.url == address
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "state=alive" in page.url


def test_after_the_way_back_the_dropdown_shows_what_the_list_does(open_page):
    page = open_page("jobrunner/")
    with page.expect_navigation():
        page.get_by_label("State").select_option("lost")
    page.go_back()
    page.wait_for_function("document.querySelector('.qj-filter select').selectedIndex === 0")


def test_jobs_show_at_once_what_is_wrong(open_page):
    page = open_page("job/")
    assert "Runners vanished: " in page.locator(".qj-notices").inner_text()
    row = page.locator("#result_list tr", has_text="ask_the_supplier")
    assert row.locator(".qj-picture rect.qj-failed").count() > 0
    assert page.locator(".qj-badge.qj-gone").inner_text() == "gone"


def test_the_figures_above_the_jobs_lead_to_what_they_count(open_page):
    page = open_page("job/")
    assert "2 live runners" in page.locator(".qj-figures").inner_text()
    with page.expect_navigation():
        page.get_by_role("link", name="1 needs attention").click()
    row = page.locator("#result_list tbody tr")
    assert row.locator("th").inner_text() == "newsletter.jobs.collect_bounces"
    assert "times in a row" in row.inner_text()


def test_on_a_phone_the_first_job_is_visible_below_a_banner(open_page):
    page = open_page("job/", **PHONE)
    assert page.locator(".qj-notices").is_visible()
    name = page.locator("#result_list tbody tr").first.locator("th").bounding_box()
    assert name["y"] + name["height"] <= PHONE["height"]


def test_one_banner_says_that_nothing_runs_and_leads_to_the_runners(open_page):
    JobRunner.objects.filter(stopped_at=None).update(
        stopped_at=timezone.now(), stop_reason=JobRunner.CRASHED, stop_detail="MemoryError"
    )
    page = open_page("job/", **DARK)
    (banner,) = page.locator(".qj-notices li").all()
    assert "No runner is alive" in banner.inner_text() or "MemoryError" in banner.inner_text()
    assert (
        abs(brightness(page, ".qj-notices li") - brightness(page, ".qj-notices li", "color")) > 90
    )
    with page.expect_navigation():
        banner.get_by_role("link").click()
    ends = {
        kind: page.locator(f"#result_list .qj-badge.qj-{kind}").first.bounding_box()
        for kind in ("broken", "stopped")
    }
    assert all(ends.values())
    assert color(page, ".qj-broken", "backgroundColor") != color(
        page, ".qj-badge.qj-stopped", "backgroundColor"
    )


def test_a_sites_front_page_shows_the_figures(open_page, settings, tmp_path):
    (tmp_path / "admin").mkdir()
    (tmp_path / "admin" / "index.html").write_text(
        '{% extends "admin/index.html" %}'
        '{% block content %}{% include "admin/quick_jobs/figures.html" %}{{ block.super }}'
        "{% endblock %}"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    for path in ("../", ""):
        page = open_page(path)
        line = page.locator(".qj-line")
        assert "2 live runners" in line.inner_text()
        assert line.bounding_box()["height"] < 40
    with page.expect_navigation():
        page.get_by_role("link", name="1 needs attention").click()
    assert page.locator("#result_list tbody tr").count() == 1


@pytest.mark.parametrize("width", [1024, 1280, 1920, PHONE["width"]])
def test_times_in_the_table_of_a_jobs_page_stay_on_one_line(open_page, width):
    job = Job.objects.get(name="shop.jobs.ask_the_supplier")
    job.executions.update(note="", error=f"SupplierUnavailable: {'unbroken' * 30}")
    page = open_page(f"job/{job.pk}/change/", width=width)
    table = page.locator(".qj-table")
    script = """cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getBoundingClientRect().height;
    }"""
    for cell in table.locator("tr:nth-child(-n+4) :is(th, td:not(.qj-error))").all():
        assert cell.evaluate(script) < 30, cell.inner_text()
    error = table.locator("td.qj-error").first.bounding_box()
    assert error["x"] + error["width"] <= width
    assert error["width"] > 150
    assert is_as_wide_as_the_window(page)
    place = page.locator(".qj-wide").evaluate("div => div.scrollWidth - div.clientWidth")
    assert place == 0


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es"])
def test_the_badge_of_a_jobs_state_stays_on_one_line(open_page, locale):
    Job.objects.create(name="shop.jobs.new", interval=dt.timedelta(hours=1))
    page = open_page("job/", locale=locale)
    for badge in page.locator("#result_list .field-state > .qj-badge").all():
        assert badge.bounding_box()["height"] < 24, badge.inner_text()


def test_a_bar_of_a_picture_leads_to_its_execution(open_page):
    page = open_page("job/")
    row = page.locator("#result_list tr", has_text="ask_the_supplier")
    bar = row.locator(".qj-picture a").filter(has=page.locator("rect.qj-failed")).first
    assert "failed" in bar.locator("title").text_content()
    with page.expect_navigation():
        bar.locator(".qj-hit").click()
    assert page.locator(".field-state .qj-failed").is_visible()


def test_badges_have_colours_that_can_be_read(open_page):
    for options in ({}, DARK):
        page = open_page("jobexecution/?outcome__exact=failed", **options)
        ground = brightness(page, ".qj-failed")
        text = brightness(page, ".qj-failed", "color")
        assert abs(ground - text) > 90


@pytest.mark.skipif(not HAS_DARK_ADMIN, reason="the admin of this Django is always light")
def test_the_dark_is_dark(open_page):
    page = open_page("jobexecution/timeline/", **DARK)
    assert brightness(page, "body") < 60
    assert brightness(page, ".qj-choices a.qj-chosen", "color") > 150


@pytest.mark.skipif(django.VERSION < (4, 2), reason="the admin of this Django has no switch")
def test_the_switch_overrules_the_system(open_page):
    page = open_page("jobexecution/timeline/", **DARK)
    red_in_the_dark = color(page, "rect.qj-failed", "fill")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert brightness(page, "body") > 200
    assert color(page, "rect.qj-failed", "fill") != red_in_the_dark


def test_a_traceback_can_be_read_and_copied(open_page):
    execution = a_failed_one()
    page = open_page(
        f"jobexecution/{execution.pk}/change/",
        permissions=["clipboard-read", "clipboard-write"],
    )
    assert "SupplierUnavailable" in page.locator("pre[data-name=traceback]").inner_text()
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == execution.traceback


def test_the_page_of_a_running_execution_reads_itself_until_it_has_ended(open_page, settings):
    settings.QUICK_JOBS_LOST_AFTER = 3600  # however long this takes
    execution = JobExecution.objects.running().order_by("started_at")[0]
    of_this = JobExecution.objects.filter(pk=execution.pk)
    lines = "".join(f"{number} a line of the log\n" for number in range(200))
    of_this.update(log=lines)
    page = open_page(f"jobexecution/{execution.pk}/change/")
    log = page.locator("pre[data-name=log]")
    log.evaluate("log => { log.scrollTop = 300; log.mark = 'the same'; }")
    page.evaluate("window.scrollTo(0, 150)")
    places = "[window.scrollY, document.querySelector('pre[data-name=log]').scrollTop]"
    before = page.evaluate(places)
    assert before == [150, 300]
    of_this.update(log=f"{lines}and one more\n", note="at the letter M")
    page.get_by_text("at the letter M").wait_for(timeout=30_000)
    assert log.inner_text().endswith("and one more\n")
    assert page.evaluate(places) == before
    of_this.update(outcome="succeeded", duration=dt.timedelta(minutes=9), stack="")
    page.locator(".field-state .qj-succeeded").wait_for(timeout=30_000)
    assert page.locator("[data-qj-refresh]").count() == 0
    assert page.get_by_text("Where it is").count() == 0
    assert page.evaluate(places) == before


def test_failures_are_grouped_and_each_kind_leads_to_its_own(open_page):
    page = open_page("jobexecution/?outcome__exact=went_wrong&since=24h")
    head = page.locator(".qj-kinds")
    assert re.fullmatch(r"\d+ failures, \d kinds", head.locator("h2").inner_text())
    row = head.locator("tbody tr", has_text="SupplierUnavailable")
    number = int(row.locator(".qj-count").inner_text())
    with page.expect_navigation():
        row.get_by_role("link").click()
    assert page.locator("#result_list tbody tr").count() == number
    assert page.get_by_label("Kind of failure").is_visible()
    assert page.locator(".qj-kinds").count() == 0


def test_an_execution_leads_to_those_before_and_after(open_page):
    execution = a_failed_one()
    page = open_page(f"jobexecution/{execution.pk}/change/")
    with page.expect_navigation():
        page.get_by_role("link", name="Previous run").click()
    with page.expect_navigation():
        page.get_by_role("link", name="Next run").click()
    assert f"/{execution.pk}/change/" in page.url


def test_the_timeline_draws_and_leads_on(open_page):
    page = open_page("jobexecution/timeline/")
    assert page.locator(".qj-bars").count() == 11
    assert page.locator("rect.qj-gap").count() == 12
    pattern = page.locator('rect[fill="url(#qj-running)"]').first
    assert pattern.bounding_box()["width"] > 1
    lane = page.get_by_role("group", name=re.compile("ask_the_supplier.*failures?"))
    bar = lane.locator("a:not([tabindex])").first
    bar.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".field-state .qj-failed").is_visible()


def test_the_timeline_shows_other_times(open_page):
    page = open_page("jobexecution/timeline/")
    for name in ("the last hour", "the last 7 days", "Earlier", "Earlier", "Later", "Now"):
        with page.expect_navigation():
            page.get_by_role("link", name=name, exact=True).click()
    page.get_by_label("Job", exact=True).fill("supplier")
    with page.expect_navigation():
        page.get_by_role("button", name="Search").click()
    assert page.locator(".qj-lane-name").count() == 2


def test_the_timeline_shows_a_day_that_is_chosen(open_page):
    page = open_page("jobexecution/timeline/?span=1h")
    with page.expect_navigation():
        page.get_by_role("link", name="Earlier", exact=True).click()
    assert page.locator(".qj-chosen").count() == 0
    yesterday = f"{timezone.localtime() - dt.timedelta(days=1):%Y-%m-%d}"
    page.get_by_label("Date", exact=True).fill(yesterday)
    page.get_by_label("Length", exact=True).select_option("24h")
    with page.expect_navigation():
        page.get_by_role("button", name="Search").click()
    assert f"From {yesterday} 00:00:00" in page.locator("#content-main").inner_text()
    assert page.get_by_label("Date", exact=True).input_value() == yesterday
    with page.expect_navigation():
        page.get_by_role("link", name="Now", exact=True).click()
    assert page.locator(".qj-chosen").inner_text() == "the last 24 hours"


def test_a_summed_up_bar_leads_to_its_executions(open_page):
    page = open_page("jobexecution/timeline/?span=24h")
    lane = page.get_by_role("group", name=re.compile("count_visitors"))
    with page.expect_navigation():
        lane.locator("a").first.click()
    rows = page.locator("#result_list tbody tr")
    assert 10 < rows.count() < 40
    assert page.get_by_label("Start").input_value().count("since=") == 1


@pytest.mark.parametrize("locale", ["en", "ar", "de"])
def test_every_page_fits_a_phone(open_page, locale):
    page = open_page("job/", locale=locale, **PHONE)
    start = page.url
    for address in (
        "job/",
        "jobexecution/",
        "jobexecution/?outcome__exact=went_wrong",
        "jobrunner/",
        "jobexecution/timeline/",
        f"jobexecution/{JobExecution.objects.running()[0].pk}/change/",
        f"jobexecution/{a_failed_one().pk}/change/",
        f"job/{Job.objects.order_by('-pk')[3].pk}/change/",
        f"jobrunner/{JobRunner.objects.order_by('-pk')[0].pk}/change/",
    ):
        page.goto(start.replace("job/", address))
        assert is_as_wide_as_the_window(page), address


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("has_live_runners", [True, False])
def test_no_column_is_cut_beside_the_side_bar(open_page, locale, has_live_runners):
    if not has_live_runners:
        JobRunner.objects.update(last_heartbeat_at=timezone.now() - dt.timedelta(hours=1))
    page = open_page("job/", locale=locale)
    start = page.url
    for address in ("job/", "jobexecution/", "jobrunner/"):
        page.goto(start.replace("job/", address))
        table, place = (
            page.locator(selector).bounding_box() for selector in ("#result_list", ".results")
        )
        assert table["width"] <= place["width"] + 0.5, address


def test_pages_run_from_right_to_left(open_page):
    page = open_page("jobexecution/", locale="ar")
    first, second = (page.locator(".qj-filter").nth(number).bounding_box() for number in (0, 1))
    assert first["x"] > second["x"]


def test_pages_are_in_the_readers_language(open_page):
    page = open_page("job/", locale="de")
    assert "Runner sind verschwunden (" in page.locator(".qj-notices").inner_text()
    assert page.get_by_label("Zustand").is_visible()


def test_a_deletion_is_confirmed_first(open_page):
    runner = JobRunner.objects.order_by("pk").first()
    page = open_page(f"jobrunner/{runner.pk}/change/")
    with page.expect_navigation():
        page.locator(".deletelink").click()
    assert "Executions:" in page.locator("#content").inner_text()
    with page.expect_navigation():
        page.get_by_role("button", name="Yes").click()
    assert not JobRunner.objects.filter(pk=runner.pk).exists()
