"""What a job reports: its progress and a note."""

from __future__ import annotations

import math
import sys
from typing import Any, Optional, Tuple

# Characters of a note in memory: enough for a filter to recognize a secret at the end of what is
# stored.
_LONGEST_NOTE = 4096

#: How much is done, and the total, if that is known.
Reached = Tuple[float, Optional[float]]


def as_floats(reached: Optional[Reached]) -> Tuple[Optional[float], Optional[float]]:
    """Return what is done and the total, as stored; None for what is not known."""
    done, total = reached or (None, None)
    return _as_float(done), _as_float(total)


def _as_float(value: Optional[float]) -> Optional[float]:
    try:
        return None if value is None else float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return sys.float_info.max


def amount(value: Any, name: str) -> float:
    """Return ``value``, which a job gave for ``name``, as a float: finite, 0 or more.

    Raises TypeError if it is not a number, and ValueError for other numbers.
    """
    wrong = f"{name} must be a number, 0 or more, not {_shown(value)}"
    if isinstance(value, (bool, str, bytes, bytearray)):
        raise TypeError(wrong)
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(wrong) from None
    except TypeError:
        raise TypeError(wrong) from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(wrong)
    return number


def _shown(value: object) -> str:
    try:
        return repr(value)[:100]
    except ValueError:  # a whole number with too many digits
        return f"a {type(value).__name__}"


def length_of(iterable: Any) -> Optional[int]:
    """Return the number of items, None if it is only known at the end.

    A queryset fetches its rows for this, and keeps them for the iteration.
    """
    try:
        return len(iterable)
    except TypeError:
        return None


def as_note(text: object) -> str:
    """Return ``str(text)`` on one line. Exceptions of ``str()`` pass through."""
    words = str.__str__(str(text))[:_LONGEST_NOTE].split()
    return " ".join(words)
