"""Detects results of jobs whose code has not run: coroutines and generators."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any

_KINDS = (
    (Coroutine, "a coroutine", "run it, with async_to_sync() or asyncio.run()"),
    (AsyncGenerator, "an async generator", "iterate over it, or do without yield"),
    (Generator, "a generator", "iterate over it, or do without yield"),
)


def refuse_unfinished(result: Any) -> None:
    """Close a coroutine or generator that a job returned, and raise TypeError."""
    for kind, name, remedy in _KINDS:
        if _is_a(result, kind):
            error = TypeError(f"the job returned {name}, whose code is not run: {remedy}")
            try:
                _close(result)
            except BaseException as failure:
                raise error from failure
            raise error


def _is_a(result: Any, kind: type) -> bool:
    try:
        return issubclass(type(result), kind)  # isinstance() would evaluate a lazy object
    except BaseException:  # its metaclass is the job's code
        return False


def _close(result: Any) -> None:
    if not _is_a(result, AsyncGenerator):
        result.close()
        return
    closing = result.aclose()
    with contextlib.suppress(StopIteration, StopAsyncIteration):
        closing.send(None)
        closing.close()  # it awaits something, which needs an event loop
