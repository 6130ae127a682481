"""The modules in a package that may have jobs."""

from __future__ import annotations

import contextlib
import os
import pkgutil
from types import ModuleType
from typing import Iterator, List

#: Modules that are left out: the dependencies of tests may be missing in production, and the last
#: one runs a program.
_LEFT_ALONE = ("conftest", "test", "tests", "__main__")


def submodules(package: ModuleType) -> List[str]:
    """Return the dotted paths of the modules right in a package, sorted; none of a plain module.

    Tests are left out, and scripts with names that no import statement can have. Folders without
    an ``__init__.py`` count in a package that has none either, if they have modules.
    """
    folders = list(getattr(package, "__path__", ()))
    names = {info.name for info in pkgutil.iter_modules(folders)}
    if getattr(package, "__file__", None) is None:
        for folder in folders:
            names.update(_packages_without_init(folder))
    return [f"{package.__name__}.{name}" for name in sorted(names) if may_have_jobs(name)]


def may_have_jobs(name: str) -> bool:
    """Return whether a module or package of this name, without those around it, may have jobs."""
    is_test = name.startswith("test_") or name.endswith("_test")
    return name.isidentifier() and name not in _LEFT_ALONE and not is_test


def _packages_without_init(folder: str) -> Iterator[str]:
    with contextlib.suppress(OSError):  # a package in an archive
        for entry in os.scandir(folder):
            if entry.is_dir() and entry.name.isidentifier() and not entry.name.startswith("__"):
                files = (file for _, _, names in os.walk(entry.path) for file in names)
                if any(file.endswith(".py") for file in files):
                    yield entry.name
