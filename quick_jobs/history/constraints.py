"""The foreign keys that a database has, those that Django does not know of included."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Type

from django.db import connections
from django.db.models import BooleanField, Model
from django.db.models.expressions import RawSQL

# The tables that refer to one of ours: schema, table, column, and the column of ours. Where the
# database itself deletes the rows that refer, or makes them refer to nothing, they are not in the
# way. Keys of several columns are left out.
_QUERIES: Dict[str, str] = {
    "sqlite": """
        SELECT '', m.name, min(f."from"), min(COALESCE(f."to", 'id'))
        FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
        WHERE m.type = 'table' AND lower(f."table") = lower(%s)
        AND f.on_delete NOT IN ('CASCADE', 'SET NULL')
        GROUP BY m.name, f.id HAVING count(*) = 1
    """,
    "postgresql": """
        SELECT n.nspname, t.relname, theirs.attname, ours.attname
        FROM pg_constraint c
        JOIN pg_class t ON t.oid = c.conrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_attribute theirs
        ON theirs.attrelid = c.conrelid AND theirs.attnum = c.conkey[1]
        JOIN pg_attribute ours
        ON ours.attrelid = c.confrelid AND ours.attnum = c.confkey[1]
        WHERE c.contype = 'f' AND c.confdeltype NOT IN ('c', 'n')
        AND c.confrelid = to_regclass(quote_ident(%s)) AND array_length(c.conkey, 1) = 1
    """,
    "mysql": """
        SELECT '', k.table_name, min(k.column_name), min(k.referenced_column_name)
        FROM information_schema.key_column_usage k
        JOIN information_schema.referential_constraints r
        ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
        WHERE k.table_schema = DATABASE() AND k.referenced_table_schema = DATABASE()
        AND k.referenced_table_name = %s AND r.delete_rule NOT IN ('CASCADE', 'SET NULL')
        GROUP BY k.table_name, k.constraint_name HAVING count(*) = 1
    """,
}


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
    """Ask the database for the foreign keys of others' tables to the one of ``model``."""
    app: Any = model._meta.app_config
    own = {one._meta.db_table.lower() for one in app.get_models(include_auto_created=True)}
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[connection.vendor], [model._meta.db_table])
        found = [Constraint(model, *row) for row in cursor.fetchall()]
    return [constraint for constraint in found if constraint.table.lower() not in own]
