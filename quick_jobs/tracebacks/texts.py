"""Texts that every database can store."""

from __future__ import annotations


def storable(text: str, limit: int) -> str:
    """Return ``text`` in a form that every database accepts, in at most ``limit`` bytes of UTF-8.

    NUL and lone surrogates are escaped. A text that is too long keeps both ends:
    one has the cause, the other the place.
    """
    data = text.encode("utf-8", "backslashreplace").replace(b"\0", b"\\x00")
    if len(data) > limit:
        notice = f"\n… {len(data) - limit} bytes and more left out …\n".encode()
        half = (limit - len(notice)) // 2
        data = data[:half] + notice + data[-half:]
    return data.decode("utf-8", "ignore")
