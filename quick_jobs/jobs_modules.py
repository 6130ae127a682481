"""Imports the modules with jobs, and explains when one of them fails."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import traceback
from types import ModuleType
from typing import Iterable, List, Sequence

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from quick_jobs.schedules import ScheduleError
from quick_jobs.submodules import submodules
from quick_jobs.tracebacks import error_line, traceback_of


class JobsError(Exception):
    """The jobs cannot be run as they are. Each of ``problems`` is a message for the user."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ImportFailed(JobsError):
    """A module with jobs cannot be imported."""


def import_jobs_modules(configs: Iterable[AppConfig]) -> List[ModuleType]:
    """Import the ``jobs`` modules of these apps and their submodules, and return them.

    Raises :exc:`ImportFailed` with a problem for each module that fails.
    """
    packages_of_apps = {app.name for app in apps.get_app_configs()}
    modules: List[ModuleType] = []
    problems: List[str] = []
    for app in configs:
        if not module_has_submodule(app.module, "jobs"):
            continue
        waiting = [f"{app.name}.jobs"]
        while waiting:
            name = waiting.pop(0)
            try:
                module = import_module(name, f"The jobs of the app {app.label!r}")
            except ImportFailed as failure:
                problems += failure.problems
                continue
            modules.append(module)
            if name not in packages_of_apps:  # which has an app's models and so on
                waiting += submodules(module)
    if problems:
        raise ImportFailed(problems)
    return modules


def import_module_of(name: str) -> ModuleType:
    """Import the module of a job with this name. The last parts may be a class and its attribute.

    Raises :exc:`ImportFailed`.
    """
    what = f"The module of the job {name}"
    module_name = name.rpartition(".")[0]
    try:
        return import_module(module_name, what)
    except ImportFailed as failure:
        parent_name, _, attribute = module_name.rpartition(".")
        cause = failure.__cause__
        if parent_name and isinstance(cause, ModuleNotFoundError) and cause.name == module_name:
            with contextlib.suppress(ImportFailed):
                parent = import_module_of(module_name)
                if issubclass(type(vars(parent).get(attribute)), type):
                    return parent
        raise


def import_module(module_name: str, what: str) -> ModuleType:
    """Import a module; raise :exc:`ImportFailed`, which begins with ``what``, if that fails.

    Its message has the line and the cause. Only KeyboardInterrupt passes through.
    """
    try:
        return importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a sys.exit() in a jobs.py must not end the process silently
        place = _place_of_failure(module_name, error)
        text = error_line(error)
        if type(error) is ScheduleError:  # where we keep our exceptions says nothing to anybody
            text = text.partition(": ")[2] or text
        cause = f"{place}: {text}" if place else text
        raise ImportFailed([f"{what} cannot be imported: {cause}"]) from error


def _place_of_failure(module_name: str, error: BaseException) -> str:
    """Return the line where the module fails, and the line elsewhere that raised the error."""
    frames = [
        (str(frame.f_globals.get("__name__")), f"{frame.f_code.co_filename}, line {line}")
        for frame, line in traceback.walk_tb(traceback_of(error))
    ]
    frames = [frame for frame in frames if not frame[0].startswith(("importlib", "quick_jobs."))]
    inside = [place for name, place in frames if name == module_name]
    if inside:
        raised = frames[-1][1]
        return inside[-1] if raised == inside[-1] else f"{inside[-1]}, raised in {raised}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    if frames:
        return frames[-1][1]
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module_name)
        if spec is not None and spec.origin:
            return spec.origin
    return ""
