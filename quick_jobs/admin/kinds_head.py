"""The head of a list of failures: the kinds, with links."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional

from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quick_jobs.admin.badges import execution_text
from quick_jobs.admin.kinds import Failure, Kind, kinds_of
from quick_jobs.admin.links import Links
from quick_jobs.admin.search import WENT_WRONG
from quick_jobs.admin.time_range import TimeRange, whole_number
from quick_jobs.admin.wording import breakable, time_element
from quick_jobs.models import Job, JobExecution
from quick_jobs.tracebacks.fingerprints import without_values

#: The newest failures, which are grouped.
MOST_GROUPED = 1000

#: Kinds that are shown, and jobs that are named for each.
_MOST_KINDS = 10
_MOST_JOBS = 3

#: The choices of outcomes for which a list has a head.
_STATES = frozenset([*JobExecution.WENT_WRONG, WENT_WRONG])

_FIELDS = ("pk", "outcome", "fingerprint", "job_id", "started_at", "error")


class ShownKind(NamedTuple):
    """``url`` leads to exactly these failures."""

    number: str
    message: str
    url: str
    first: str
    last: str
    jobs: List[str]


class KindsHead(NamedTuple):
    """``text`` is like "57 failures, 3 kinds"; ``older`` is set if there are older failures."""

    text: str
    older: str
    kinds: List[ShownKind]
    others: str


class ChosenKind(NamedTuple):
    """A kind, represented by one of its failures."""

    failure: Failure

    @property
    def message(self) -> str:
        return _message(self.failure)

    def alike(self) -> Q:
        """Return the condition for failures of this kind."""
        if self.failure.fingerprint:
            return Q(outcome=self.failure.state, fingerprint=self.failure.fingerprint)
        return Q(outcome=self.failure.state, fingerprint="", job=self.failure.job_id)


def kind_of(key: Optional[str]) -> Optional[ChosenKind]:
    """Return the kind of the failure with this primary key, taken from an address, if any."""
    pk = whole_number(key or "")
    rows = () if pk is None else JobExecution.objects.filter(pk=pk).values_list(*_FIELDS)
    return next((ChosenKind(Failure(*row)) for row in rows), None)


def kinds_head(changelist: Any, state: Optional[str], links: Links) -> Optional[KindsHead]:
    """Return the head of a list of executions filtered by ``state``, if that means failures.

    It takes one query for the newest failures, and one for the jobs that are named.
    """
    if state not in _STATES:
        return None
    rows = changelist.queryset.order_by("-started_at").prefetch_related(None)
    failures = [
        Failure(*row)._replace(state=_state(row[1]))
        for row in rows.values_list(*_FIELDS)[: MOST_GROUPED + 1]
    ]
    kinds = kinds_of(failures[:MOST_GROUPED])
    if not kinds:
        return None
    shown = kinds[:_MOST_KINDS]
    names = _names_of_jobs(shown, links)
    count = min(len(failures), MOST_GROUPED)
    is_cut = len(failures) > MOST_GROUPED
    others = len(kinds) - len(shown)
    return KindsHead(
        _("%(failures)s, %(kinds)s")
        % {
            "failures": ngettext("%s failure", "%s failures", count) % _number(count),
            "kinds": ngettext("%s kind", "%s kinds", len(kinds)) % _number(len(kinds)),
        },
        _("These are the newest ones; older failures are not counted here.") if is_cut else "",
        [_shown(kind, changelist, names) for kind in shown],
        ngettext("and %d more", "and %d more", others) % others if others else "",
    )


def _state(outcome: str) -> str:
    """Return the state of a failure. One that is still "running" is lost."""
    return JobExecution.LOST if outcome == JobExecution.RUNNING else outcome


def _names_of_jobs(kinds: List[Kind], links: Links) -> Any:
    pks = {pk for kind in kinds for pk in kind.jobs[:_MOST_JOBS]}
    if not links.permits(Job):
        return {pk: links.shown_job(Job(pk=pk)).name for pk in pks}
    return dict(Job.objects.filter(pk__in=pks).values_list("pk", "name"))


def _shown(kind: Kind, changelist: Any, names: Any) -> ShownKind:
    newest = kind.newest
    jobs = [breakable(names[pk]) for pk in kind.jobs[:_MOST_JOBS] if pk in names]
    more = len(kind.jobs) - _MOST_JOBS
    if more > 0:
        jobs.append(ngettext("and %d more", "and %d more", more) % more)
    query = {
        "kind": newest.pk,
        "outcome__exact": newest.state,
        "since": str(TimeRange(kind.first, newest.started_at)),
    }
    return ShownKind(
        _number(kind.number),
        _message(newest),
        changelist.get_query_string(query, ["p"]),
        time_element(kind.first),
        time_element(newest.started_at),
        jobs,
    )


def _message(failure: Failure) -> str:
    return without_values(failure.error) or execution_text(_state(failure.state))


def _number(count: int) -> str:
    return str(number_format(count, force_grouping=True))
