"""``register_job``, which makes a function a job, and the registered jobs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import reprlib
import sys
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Callable, Dict, FrozenSet, List, Optional, Tuple, Union, cast

from quick_jobs.descriptions import description_of
from quick_jobs.durations import Duration, to_timedelta
from quick_jobs.ping_urls import check_url
from quick_jobs.schedules import Schedule, is_schedule, parse_schedule
from quick_jobs.signatures import is_async, problem_of

if TYPE_CHECKING:
    from quick_jobs.environment import RunEnv

    JobFunction = Callable[[RunEnv], object]

#: Characters of a job's name that the history keeps.
LONGEST_NAME = 255

_NO_INTERVAL = timedelta(0)
_NO_VARIANCE = timedelta(0)


class RegisteredJob:
    """A function with its schedule. It can be called like the function itself."""

    def __init__(
        self,
        func: JobFunction,
        interval: timedelta,
        variance: timedelta = _NO_VARIANCE,
        timeout: Optional[timedelta] = None,
        schedule: Optional[Schedule] = None,
        resume: bool = False,
        ping: Optional[str] = None,
    ) -> None:
        self._func = func
        self._name = _name_of(func)
        self._interval = interval
        self._variance = variance
        self._timeout = timeout
        self._is_async = is_async(func)
        self._schedule = schedule
        self._resume = resume
        self._ping = ping
        self._caller = ""
        self._import = _running_import()
        functools.update_wrapper(self, func, updated=())

    @property
    def name(self) -> str:
        """The dotted path of the function, like ``shop.jobs.send_emails``."""
        return self._name

    @property
    def description(self) -> str:
        """The first line of the function's docstring, in at most 255 characters, or ""."""
        return description_of(self._func)

    @property
    def is_async(self) -> bool:
        """Whether a call may return a coroutine: it is an ``async def`` or wraps one."""
        return self._is_async

    @property
    def interval(self) -> timedelta:
        """The least time from one start to the next; 0 for a job with a :attr:`schedule`."""
        return self._interval

    @property
    def variance(self) -> timedelta:
        """The most that is added at random to the interval, or to a time of the schedule."""
        return self._variance

    @property
    def timeout(self) -> Optional[timedelta]:
        """How long an execution may take, None for no limit."""
        return self._timeout

    @property
    def schedule(self) -> Optional[Schedule]:
        """The times at which it starts, None if it has an interval."""
        return self._schedule

    @property
    def resume(self) -> bool:
        """Whether the schedule continues over a restart of the runner."""
        return self._resume

    @property
    def ping(self) -> Optional[str]:
        """The URL that is fetched when it starts and ends, or None."""
        return self._ping

    @property
    def registered_in(self) -> str:
        """The module that was being imported when the function was registered."""
        return self._import[0] if self._import else self._func.__module__

    @property
    def places(self) -> FrozenSet[str]:
        """The modules to which the job belongs: those that register it, and the function's own."""
        return frozenset(filter(None, (self.registered_in, self._caller, self._func.__module__)))

    @property
    def is_current(self) -> bool:
        """Whether its module is still the one that was imported, and was not reloaded since."""
        # A module has a new spec each time it is loaded.
        module, spec = self._import or (self._func.__module__, None)
        return module in sys.modules and (
            not self._import or getattr(sys.modules[module], "__spec__", None) is spec
        )

    @property
    def location(self) -> str:
        """Where the function is defined, like ``/srv/shop/jobs.py, line 12``."""
        function: object = self._func
        with contextlib.suppress(ValueError):  # it is wrapped in itself
            function = inspect.unwrap(self._func)
        code = getattr(function, "__code__", None)
        if code is None:
            return f"module {self._func.__module__}"
        return f"{code.co_filename}, line {code.co_firstlineno}"

    def problem(self) -> Optional[str]:
        """Return why the job cannot be run, as the end of a sentence about it, or None."""
        if len(self.name) > LONGEST_NAME:
            return f"has a name of {len(self.name)} characters, at most {LONGEST_NAME} are possible"
        return problem_of(self._func)

    def __call__(self, env: RunEnv) -> object:
        return self._func(env)

    def __repr__(self) -> str:
        return f"<RegisteredJob {self.name}>"


def register_job(
    interval: Union[Duration, Schedule],
    variance: Optional[Duration] = None,
    timeout: Optional[Duration] = None,
    enabled: bool = True,
    *,
    resume: bool = False,
    ping: Optional[str] = None,
) -> Callable[[JobFunction], JobFunction]:
    """Run the function again ``interval`` plus a random part of ``variance`` after each start.

    Durations are numbers of seconds or ``timedelta``. ``interval`` may be a
    schedule instead, such as ``at("03:00")``: the function then runs at its
    times, each plus a random part of ``variance``. If an execution takes longer
    than ``timeout``, the runner stops with an error. With ``enabled=False`` the
    function is not registered. With ``resume=True`` the schedule continues over
    a restart of the runner. ``ping`` is a URL that the runner fetches when the
    job starts and ends. Raises TypeError and ValueError that name the argument
    and the function.
    """
    given, given_resume = cast(object, interval), cast(object, resume)
    schedule = cast(Schedule, given) if is_schedule(given) else None
    if callable(given) and schedule is None:
        raise TypeError(
            "@register_job needs an interval: write @register_job(interval), such as "
            f"@register_job(60), above {getattr(given, '__qualname__', given)}"
        )

    def decorator(func: JobFunction) -> JobFunction:
        function = func.__func__ if isinstance(func, staticmethod) else func
        name = _name_of(function)
        if not isinstance(given_resume, bool):
            shown = reprlib.repr(given_resume)
            raise TypeError(f"The resume of {name} must be True or False, not {shown}")
        if ping is not None:
            check_url(ping, f"The ping of {name}")
        job = RegisteredJob(
            function,
            interval=to_timedelta(
                cast(Duration, given) if schedule is None else _NO_INTERVAL,
                f"The interval of {name}",
                'a number of seconds, a timedelta or a schedule: at("03:00"), cron("0 3 * * *")',
            ),
            variance=to_timedelta(
                _NO_VARIANCE if variance is None else variance, f"The variance of {name}"
            ),
            timeout=None if timeout is None else to_timedelta(timeout, f"The timeout of {name}"),
            schedule=schedule,
            resume=given_resume,
            ping=ping,
        )
        if job.timeout == timedelta(0):
            raise ValueError(f"The timeout of {name} must be more than 0, not {timeout!r}")
        if not enabled:
            return func
        job._caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        _registered[name] = (*registered_as(name), job)
        return job

    return decorator


def registered_as(name: str) -> Tuple[RegisteredJob, ...]:
    """Return the jobs registered as ``name``. More than one is a mistake in a module.

    Loading a module again replaces its jobs.
    """
    return tuple(job for job in _registered.get(name, ()) if job.is_current)


def registered_jobs() -> List[RegisteredJob]:
    """Return all registered jobs, from any module."""
    return [job for jobs in list(_registered.values()) for job in jobs if job.is_current]


#: By name, including those that no module keeps as an attribute.
_registered: Dict[str, Tuple[RegisteredJob, ...]] = {}


def schedule_of(name: str, stored: str) -> Optional[Schedule]:
    """Return the schedule of the job ``name`` as it is registered, or else from its row.

    None for a job with an interval, and if ``stored`` is not of ``at`` or ``cron``.
    """
    registered = registered_as(name)
    return registered[-1].schedule if registered else parse_schedule(stored)


def _running_import() -> Optional[Tuple[str, object]]:
    """Return the innermost module that is being imported, with its spec, None if there is none."""
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            name = frame.f_globals.get("__name__")
            if name in sys.modules:  # not so for code that is run by exec(), as in test workers
                return str(name), frame.f_globals.get("__spec__")
        frame = frame.f_back
    return None


def _name_of(func: JobFunction) -> str:
    if isinstance(func, RegisteredJob):
        raise TypeError(f"{func.name} is a registered job already: use @register_job once")
    module, name = getattr(func, "__module__", None), getattr(func, "__name__", None)
    if inspect.isclass(func) or not callable(func) or not module or not name:
        raise TypeError(f"@register_job needs a function with a name, not {func!r}")
    return f"{module}.{name}"
