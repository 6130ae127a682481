"""Which management command is running."""

from __future__ import annotations

import inspect
from typing import Optional

from django.core.management.base import BaseCommand

#: Django's commands that make tables, fill them, or show what would.
_MAKING_TABLES = frozenset(
    f"django.core.management.commands.{name}"
    for name in (
        "flush",
        "loaddata",
        "makemigrations",
        "migrate",
        "optimizemigration",
        "showmigrations",
        "sqlflush",
        "sqlmigrate",
        "sqlsequencereset",
        "squashmigrations",
    )
)


def running_command() -> Optional[BaseCommand]:
    """Return the management command that has led here, the innermost of several; None if none has.

    The command line does not say: ``call_command()`` has none, and commands call others.
    """
    frame = inspect.currentframe()
    while frame is not None:
        command = frame.f_locals.get("self")
        if issubclass(type(command), BaseCommand):  # isinstance() would evaluate a lazy object
            return command
        frame = frame.f_back
    return None


def makes_tables(command: Optional[BaseCommand]) -> bool:
    """Return whether this is one of Django's commands that make tables, or derived from one."""
    return any(cls.__module__ in _MAKING_TABLES for cls in type(command).__mro__)
