"""The code of this process: the names of its jobs, and whether a job is elsewhere in it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import re
import threading
import time
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Callable, FrozenSet, Optional

from django.apps import apps

from quick_jobs.discovery import JobsError

#: When this process began, as a POSIX time: its code is not newer than that.
BEGAN_AT = time.time()


class JobNames:
    """The names of the jobs that a function returns, called once: imports can take seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source: Optional[Callable[[], Any]] = None
        self._names: Optional[FrozenSet[str]] = None

    def of(self, source: Callable[[], Any]) -> Optional[FrozenSet[str]]:
        """Return the names; None if the jobs cannot be imported. That is not tried again."""
        with self._lock:
            if self._source is not source:
                try:
                    self._names = frozenset(job.name for job in source())
                except JobsError:
                    self._names = None
                self._source = source
            return self._names


def may_be_elsewhere(name: str) -> bool:
    """Return whether ``--include-job`` may find a job of this name, which no app has.

    It may if there is such a module, not below an app's ``jobs`` module, and the job's name is
    in its source. Nothing is imported to find out.
    """
    modules_of_apps = (f"{app.name}.jobs." for app in apps.get_app_configs())
    return not name.startswith(tuple(modules_of_apps)) and _is_in_a_module(name)


@functools.lru_cache(maxsize=1000)
def _is_in_a_module(name: str) -> bool:
    *parents, attribute = name.split(".")
    spec = None
    for depth in range(len(parents)):
        found = _spec(".".join(parents[: depth + 1]), spec)
        if found is None:
            break  # what is left is the name of a class
        spec = found
    if spec is None:
        return False
    source = None
    with contextlib.suppress(Exception):  # a module without a loader or a source
        source = spec.loader.get_source(spec.name)  # type: ignore[union-attr]
    return source is None or re.search(rf"\b{re.escape(attribute)}\b", source) is not None


def _spec(module_name: str, parent: Optional[ModuleSpec]) -> Optional[ModuleSpec]:
    with contextlib.suppress(Exception):  # finders read what is in the module search path
        if parent is None:
            return importlib.util.find_spec(module_name)  # imports nothing, without a dot
        if parent.submodule_search_locations:
            return PathFinder.find_spec(module_name, list(parent.submodule_search_locations))
    return None
