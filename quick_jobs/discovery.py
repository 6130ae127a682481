"""Finds jobs: those of all apps, those included, those not excluded."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Dict, Iterable, List, Sequence, Tuple

from django.apps import AppConfig, apps

from quick_jobs.holders import Holders, attributes_that_are_jobs, job_at
from quick_jobs.jobs_modules import (
    ImportFailed,
    JobsError,
    import_jobs_modules,
    import_module,
    import_module_of,
)
from quick_jobs.registration import RegisteredJob, registered_as, registered_jobs
from quick_jobs.submodules import may_have_jobs

__all__ = [
    "ImportFailed",
    "JobsError",
    "NameConflict",
    "all_jobs",
    "check_runnable",
    "import_jobs_from_module",
    "included_jobs",
    "jobs_left_out",
    "jobs_without",
    "why_left_out",
]

#: A module may have thousands of jobs.
_MOST_NAMES_IN_A_HINT = 10


class NameConflict(JobsError):
    """Several jobs have one name."""


def all_jobs() -> List[RegisteredJob]:
    """Return the jobs of all installed apps, sorted by name.

    They are those registered in an app's ``jobs`` module or its submodules,
    and those that such a module has imported from elsewhere.

    Raises :exc:`JobsError` when such a module cannot be imported, or when jobs
    have the same name.
    """
    return _by_name(_jobs_in(import_jobs_modules(apps.get_app_configs())))


def jobs_left_out() -> List[RegisteredJob]:
    """Return jobs that are registered, in modules imported by now, and not among :func:`all_jobs`.

    They are sorted by name; those of tests do not count. Raises :exc:`JobsError` like
    :func:`all_jobs`.
    """
    found = set(_jobs_in(import_jobs_modules(apps.get_app_configs())))
    left_out = [
        job
        for job in registered_jobs()
        if job not in found and all(map(may_have_jobs, job.registered_in.split(".")))
    ]
    return sorted(left_out, key=lambda job: job.name)


def why_left_out(job: RegisteredJob) -> str:
    """Return the warning about one of :func:`jobs_left_out`."""
    hidden = Holders().what_hides(job)
    if hidden:
        return f"{job.name} {hidden} ({job.location})"
    return (
        f"{job.name} is registered in {job.registered_in}, where run_jobs does not look for jobs: "
        "move it to the jobs.py of an installed app, or import the job itself there, or run it "
        f"with --include-job ({job.location})"
    )


def included_jobs(names: Iterable[str]) -> List[RegisteredJob]:
    """Return the jobs with these names, from any modules, sorted by name.

    Raises :exc:`JobsError` that lists every name without a job.
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
    """Return :func:`all_jobs` without those with these names, and the names without a job."""
    excluded = set(names)
    jobs = all_jobs()
    known = {job.name for job in jobs}
    for name in sorted(excluded - known):
        job = job_at(name)
        if job is not None and job.name in known:
            excluded.remove(name)
            excluded.add(job.name)
    unknown = excluded.difference(known)
    return [job for job in jobs if job.name not in excluded], sorted(unknown)


def import_jobs_from_module(module_name: str) -> List[RegisteredJob]:
    """Return the jobs of one module, sorted by name; raises :exc:`JobsError` like the others."""
    return _by_name(_jobs_in([import_module(module_name, f"The module {module_name}")]))


def check_runnable(jobs: Iterable[RegisteredJob]) -> None:
    """Raise :exc:`JobsError` that lists every job that cannot be run, and why."""
    holders = Holders()
    problems = []
    for job in jobs:
        problem = job.problem() or holders.what_hides(job)
        if problem:
            problems.append(f"{job.name} {problem} ({job.location})")
    if problems:
        raise JobsError(problems)


def _jobs_in(modules: Sequence[ModuleType]) -> List[RegisteredJob]:
    """Return the jobs that are attributes of the modules, or that the modules registered."""
    names = {module.__name__ for module in modules}
    attributes = [job for module in modules for job in attributes_that_are_jobs(module)]
    return attributes + [job for job in registered_jobs() if not names.isdisjoint(job.places)]


def _jobs_named(name: str) -> List[RegisteredJob]:
    """Return the job with this name; several if they are a conflict to report."""
    module_name, _, attribute = name.rpartition(".")
    if not module_name or not all(name.split(".")):
        raise JobsError([f"{name!r} is not the dotted path of a job, like shop.jobs.send_emails"])
    module = import_module_of(name)
    jobs = _known_as(name, module)
    problems: List[str] = []
    if not jobs:
        # A function of one module may have been registered in another.
        for app in _nearest_first(name):
            try:
                import_jobs_modules([app])
            except ImportFailed as failure:
                problems += failure.problems
            jobs = _known_as(name, module)
            if jobs:
                break
    if not jobs:
        raise JobsError([f"There is no job {name}: {_what_there_is(module, attribute)}", *problems])
    return jobs


def _known_as(name: str, module: ModuleType) -> List[RegisteredJob]:
    """Return the jobs with this name, or else the job that is the attribute with this path."""
    jobs = [job for job in attributes_that_are_jobs(module) if job.name == name]
    if not jobs:
        jobs = list(registered_as(name))
    if not jobs:
        jobs = list(filter(None, [job_at(name)]))
    return jobs


def _nearest_first(name: str) -> List[AppConfig]:
    """Return the installed apps, beginning with the one to which this name belongs."""

    def distance(app: AppConfig) -> int:
        return -len(app.name) if name.startswith(f"{app.name}.") else 0

    return sorted(apps.get_app_configs(), key=distance)


def _what_there_is(module: ModuleType, attribute: str) -> str:
    if attribute in vars(module):
        return f"{attribute} is not decorated with @register_job, or has enabled=False"
    names = sorted({job.name for job in _jobs_in([module, *_loaded_below(module)])})
    if not names:
        return f"{module.__name__} has no jobs"
    more = ["…"] if len(names) > _MOST_NAMES_IN_A_HINT else []
    return f"the jobs there are {', '.join(names[:_MOST_NAMES_IN_A_HINT] + more)}"


def _loaded_below(package: ModuleType) -> List[ModuleType]:
    prefix = f"{package.__name__}."
    return [module for name, module in list(sys.modules.items()) if name.startswith(prefix)]


def _by_name(found: Iterable[RegisteredJob]) -> List[RegisteredJob]:
    """Return the jobs sorted by name, each of them once; raise :exc:`NameConflict`."""
    jobs: Dict[RegisteredJob, None] = {}
    for job in found:
        # Including those that another job of the same name replaced, but not those before a reload.
        jobs.update(dict.fromkeys(registered_as(job.name) or (job,)))
    namesakes: Dict[str, List[RegisteredJob]] = {}
    for job in jobs:
        # Some databases do not distinguish upper and lower case.
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
