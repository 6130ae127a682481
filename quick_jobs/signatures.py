"""Checks whether a function can be called as a job: with one argument, and to its end."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Iterator, List, Optional

from quick_jobs.compat import RUNS_ASYNC


def problem_of(func: Callable[..., object]) -> Optional[str]:
    """Return why the function cannot be run as a job, as the end of a sentence, or None."""
    if not RUNS_ASYNC and _is_async(_called(func)):
        return "is an async function, which does nothing when called: make it a plain def"
    if not RUNS_ASYNC and is_async(func):
        return (
            "is an async function, below a decorator: call it from a plain def with async_to_sync"
        )
    if _is_generator(func):
        return "is a generator function, which does nothing when called: do without yield"
    if _is_method(func):
        return (
            "is a method, which needs an object to be called on: make it a function, "
            f"or a @staticmethod that takes the RunEnv: def {func.__name__}(env)"
        )
    if not takes_one_argument(func):
        return f"must take one argument, the RunEnv: def {func.__name__}(env)"
    return None


def is_async(func: object) -> bool:
    """Return whether a call may return a coroutine: it is an ``async def`` or wraps one."""
    return any(map(_is_async, layers(func)))


def layers(func: object) -> Iterator[object]:
    """Return the callable, and one after the other those that it wraps."""
    seen: List[object] = []
    while func is not None and not any(func is each for each in seen):
        yield func
        seen.append(func)
        if isinstance(func, functools.partial):
            func = func.func
        elif inspect.ismethod(func):
            func = func.__func__
        elif (type(func).__module__, type(func).__name__) == ("asgiref.sync", "AsyncToSync"):
            return  # it runs the coroutine itself
        else:
            func = getattr(func, "__wrapped__", None)


def _called(func: Any) -> Any:
    """Return the function that a call reaches first."""
    while isinstance(func, functools.partial):
        func = func.func
    return func


def _is_async(func: Any) -> bool:
    return inspect.iscoroutinefunction(func) or (
        not inspect.isroutine(func) and inspect.iscoroutinefunction(type(func).__call__)
    )


def _is_generator(func: Any) -> bool:
    func = _called(func)
    candidates = [func] if inspect.isroutine(func) else [func, type(func).__call__]
    return any(
        inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in candidates
    )


def _is_method(func: Callable[..., object]) -> bool:
    """Return whether it is defined in a class, and called with an object or that class."""
    if not inspect.isfunction(func):
        return False
    try:
        function = inspect.unwrap(func, stop=_names_its_parameters)
        owner = getattr(function, "__qualname__", "").rpartition(".")[0]
        if not owner or owner.endswith("<locals>"):
            return False
        parameters = inspect.signature(function, follow_wrapped=False).parameters
    except (TypeError, ValueError):  # Python cannot tell
        return False
    return next(iter(parameters), "") in ("self", "cls")


def takes_one_argument(func: Callable[..., object]) -> bool:
    """Return whether ``func(env)`` fits the signature; True when Python cannot tell."""
    try:
        # A decorator's wrapper(*args, **kwargs) tells nothing; the function that it wraps does.
        named = inspect.unwrap(func, stop=_names_its_parameters)
        signature = inspect.signature(named, follow_wrapped=False)
    except (TypeError, ValueError):
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
