"""The foreign keys of a database, including those unknown to Django."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Type

from django.db import connections
from django.db.models import BooleanField, Model
from django.db.models.expressions import RawSQL

from quick_jobs.databases import database_of


class Constraint(NamedTuple):
    """A foreign key of another ``table``, which may be in a schema, to the one of ``model``."""

    model: Type[Model]
    schema: str
    table: str
    column: str
    our_column: str

    @property
    def label(self) -> str:
        return f"the table {self.table}"

    def exists(self, using: str) -> Any:
        """Return whether there is a row that refers to the outer one."""
        quote = connections[using].ops.quote_name
        theirs = ".".join(quote(name) for name in (self.schema, self.table) if name)
        ours = f"{quote(self.model._meta.db_table)}.{quote(self.our_column)}"
        sql = f"EXISTS (SELECT 1 FROM {theirs} r WHERE r.{quote(self.column)} = {ours})"
        return RawSQL(sql.replace("%", "%%"), [], output_field=BooleanField())


def constraints_on(model: Type[Model], using: str) -> List[Constraint]:
    """Query the foreign keys of other tables to the one of ``model``."""
    app: Any = model._meta.app_config
    own = {one._meta.db_table.lower() for one in app.get_models(include_auto_created=True)}
    keys = database_of(connections[using]).foreign_keys_to(model._meta.db_table)
    found = [Constraint(model, *key) for key in keys]
    return [constraint for constraint in found if constraint.table.lower() not in own]
