"""Finds the jobs that a module holds, and wrappers that hide a job.

A job that a module keeps in a list, in a class or not at all is run as it is. A job is hidden if it
can only be reached through another callable, such as the wrapper that a decorator above
``@register_job`` returns: without the wrapper it would not do what its module says.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import deque
from types import FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from quick_jobs.registration import RegisteredJob
from quick_jobs.signatures import layers, takes_one_argument

#: Values that are searched, at most: a module may hold much that has nothing to do with jobs.
_MOST_OBJECTS = 20_000

_BELOW_A_DECORATOR = (
    "is below another decorator, which would be ignored: put @register_job above all others"
)


def is_job(value: object) -> bool:
    """Return whether it is a job. Unlike isinstance(), this does not evaluate lazy objects."""
    return issubclass(type(value), RegisteredJob)


def attributes_that_are_jobs(module: ModuleType) -> Iterator[RegisteredJob]:
    """Return the jobs that are attributes of the module, even if registered elsewhere."""
    for value in list(vars(module).values()):
        if is_job(value):
            yield value


def job_at(path: str) -> Optional[RegisteredJob]:
    """Return the job that an imported module, or a class in it, has at this path, or None."""
    parts = path.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:count]))
        if module is not None:
            value: Any = _value_at(module, parts[count:])
            return value if is_job(value) else None
    return None


def job_below(value: object) -> Optional[RegisteredJob]:
    """Return the job that ``value`` wraps, or None."""
    found: Iterator[Any] = (each for each, _ in _reachable([value], ""))
    return next(filter(is_job, found), None)


class Holders:
    """Finds where jobs are held. Each module is searched only once."""

    def __init__(self) -> None:
        self._attributes: Dict[str, Set[int]] = {}
        self._held: Dict[str, Tuple[Set[int], Set[int]]] = {}

    def what_hides(self, job: RegisteredJob) -> Optional[str]:
        """Return what hides the job in its module, as the end of a sentence about it, or None."""
        modules = [sys.modules[name] for name in sorted(job.places) if name in sys.modules]
        if any(id(job) in self._attributes_of(module) for module in modules):
            return None
        own = _value_at_its_def(job)
        if issubclass(type(own), type):
            return None  # a decorator of a class made the job, and returned the class
        if not is_job(own) and job_below(own) is job:
            return _BELOW_A_DECORATOR
        held = [self._held_in(module) for module in modules]
        if any(id(job) in as_it_is for as_it_is, _ in held):
            return None
        if any(id(job) in wrapped for _, wrapped in held):
            return _BELOW_A_DECORATOR
        if own is None or is_job(own) or any(own is layer for layer in layers(job)):
            return None
        return (
            "is replaced in its module by something else of its name: if a decorator does so, put "
            "@register_job above it; otherwise give one of the two another name"
        )

    def _attributes_of(self, module: ModuleType) -> Set[int]:
        """Return the ids of the jobs that are attributes of the module."""
        if module.__name__ not in self._attributes:
            self._attributes[module.__name__] = set(map(id, attributes_that_are_jobs(module)))
        return self._attributes[module.__name__]

    def _held_in(self, module: ModuleType) -> Tuple[Set[int], Set[int]]:
        """Return the ids of the jobs that are held directly, and of those in wrappers."""
        if module.__name__ not in self._held:
            values = [value for name, value in list(vars(module).items()) if name[:2] != "__"]
            held: Tuple[Set[int], Set[int]] = (set(), set())
            for value, is_wrapped in _reachable(values, module.__name__):
                if is_job(value):
                    held[is_wrapped].add(id(value))
            self._held[module.__name__] = held
        return self._held[module.__name__]


def _value_at_its_def(job: RegisteredJob) -> object:
    """Return what is now at the place where a ``def`` has put the function, or None."""
    path = getattr(job, "__qualname__", "").split(".")
    module = sys.modules.get(job.__module__)
    if module is None or path[-1] != job.name.rpartition(".")[2]:
        return None
    return _value_at(module, path)


def _value_at(module: ModuleType, path: Sequence[str]) -> object:
    value: Any = module
    for name in path:
        if not issubclass(type(value), (ModuleType, type)):
            return None
        value = vars(value).get(name)
        if issubclass(type(value), (staticmethod, classmethod)):
            value = value.__func__
    return value


def _reachable(values: Iterable[object], module: str) -> Iterator[Tuple[object, bool]]:
    """Return everything that the values hold, and whether it is behind a callable.

    Objects that are reached both ways first come without a callable. Only classes of ``module`` are
    searched, and no containers behind a callable: a wrapper holds its job directly, while a
    decorator that keeps a list of registered functions holds the list.
    """
    seen: Dict[int, object] = {}
    as_they_are: Deque[object] = deque(values)
    wrapped: Deque[object] = deque()
    while (as_they_are or wrapped) and len(seen) < _MOST_OBJECTS:
        is_wrapped = not as_they_are
        value = (wrapped if is_wrapped else as_they_are).popleft()
        if id(value) in seen or issubclass(type(value), ModuleType):
            continue
        seen[id(value)] = value
        yield value, is_wrapped
        try:
            if not is_wrapped:
                as_they_are.extend(_contents(value, module))
            wrapped.extend(_wrapped(value))
        except (Exception, GeneratorExit, SystemExit):
            continue  # an object whose own code raises when it is inspected holds no job


def _contents(value: Any, module: str) -> List[object]:
    kind = type(value)
    if issubclass(kind, (dict, MappingProxyType)):
        return list(value.values())
    if issubclass(kind, (list, tuple, set, frozenset, deque)):
        return list(value)
    if issubclass(kind, (staticmethod, classmethod)):
        return [value.__func__]
    if issubclass(kind, type):
        return list(_stored("__dict__", value).values()) if _is_of(value, module) else []
    if issubclass(kind, SimpleNamespace) or (_is_of(kind, module) and not callable(value)):
        return _attributes(value)
    return []


def _wrapped(value: Any) -> List[object]:
    """Return what a callable calls, as far as that can be seen."""
    kind = type(value)
    if issubclass(kind, (RegisteredJob, type)):
        return []
    if issubclass(kind, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if issubclass(kind, property):
        return [value.fget]
    if issubclass(kind, MethodType):
        return [value.__func__, value.__self__]
    if issubclass(kind, FunctionType):
        if not takes_one_argument(value):
            return []  # it may call a job, but does not wrap one
        cells = []
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # not filled yet
                cells.append(cell.cell_contents)
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [*cells, *defaults, vars(value).get("__wrapped__")]
    return _attributes(value) if callable(value) else []


def _attributes(value: object) -> List[object]:
    found: List[object] = []
    with contextlib.suppress(Exception):
        found += object.__getattribute__(value, "__dict__").values()
    for kind in _stored("__mro__", type(value)):
        slots = _stored("__dict__", kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with contextlib.suppress(Exception):
                found.append(object.__getattribute__(value, name))
    return found


def _is_of(kind: type, module: str) -> bool:
    return bool(_stored("__module__", kind) == module)


def _stored(name: str, kind: type) -> Any:
    """Return what Python itself stores of a class, without calling its metaclass."""
    return type.__dict__[name].__get__(kind)
