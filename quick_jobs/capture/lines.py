"""Pieces of what is logged and printed, and the lines that they make. Pure."""

from __future__ import annotations

import time
from typing import Collection, Dict, Iterable, List, NamedTuple, Optional, Tuple

#: The time, as POSIX time; a level of logging or the name of a stream; the name of a logger, None
#: for printed text; and the text. A printed line has one piece or more, and ends with "\n".
Piece = Tuple[float, str, Optional[str], str]

#: Bytes of a line before its text: the time, and a level or a stream ...
PREFIX = 22
#: ... and the bytes that a logged line has besides these and its logger's name.
LOGGED = 3


class Line(NamedTuple):
    """A printed line, or a log record, which may have several lines."""

    created: float
    level: str
    logger: Optional[str]
    text: str

    def __str__(self) -> str:
        source = "" if self.logger is None else f"{self.logger}  "
        return f"{_time_of_day(self.created)} {self.level:<8} {source}{self.text}"

    @property
    def size(self) -> int:
        """Bytes in UTF-8, including the end of the line."""
        source = 1 if self.logger is None else LOGGED + len(self.logger)
        return PREFIX + source + bytes_in(self.text)


def bytes_in(text: str) -> int:
    """Return the number of bytes that ``text`` has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def assembled(
    pieces: Iterable[Piece], within: Collection[str] = ()
) -> Tuple[List[Line], List[Line]]:
    """Return the lines that ``pieces`` make, and the rests of lines whose beginnings are missing.

    The latter come first in each of the streams ``within``. A rest that has no end
    yet is a line that begins with an ellipsis.
    """
    lines: List[Line] = []
    skipped: List[Line] = []
    streams: Dict[str, List[Tuple[float, str]]] = {}
    within = set(within)
    for created, level, logger, text in pieces:
        if logger is not None:
            lines.append(Line(created, level, logger, text))
            continue
        open_line = streams.setdefault(level, [])
        *ended, rest = text.split("\n")
        for each in ended:
            open_line.append((created, each))
            (skipped if level in within else lines).append(_joined(level, open_line))
            within.discard(level)
            open_line.clear()
        if rest:
            open_line.append((created, rest))
    for level, open_line in streams.items():
        if open_line:
            line = _joined(level, open_line)
            lines.append(line._replace(text=f"…{line.text}") if level in within else line)
    return lines, skipped


def _joined(stream: str, parts: List[Tuple[float, str]]) -> Line:
    text = "".join([part for _, part in parts])
    if "\r" in text:  # what follows overwrites the line, as a progress bar does
        text = text.rstrip("\r").rpartition("\r")[2]
    return Line(parts[0][0], stream, None, text)


def _time_of_day(created: float) -> str:
    """Return the time in the site's ``TIME_ZONE``, which Django makes the process's."""
    try:
        seconds, milliseconds = divmod(round(created * 1000), 1000)
        return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{milliseconds:03d}"
    except (ArithmeticError, OSError, TypeError, ValueError):  # somebody has set it
        return "??:??:??.???"
