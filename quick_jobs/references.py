"""Rows of other apps that refer to rows of ours.

The models tell whether there can be any. If not, the database is not queried.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Tuple, Type

from django.db.models import DO_NOTHING, Exists, Model, OuterRef, Q, QuerySet, TextField
from django.db.models.fields import CharField, IntegerField
from django.db.models.functions import Cast


class Reference(NamedTuple):
    """A relation of another app's ``model`` to one of ours.

    ``conditions`` select its rows that refer to an outer row.
    """

    model: Type[Model]
    conditions: Dict[str, Any]

    @property
    def label(self) -> str:
        """The name of the model, or of the one with the many-to-many field."""
        owner: Any = self.model._meta.auto_created or self.model
        return str(owner._meta.label)

    def exists(self, using: str) -> Exists:
        """Return whether there is a row that refers to the outer one."""
        rows = self.model._base_manager.using(using).filter(**self.conditions)
        return Exists(rows.order_by().values("pk"))


def references_to(model: Type[Model]) -> List[Reference]:
    """Return the relations of other apps' models to ``model`` that matter for deletion.

    ``DO_NOTHING`` and a generic foreign key without a generic relation do not.
    """
    return [*_foreign_keys(model), *_generic_relations(model)]


def _foreign_keys(model: Type[Model]) -> Iterator[Reference]:
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and not relation.concrete):
            continue
        if not (relation.one_to_one or relation.one_to_many):
            continue
        other: Any = relation.related_model
        if other._meta.app_label == model._meta.app_label:
            continue
        if getattr(relation, "on_delete", DO_NOTHING) is DO_NOTHING:
            continue
        pairs: List[Tuple[Any, Any]] = relation.field.related_fields  # type: ignore[union-attr]
        yield Reference(other, {own.attname: OuterRef(ours.attname) for own, ours in pairs})


def _generic_relations(model: Type[Model]) -> Iterator[Reference]:
    for field in model._meta.private_fields:
        if not hasattr(field, "bulk_related_objects"):
            continue
        relation: Any = field
        other = relation.remote_field.model
        number = other._meta.get_field(relation.object_id_field_name)
        key: Any = OuterRef("pk")
        if isinstance(number, (CharField, TextField)):
            key = Cast(key, number)
        elif not isinstance(number, IntegerField):
            continue  # such as a UUID, which no key of ours is
        content_type = relation.get_content_type().pk
        yield Reference(
            other,
            {relation.content_type_field_name: content_type, relation.object_id_field_name: key},
        )


def with_flags(rows: QuerySet[Any], exists: List[Any]) -> Tuple[QuerySet[Any], List[str]]:
    """Return ``rows`` annotated with each of ``exists``, and the names of the annotations."""
    flags = [f"quick_jobs_referred_{number}" for number in range(len(exists))]
    return rows.annotate(**dict(zip(flags, exists))), flags


def any_of(flags: List[str]) -> Q:
    """Return the condition that one of ``flags`` is true."""
    condition = Q()
    for flag in flags:
        condition |= Q(**{flag: True})
    return condition
