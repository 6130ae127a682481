"""Which jobs there are: those of all apps, those included, those not excluded."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import traceback
from types import ModuleType
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from quick_jobs.registration import RegisteredJob, registered_as
from quick_jobs.tracebacks import error_line

#: A module may have thousands of jobs.
_MOST_NAMES_IN_A_HINT = 10


class JobsError(Exception):
    """The jobs cannot be run as they are; each of ``problems`` is a message for the user."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ImportFailed(JobsError):
    """A module with jobs cannot be imported."""


class NameConflict(JobsError):
    """Several jobs have one name."""


def all_jobs() -> List[RegisteredJob]:
    """Return the jobs in the ``jobs`` modules of all installed apps, sorted by name.

    Raises :exc:`JobsError` when such a module cannot be imported, or when jobs
    have the same name.
    """
    jobs: List[RegisteredJob] = []
    problems: List[str] = []
    for app in apps.get_app_configs():
        if not module_has_submodule(app.module, "jobs"):
            continue
        try:
            jobs += _jobs_in(_import(f"{app.name}.jobs", f"The jobs of the app {app.label!r}"))
        except ImportFailed as failure:
            problems += failure.problems
    if problems:
        raise ImportFailed(problems)
    return _by_name(jobs)


def included_jobs(names: Iterable[str]) -> List[RegisteredJob]:
    """Return the jobs of these names, in whatever modules they are, sorted by name.

    Raises :exc:`JobsError` that tells of every name that is not a job's.
    """
    jobs: List[RegisteredJob] = []
    problems: List[str] = []
    for name in sorted(set(names)):
        try:
            jobs += _jobs_named(name)
        except JobsError as failure:
            problems += failure.problems
    if problems:
        raise JobsError(problems)
    return _by_name(jobs)


def jobs_without(names: Iterable[str]) -> Tuple[List[RegisteredJob], List[str]]:
    """Return :func:`all_jobs` but those of these names, and the names that are no job's."""
    excluded = set(names)
    jobs = all_jobs()
    unknown = excluded.difference(job.name for job in jobs)
    return [job for job in jobs if job.name not in excluded], sorted(unknown)


def import_jobs_from_module(module_name: str) -> List[RegisteredJob]:
    """Return the jobs of one module, sorted by name; raises :exc:`JobsError` like the others."""
    return _by_name(_jobs_in(_import(module_name, f"The module {module_name}")))


def check_runnable(jobs: Iterable[RegisteredJob]) -> None:
    """Raise :exc:`JobsError` that tells of every job that cannot be run, and why."""
    problems = []
    for job in jobs:
        problem = job.problem()
        if problem:
            problems.append(f"{job.name} {problem} ({job.location})")
    if problems:
        raise JobsError(problems)


def _import(module_name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a sys.exit() in a jobs.py must not end things silently
        place = _place_of_failure(module_name, error)
        cause = f"{place}: {error_line(error)}" if place else error_line(error)
        raise ImportFailed([f"{what} cannot be imported: {cause}"]) from error


def _place_of_failure(module_name: str, error: BaseException) -> str:
    """Return the line where the module fails, and the line beyond where the error was raised."""
    frames = [
        (str(frame.f_globals.get("__name__")), f"{frame.f_code.co_filename}, line {line}")
        for frame, line in traceback.walk_tb(error.__traceback__)
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


def _jobs_in(module: ModuleType) -> Iterator[RegisteredJob]:
    for value in list(vars(module).values()):
        # isinstance() would ask a lazy object for its class, and thereby evaluate it.
        if issubclass(type(value), RegisteredJob):
            yield value


def _jobs_named(name: str) -> List[RegisteredJob]:
    """Return the job of this name; several if they have to be told as a conflict."""
    module_name, _, attribute = name.rpartition(".")
    if not module_name or not all(name.split(".")):
        raise JobsError([f"{name!r} is not the dotted path of a job, like shop.jobs.send_emails"])
    module = _import(module_name, f"The module of the job {name}")
    jobs = [job for job in _jobs_in(module) if job.name == name]
    if not jobs:
        raise JobsError([f"There is no job {name}: {_what_there_is(module, attribute)}"])
    return jobs


def _what_there_is(module: ModuleType, attribute: str) -> str:
    value: Any = vars(module).get(attribute)
    if issubclass(type(value), RegisteredJob):
        return f"its name is {value.name}"
    if attribute in vars(module):
        return f"{attribute} is not decorated with @register_job, or has enabled=False"
    names = sorted({job.name for job in _jobs_in(module)})
    if not names:
        return f"{module.__name__} has no jobs"
    more = ["…"] if len(names) > _MOST_NAMES_IN_A_HINT else []
    return f"the jobs there are {', '.join(names[:_MOST_NAMES_IN_A_HINT] + more)}"


def _by_name(found: Iterable[RegisteredJob]) -> List[RegisteredJob]:
    """Return the jobs sorted by name, each of them once; raise :exc:`NameConflict`."""
    jobs: Dict[RegisteredJob, None] = {}
    for job in found:
        # With those that its module has lost to a namesake, and without those before a reload.
        jobs.update(dict.fromkeys(registered_as(job.name) or (job,)))
    namesakes: Dict[str, List[RegisteredJob]] = {}
    for job in jobs:
        # Some databases do not tell upper from lower case.
        namesakes.setdefault(job.name.casefold(), []).append(job)
    conflicts = [
        "Jobs need names that differ, in more than upper and lower case:"
        + "".join(f"\n  {job.name} ({job.location})" for job in same)
        for same in namesakes.values()
        if len(same) > 1
    ]
    if conflicts:
        raise NameConflict(conflicts)
    return sorted(jobs, key=lambda job: job.name)
