"""Whose lines those are that are logged and printed just now: a matter of the context."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Optional

from quick_jobs.capture.captured import Capture

CURRENT: ContextVar[Optional[Capture]] = ContextVar("quick_jobs_capture", default=None)


class Capturing:
    """Has ``capture`` keep what is logged and printed in this context; None: nobody.

    For a ``with`` statement. It does not touch an exception that passes through, as contextlib
    does: those of jobs may be hostile.
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
