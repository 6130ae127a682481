"""What is logged and printed, in pieces as it comes, and as lines. Pure."""

from __future__ import annotations

import time
from typing import Collection, Dict, Iterable, List, NamedTuple, Optional, Tuple

#: When it came, as POSIX time; a level of logging or the name of a stream; the name of a logger,
#: or None of what was printed; and the text. A printed line has a piece or more, and "\n" ends it.
Piece = Tuple[float, str, Optional[str], str]

#: Bytes of a line before its text: the time, and a level or a stream ...
PREFIX = 22
#: ... and what a logged line has beside that and its logger's name.
LOGGED = 3


class Line(NamedTuple):
    """A printed line, or what was logged at once, which may have several lines."""

    created: float
    level: str
    logger: Optional[str]
    text: str

    def __str__(self) -> str:
        source = "" if self.logger is None else f"{self.logger}  "
        return f"{_time_of_day(self.created)} {self.level:<8} {source}{self.text}"

    @property
    def size(self) -> int:
        """How many bytes of UTF-8 it has, with its end."""
        source = 1 if self.logger is None else LOGGED + len(self.logger)
        return PREFIX + source + bytes_in(self.text)


def bytes_in(text: str) -> int:
    """Return how many bytes of UTF-8 ``text`` has."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def assembled(
    pieces: Iterable[Piece], within: Collection[str] = ()
) -> Tuple[List[Line], List[Line]]:
    """Return the lines that ``pieces`` make, and the ends of lines whose beginnings are missing.

    The latter are the first of the streams ``within``. Where such a line has no end
    yet, it is a line that begins with an ellipsis.
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
    if "\r" in text:  # what follows is written over what was, as by a progress bar
        text = text.rstrip("\r").rpartition("\r")[2]
    return Line(parts[0][0], stream, None, text)


def _time_of_day(created: float) -> str:
    """Return the time in the site's ``TIME_ZONE``, which Django makes the process's."""
    try:
        seconds, milliseconds = divmod(round(created * 1000), 1000)
        return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{milliseconds:03d}"
    except (ArithmeticError, OSError, TypeError, ValueError):  # somebody has set it
        return "??:??:??.???"
