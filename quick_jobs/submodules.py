"""The modules in a package, and the modules that a module's source imports."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import pkgutil
from types import ModuleType
from typing import Any, Iterator, List, Set

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
    return [f"{package.__name__}.{name}" for name in sorted(names) if _may_have_jobs(name)]


def _may_have_jobs(name: str) -> bool:
    is_test = name.startswith("test_") or name.endswith("_test")
    return name.isidentifier() and name not in _LEFT_ALONE and not is_test


def imported_modules(module: ModuleType) -> Set[str]:
    """Return the names that the module's own source imports: modules, or what is in them."""
    tree = ast.parse("")
    # A module may have no loader or source, or a source that has changed since it was imported.
    with contextlib.suppress(Exception):
        source = module.__spec__.loader.get_source(module.__name__)  # type: ignore[union-attr]
        tree = ast.parse(source or "")
    names: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.update(_with_packages_around(alias.name))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            names.update(_with_packages_around(base))
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _packages_without_init(folder: str) -> Iterator[str]:
    with contextlib.suppress(OSError):  # a package in an archive
        for entry in os.scandir(folder):
            if entry.is_dir() and entry.name.isidentifier() and not entry.name.startswith("__"):
                files = (file for _, _, names in os.walk(entry.path) for file in names)
                if any(file.endswith(".py") for file in files):
                    yield entry.name


def _with_packages_around(name: str) -> List[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _absolute(node: ast.ImportFrom, module: Any) -> str:
    name = "." * node.level + (node.module or "")
    with contextlib.suppress(ImportError, ValueError):  # beyond the top; never reached
        return importlib.util.resolve_name(name, module.__spec__.parent)
    return name
