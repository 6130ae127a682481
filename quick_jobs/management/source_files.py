"""The project's own Python files, with the times of their last changes."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Dict, Iterator, Set

from django.apps import apps
from django.conf import settings

# Directories with the code of others, which nobody edits, and which may be large.
_OTHERS = frozenset(("site-packages", "dist-packages", "node_modules", "__pycache__"))


def source_files() -> Dict[str, int]:
    """Return the path of each ``*.py`` of the project, with the nanosecond of its last change.

    They are searched below the directory from which the settings are imported, and below those
    of the installed apps, without virtual environments, installed packages and hidden
    directories.
    """
    found: Dict[str, int] = {}
    for root in _roots():
        for path in _python_files(root):
            with contextlib.suppress(OSError):  # it has just been removed
                found[path] = os.stat(path).st_mtime_ns
    return found


def _roots() -> Set[str]:
    places = {os.path.abspath(config.path) for config in apps.get_app_configs()}
    # Without a module they were made by settings.configure().
    name = getattr(settings, "SETTINGS_MODULE", None)
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    if name and file:
        # /srv/site/shop/settings.py, imported as shop.settings, comes from /srv/site.
        place, _ = os.path.splitext(os.path.abspath(file))
        if os.path.basename(place) == "__init__":
            place = os.path.dirname(place)
        for _ in name.split("."):
            place = os.path.dirname(place)
        places.add(place)
    return {place for place in places if _OTHERS.isdisjoint(place.split(os.sep))}


def _python_files(root: str) -> Iterator[str]:
    for directory, directories, names in os.walk(root):
        if "pyvenv.cfg" in names:
            directories.clear()
            continue
        directories[:] = [
            name for name in directories if not name.startswith(".") and name not in _OTHERS
        ]
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(directory, name)
