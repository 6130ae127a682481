"""Keeps the first and the last pieces of a log, in a limited number of bytes. Pure."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import Deque, Iterable, List, NamedTuple, Set

from quick_jobs.capture.lines import LOGGED, PREFIX, Line, Piece, assembled, bytes_in

# Bytes that are kept free for the line about what was left out.
_FOR_NOTICE = 64

# Pieces of fewer bytes than this on average, such as dots, are merged: each piece takes about
# 150 bytes of memory on top of its text.
_SMALL = 8


class _Chunk(NamedTuple):
    """Pieces that came together. They are dropped together, which costs less than one by one."""

    pieces: List[Piece]
    size: int
    lines: int


class BoundedPieces:
    """The first and the last pieces that were added: ``limit`` bytes of lines, and one chunk more.

    The text of a piece may have at most :attr:`longest` bytes.
    """

    def __init__(self, limit: int) -> None:
        self.longest = limit // 2 - 2 * _FOR_NOTICE
        self._limit = limit
        self._head: List[Piece] = []
        self._head_room = limit // 2
        self._head_is_full = False
        self._open: Set[str] = set()  # streams whose last line in the head has no end
        self._tail: Deque[_Chunk] = deque()
        self._tail_size = 0
        self._left_out_lines = 0
        self._left_out_size = 0
        self._within: Set[str] = set()  # streams that are left out up to the middle of a line

    def add(self, pieces: List[Piece]) -> None:
        """Add a chunk of ``pieces``; if there is no room, drop those before them."""
        chunk = _chunk(pieces)
        if chunk.size < _SMALL * len(pieces):
            chunk = _chunk(_merged(pieces))
        if not self._head_is_full:
            if chunk.size <= self._head_room:
                self._head += chunk.pieces
                self._head_room -= chunk.size
                _note_ends(chunk.pieces, self._open)
                return
            chunk = _chunk(chunk.pieces[self._fill_head(chunk.pieces) :])
            if not chunk.pieces:
                return
        self._tail.append(chunk)
        self._tail_size += chunk.size
        least = self._limit - max(0, self._limit // 2 - self._head_room)
        while self._tail_size - self._tail[0].size >= least:
            self._leave_out(self._tail.popleft())

    def _fill_head(self, pieces: List[Piece]) -> int:
        """Add pieces to the head while there is room, up to a line's end; return how many."""
        for number, piece in enumerate(pieces):
            size = _chunk([piece]).size
            is_end = self._head_room < size and not self._open
            if is_end or self._head_room + self._limit // 8 < size:
                self._head_is_full = True
                return number
            self._head.append(piece)
            self._head_room -= size
            _note_ends([piece], self._open)
        return len(pieces)

    def _leave_out(self, chunk: _Chunk) -> None:
        self._tail_size -= chunk.size
        self._left_out_lines += chunk.lines
        self._left_out_size += chunk.size
        _note_ends(chunk.pieces, self._within)

    def lines(self) -> List[str]:
        """Return the lines, with a notice where some are left out."""
        tail_pieces = chain.from_iterable(chunk.pieces for chunk in self._tail)
        count, size = self._left_out_lines, self._left_out_size
        if size:
            head = assembled(self._head)[0]
            tail, skipped = assembled(tail_pieces, self._within)
            count += len(skipped)
            size += _size(skipped)
        else:
            tail, _ = assembled(chain(self._head, tail_pieces))
            if _size(tail) <= self._limit:
                return [str(line) for line in tail]
            head = _first(tail, self._limit // 2)
            tail = tail[len(head) :]
        last = _first(reversed(tail), self._limit - _FOR_NOTICE - _size(head)) or tail[-1:]
        gone = tail[: len(tail) - len(last)]
        count += sum(1 + line.text.count("\n") for line in gone)
        size += _size(gone)
        notice = [left_out(count, size)] if size else []
        return [*map(str, head), *notice, *map(str, reversed(last))]


def _chunk(pieces: List[Piece]) -> _Chunk:
    text = "".join([piece[3] for piece in pieces])
    loggers = [piece[2] for piece in pieces if piece[2] is not None]
    lines = text.count("\n") + len(loggers)
    size = bytes_in(text) + PREFIX * lines + LOGGED * len(loggers) + sum(map(len, loggers))
    return _Chunk(pieces, size, lines)


def _merged(pieces: List[Piece]) -> List[Piece]:
    """Return ``pieces``, with neighbours that belong to the same line merged."""
    merged: List[Piece] = []
    for piece in pieces:
        created, stream, logger, text = merged[-1] if merged else piece
        belongs = logger is piece[2] is None and stream == piece[1] and not text.endswith("\n")
        if merged and belongs:
            merged[-1] = (created, stream, None, text + piece[3])
        else:
            merged.append(piece)
    return merged


def _note_ends(pieces: List[Piece], within: Set[str]) -> None:
    """Update ``within``: the streams that are in the middle of a line after ``pieces``."""
    for stream, text in {piece[1]: piece[3] for piece in pieces if piece[2] is None}.items():
        if text.endswith("\n"):
            within.discard(stream)
        else:
            within.add(stream)


def _first(lines: Iterable[Line], room: int) -> List[Line]:
    """Return the first of ``lines``, as many as there is ``room`` for."""
    found: List[Line] = []
    for line in lines:
        room -= line.size
        if room < 0:
            break
        found.append(line)
    return found


def _size(lines: Iterable[Line]) -> int:
    return sum(line.size for line in lines)


def left_out(lines: int, size: int) -> str:
    """Return the notice that ``lines`` lines of ``size`` bytes are left out."""
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    shown = f"{amount:.1f}" if amount < 9.95 and unit != "bytes" else f"{amount:.0f}"
    if not lines:  # a part of a line
        return f"… {shown} {unit} left out …"
    return f"… {lines:,} {'line' if lines == 1 else 'lines'} ({shown} {unit}) left out …"
