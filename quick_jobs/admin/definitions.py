"""Where a job is defined, if this process has imported it."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from typing import Any, Iterable

from quick_jobs.registration import registered_as


def definition_of(name: str) -> str:
    """Return the file and line of the job of this name, like "shop/jobs.py:12", or "".

    The path is relative to the folder that Python imports from; otherwise the module is named.
    """
    for job in registered_as(name):
        function: Any = job
        with contextlib.suppress(ValueError):  # it is wrapped in itself
            function = inspect.unwrap(job)
        code = getattr(function, "__code__", None)
        if code is not None:
            path = below(code.co_filename, sys.path)
            return f"{path or function.__module__}:{code.co_firstlineno}"
    return ""


def below(path: str, folders: Iterable[str]) -> str:
    """Return ``path`` from the innermost of the ``folders`` that it is in, or "" if in none."""
    starts = [os.path.join(folder, "") for folder in folders if os.path.isabs(folder)]
    start = max((start for start in starts if path.startswith(start)), key=len, default="")
    return path[len(start) :].replace(os.sep, "/") if start else ""
