"""Exceptions and stacks as text that every database can store."""

from quick_jobs.tracebacks.exceptions import (
    MAX_ERROR,
    class_name,
    error_line,
    members_of,
    next_in_chain,
    traceback_of,
)
from quick_jobs.tracebacks.formatting import Shown, presentable, shown, traceback_text
from quick_jobs.tracebacks.stacks import coroutine_stack_text, stack_text, user_traceback
from quick_jobs.tracebacks.texts import storable

__all__ = [
    "MAX_ERROR",
    "Shown",
    "class_name",
    "coroutine_stack_text",
    "error_line",
    "members_of",
    "next_in_chain",
    "presentable",
    "shown",
    "stack_text",
    "storable",
    "traceback_of",
    "traceback_text",
    "user_traceback",
]
