"""Static files that may be missing: a page without style is better than no page.

With hashed names, as of ``ManifestStaticFilesStorage``, Django raises an error for the address of
a file that ``collectstatic`` has not collected.
"""

from __future__ import annotations

import functools
import logging
from typing import List, Sequence, Tuple

from django.forms import Media
from django.templatetags.static import static

logger = logging.getLogger(__name__)


def served(paths: Sequence[str]) -> List[str]:
    """Return those of ``paths`` that have an address; log once which have none."""
    found, missing, causes = [], [], []
    for path in paths:
        try:
            static(path)
        except Exception as error:  # a site's own storage may raise anything
            missing.append(path)
            causes.append(f"{type(error).__name__}: {error}")
        else:
            found.append(path)
    if missing:
        _tell(tuple(missing), causes[0])
    return found


def styles(path: str) -> Media:
    """Return the style sheet ``path`` for a page, or nothing if it has no address."""
    return Media(css={"all": served([path])})


def scripts(path: str) -> Media:
    """Return the script ``path`` for a page, or nothing if it has no address."""
    return Media(js=served([path]))


def url_of(path: str) -> str:
    """Return the address of ``path``, or an empty text if it has none."""
    return static(path) if served([path]) else ""


@functools.lru_cache(maxsize=None)  # once in a process: nothing changes until it is restarted
def _tell(missing: Tuple[str, ...], cause: str) -> None:
    logger.warning(
        "the admin's pages of quick_jobs lack %s; run 'manage.py collectstatic' and restart (%s)",
        ", ".join(missing),
        cause,
    )
