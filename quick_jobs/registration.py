"""``register_job``, which makes a function a job, and what is known of a job."""

from __future__ import annotations

import functools
import inspect
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple

from quick_jobs.durations import Duration, to_timedelta

if TYPE_CHECKING:
    from quick_jobs.environment import RunEnv

    JobFunction = Callable[[RunEnv], object]

#: As many characters as the history keeps of a job's name.
LONGEST_NAME = 255

_NO_VARIANCE = timedelta(0)


class RegisteredJob:
    """A function with its schedule; to be called like the function itself."""

    def __init__(
        self,
        func: JobFunction,
        interval: timedelta,
        variance: timedelta = _NO_VARIANCE,
        timeout: Optional[timedelta] = None,
    ) -> None:
        self._func = func
        self._name = _name_of(func)
        self._interval = interval
        self._variance = variance
        self._timeout = timeout
        # A module has a new spec each time it is loaded.
        self._load = getattr(sys.modules.get(func.__module__), "__spec__", None)
        functools.update_wrapper(self, func, updated=())

    @property
    def name(self) -> str:
        """The dotted path of the function, like ``shop.jobs.send_emails``."""
        return self._name

    @property
    def interval(self) -> timedelta:
        """The least time from one start to the next."""
        return self._interval

    @property
    def variance(self) -> timedelta:
        """The most that chance adds to the interval."""
        return self._variance

    @property
    def timeout(self) -> Optional[timedelta]:
        """How long an execution may take, or None: as long as it likes."""
        return self._timeout

    @property
    def location(self) -> str:
        """Where the function is written, like ``/srv/shop/jobs.py, line 12``."""
        code = getattr(inspect.unwrap(self._func), "__code__", None)
        if code is None:
            return f"module {self._func.__module__}"
        return f"{code.co_filename}, line {code.co_firstlineno}"

    def problem(self) -> Optional[str]:
        """Return why the job cannot be run, as the end of a sentence about it, or None."""
        if len(self.name) > LONGEST_NAME:
            return f"has a name of {len(self.name)} characters, at most {LONGEST_NAME} are possible"
        if inspect.iscoroutinefunction(self._func):
            return "is an async function, which does nothing when called: make it a plain def"
        if inspect.isgeneratorfunction(self._func) or inspect.isasyncgenfunction(self._func):
            return "is a generator function, which does nothing when called: do without yield"
        if not _takes_one_argument(self._func):
            return f"must take one argument, the RunEnv: def {self._func.__name__}(env)"
        return None

    def __call__(self, env: RunEnv) -> object:
        return self._func(env)

    def __repr__(self) -> str:
        return f"<RegisteredJob {self.name}>"


def register_job(
    interval: Duration,
    variance: Optional[Duration] = None,
    timeout: Optional[Duration] = None,
    enabled: bool = True,
) -> Callable[[JobFunction], JobFunction]:
    """Have the function run again ``interval`` plus a random part of ``variance`` after each start.

    Durations are numbers of seconds or ``timedelta``. When an execution takes
    longer than ``timeout``, the runner stops with an error. With
    ``enabled=False`` the function stays what it is. Raises TypeError and
    ValueError that name the argument and the function.
    """
    if callable(interval):
        raise TypeError(
            "@register_job needs an interval: write @register_job(interval), such as "
            f"@register_job(60), above {getattr(interval, '__qualname__', interval)}"
        )

    def decorator(func: JobFunction) -> JobFunction:
        name = _name_of(func)
        job = RegisteredJob(
            func,
            interval=to_timedelta(interval, f"The interval of {name}"),
            variance=to_timedelta(
                _NO_VARIANCE if variance is None else variance, f"The variance of {name}"
            ),
            timeout=None if timeout is None else to_timedelta(timeout, f"The timeout of {name}"),
        )
        if job.timeout == timedelta(0):
            raise ValueError(f"The timeout of {name} must be more than 0, not {timeout!r}")
        if not enabled:
            return func
        _remember(job)
        return job

    return decorator


def registered_as(name: str) -> Tuple[RegisteredJob, ...]:
    """Return the jobs registered as ``name``: more than one is a mistake in its module.

    Loading a module again replaces its jobs.
    """
    return _registered.get(name, ())


#: By name. It keeps those that vanish from their module because a second function there has the
#: same name.
_registered: Dict[str, Tuple[RegisteredJob, ...]] = {}


def _remember(job: RegisteredJob) -> None:
    same_load = (each for each in registered_as(job.name) if each._load is job._load)
    _registered[job.name] = (*same_load, job)


def _name_of(func: JobFunction) -> str:
    if isinstance(func, RegisteredJob):
        raise TypeError(f"{func.name} is a registered job already: use @register_job once")
    module, name = getattr(func, "__module__", None), getattr(func, "__name__", None)
    if inspect.isclass(func) or not callable(func) or not module or not name:
        raise TypeError(f"@register_job needs a function with a name, not {func!r}")
    return f"{module}.{name}"


def _takes_one_argument(func: Callable[..., object]) -> bool:
    """Return whether ``func(env)`` fits the signature; True when Python cannot tell."""
    try:
        # A decorator's wrapper(*args, **kwargs) tells nothing; the function that it wraps does.
        named = inspect.unwrap(func, stop=_names_its_parameters)
        signature = inspect.signature(named, follow_wrapped=False)
    except ValueError:
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _names_its_parameters(func: Callable[..., object]) -> bool:
    parameters = inspect.signature(func, follow_wrapped=False).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(parameter.kind not in variadic for parameter in parameters)
