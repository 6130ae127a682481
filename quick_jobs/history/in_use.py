"""Rows that are not pruned because rows of other apps refer to them."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple, Type, Union

from django.db import connections
from django.db.models import Model, QuerySet

from quick_jobs.history.constraints import Constraint, constraints_on
from quick_jobs.models import Job, JobExecution, JobRunner
from quick_jobs.references import Reference, any_of, references_to, with_flags

Referrers = List[Union[Reference, Constraint]]


class Kept(NamedTuple):
    """A row that stays, and what refers to it."""

    model: Any
    pk: int
    reasons: List[str]


_NOUNS = ((JobExecution, "execution"), (JobRunner, "runner"), (Job, "job"))


def numbers_in_words(numbers: Mapping[Any, int]) -> str:
    """Return how many rows of each model, such as "2 executions and 1 job"."""
    parts = [
        f"{numbers[model]:,} {noun}{'' if numbers[model] == 1 else 's'}"
        for model, noun in _NOUNS
        if numbers.get(model)
    ]
    return " and ".join(", ".join(parts).rsplit(", ", 1))


class InUse:
    """Our rows in the database ``using`` to which others' rows refer.

    The models tell which tables may refer to ours. Other foreign keys of the database are only
    queried, with :meth:`look_up`, once it has refused to delete something.
    """

    def __init__(self, using: str) -> None:
        #: How many rows have stayed, by model.
        self.kept: Counter[Any] = Counter()
        #: The tables that refer to them, in words.
        self.reasons: Set[str] = set()
        self._using = using
        self._referrers: Dict[Type[Model], Referrers] = {}
        self._tables: Set[str] = set()
        self._is_looked_up = False
        # A runner's pruning sees runners and jobs twice.
        self._noted: Set[Tuple[Any, int]] = set()

    def spare(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of ``rows`` to which nothing refers."""
        referrers = self._referrers_of(rows.model)
        if not referrers:
            return rows
        flagged, flags = with_flags(rows, [one.exists(self._using) for one in referrers])
        return flagged.filter(**dict.fromkeys(flags, False))

    def in_words(self) -> str:
        """Return a sentence on which rows stayed and why, "" if none did."""
        if not self.kept:
            return ""
        is_one = sum(self.kept.values()) == 1
        stays = "stays, as others refer to it" if is_one else "stay, as others refer to them"
        return f"{numbers_in_words(self.kept)} {stays}: {', '.join(sorted(self.reasons))}."

    def free(self, model: Type[Model], keys: List[int]) -> List[int]:
        """Return those primary keys of ``model`` to whose rows nothing refers."""
        if not self._referrers_of(model):
            return keys
        rows = model._base_manager.using(self._using).filter(pk__in=keys)
        return list(self.spare(rows).values_list("pk", flat=True))

    def among(self, rows: QuerySet[Any]) -> List[Kept]:
        """Return those of ``rows`` to which something refers."""
        referrers = self._referrers_of(rows.model)
        if not referrers:
            return []
        flagged, flags = with_flags(rows, [one.exists(self._using) for one in referrers])
        found = flagged.filter(any_of(flags)).values_list("pk", *flags).iterator()
        return [
            Kept(rows.model, pk, [one.label for one, flag in zip(referrers, answers) if flag])
            for pk, *answers in found
        ]

    def keep(self, rows: Iterable[Kept]) -> None:
        """Count rows that stay."""
        for row in rows:
            if row.model is not JobExecution:
                if row[:2] in self._noted:
                    continue
                self._noted.add(row[:2])
            self.kept[row.model] += 1
            self.reasons.update(row.reasons)

    def look_up(self) -> bool:
        """Query the database's foreign keys; return whether some were not known before."""
        if self._is_looked_up:
            return False
        self._is_looked_up = True
        is_more = False
        for model in (JobExecution, JobRunner, Job):
            known = self._referrers_of(model)
            tables = {one.model._meta.db_table for one in known if isinstance(one, Reference)}
            more = [one for one in constraints_on(model, self._using) if one.table not in tables]
            self._referrers[model] = [*known, *more]
            is_more = is_more or bool(more)
        return is_more

    def _referrers_of(self, model: Type[Model]) -> Referrers:
        if model not in self._referrers:
            found = references_to(model)
            # A model may have no table here: it may be in another database, or not migrated yet.
            self._referrers[model] = [one for one in found if self._has_table(one.model)]
        return self._referrers[model]

    def _has_table(self, model: Type[Model]) -> bool:
        if not self._tables:
            names = connections[self._using].introspection.table_names()
            self._tables = {name.lower() for name in names}
        return model._meta.db_table.lower() in self._tables
