"""The capture that gets what is logged and printed in the current context."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Optional

from quick_jobs.capture.captured import Capture

CURRENT: ContextVar[Optional[Capture]] = ContextVar("quick_jobs_capture", default=None)


class Capturing:
    """Makes ``capture`` keep what is logged and printed in this context; None keeps nothing.

    For a ``with`` statement. Unlike contextlib, it does not touch an exception that passes
    through: a job's exception may be hostile.
    """

    __slots__ = ("_capture", "_token")

    def __init__(self, capture: Optional[Capture]) -> None:
        self._capture = capture
        self._token: Optional[Token[Optional[Capture]]] = None

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._capture)

    def __exit__(self, *exc_info: object) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
