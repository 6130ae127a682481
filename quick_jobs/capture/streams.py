"""Copies standard output and standard error for executions."""

from __future__ import annotations

import contextlib
import sys
from time import time
from typing import Any, Iterable, Iterator

from quick_jobs.capture.current import CURRENT

_current = CURRENT.get


class Tee:
    """Writes to ``stream``, and adds what was written to the capture of the context.

    Otherwise it behaves as ``stream``. Text that ``stream`` refuses raises, and is not captured.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> Any:
        written = self._stream.write(text)
        capture = _current()
        if capture is not None:
            capture.add(time(), self._name, None, text if type(text) is str else str.__str__(text))
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> Any:
        return self._stream.flush()

    @property
    def buffer(self) -> Any:
        return TeeBuffer(self._stream.buffer, self._name, self._stream)

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # of an incomplete copy
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    def __enter__(self) -> Tee:
        self._stream.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> Any:
        return self._stream.__exit__(*exc_info)


class TeeBuffer(Tee):
    """The same for bytes, decoded as ``text_stream`` encodes; other bytes are escaped."""

    def __init__(self, stream: Any, name: str, text_stream: Any) -> None:
        super().__init__(stream, name)
        self._text_stream = text_stream

    def write(self, data: Any) -> Any:
        written = self._stream.write(data)
        capture = _current()
        if capture is not None:
            encoding = getattr(self._text_stream, "encoding", None) or "utf-8"
            text = bytes(data).decode(encoding, "backslashreplace")
            capture.add(time(), self._name, None, text)
        return written


@contextlib.contextmanager
def teed(*names: str) -> Iterator[None]:
    """Replace these streams of ``sys``; one that is None, as without a terminal, stays None."""
    tees = {name: Tee(getattr(sys, name), name) for name in names if getattr(sys, name) is not None}
    for name, tee in tees.items():
        setattr(sys, name, tee)
    try:
        yield
    finally:
        for name, tee in tees.items():
            if getattr(sys, name) is tee:  # else other code has replaced it
                setattr(sys, name, tee._stream)
