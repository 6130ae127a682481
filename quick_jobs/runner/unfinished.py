"""Results that show that a job's code has not run: coroutines and generators."""

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
    """Raise TypeError if what a job has returned is code that waits to be run, and close that."""
    for kind, name, remedy in _KINDS:
        # isinstance() would evaluate a lazy object.
        if issubclass(type(result), kind):
            error = TypeError(f"the job returned {name}, whose code is not run: {remedy}")
            try:
                _close(result)
            except Exception as failure:
                raise error from failure
            raise error


def _close(result: Any) -> None:
    if not issubclass(type(result), AsyncGenerator):
        result.close()
        return
    closing = result.aclose()
    with contextlib.suppress(StopIteration, StopAsyncIteration):
        closing.send(None)
        closing.close()  # it awaits something, for which there is no event loop here
