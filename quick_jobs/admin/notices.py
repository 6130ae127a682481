"""Notices about the runners, for every page."""

from __future__ import annotations

import datetime as dt
from typing import List, NamedTuple

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.links import Links
from quick_jobs.admin.page_clock import PageClock, page_clock
from quick_jobs.admin.site_health import reading, site_findings
from quick_jobs.admin.wording import ago
from quick_jobs.health import DOWN, DUPLICATES, Finding, advice_on, sentence_of
from quick_jobs.models import Job, JobExecution, JobRunner

#: How long a lost runner is worth a notice.
_NEWS = dt.timedelta(days=1)

_MOST_NAMED = 3


class Notice(NamedTuple):
    """``level`` is one of the levels of Django's messages; ``url`` leads to the runners."""

    level: str
    text: str
    url: str


def notices(request: HttpRequest, links: Links) -> List[Notice]:
    """Return the notices, one for each event.

    Everybody is told that nothing runs, without the runners' names if they may not be seen.
    """
    findings = site_findings(request)
    found = [_notice(finding, links) for finding in findings]
    if not links.permits(JobRunner):
        return [
            notice
            for finding, notice in zip(findings, found)
            if not (finding.is_warning or finding.is_anybody_alive)
        ]
    site = reading(request).site
    last = site.last
    is_told = any(finding.kind == DOWN for finding in findings)
    told = last.pk if last is not None and is_told else None
    return found + _about_lost(page_clock(request), links, told, bool(site.alive))


def _notice(finding: Finding, links: Links) -> Notice:
    if not links.permits(JobRunner):
        finding = finding.without_details()
    elif not (links.permits(JobExecution) and links.permits(Job)):  # it describes both
        finding = finding.without_errors()
    text = f"{sentence_of(finding)} {advice_on(finding)}"
    is_about_live = finding.kind == DUPLICATES
    url = links.list_url(JobRunner, state="alive") if is_about_live else links.list_url(JobRunner)
    return Notice("warning" if finding.is_warning else "error", text, url)


def _about_lost(
    clock: PageClock, links: Links, told: object, is_another_alive: bool
) -> List[Notice]:
    """Return a notice of the runners that vanished recently, if no other notice names them."""
    lost = JobRunner.objects.lost(clock.lost_before)
    lost = lost.filter(last_heartbeat_at__gte=clock.now - _NEWS)
    newest = lost.order_by("-last_heartbeat_at")[: _MOST_NAMED + 2]
    runners = [runner for runner in newest if runner.pk != told]
    if not runners:
        return []
    names = [
        f"{runner} {ago(runner.last_heartbeat_at, clock.now)}" for runner in runners[:_MOST_NAMED]
    ]
    if len(runners) > _MOST_NAMED:
        names.append("…")
    sentences = [
        ngettext(
            "A runner vanished: %s. It was killed, or does not reach the database.",
            "Runners vanished: %s. They were killed, or do not reach the database.",
            len(runners),
        )
        % ", ".join(names)
    ]
    if is_another_alive:
        sentences.append(_("Another runner is alive."))
    sentences.append(_("See the platform's log for the cause."))
    return [Notice("warning", " ".join(sentences), links.list_url(JobRunner, state="lost"))]
