"""Imports run one way, as the table in CONTRIBUTING.md has it, and the table is complete."""

import ast
import functools
import itertools
import re

import pytest

from tests.site import ROOT

PACKAGE = ROOT / "quick_jobs"


def layers():
    """Return the modules and folders in each row of the table."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## The picture of modules")[1].partition("\n| --- | --- |\n")[2]
    return [re.findall(r"`(\w+)/?`", row.split("|")[1]) for row in table.splitlines()]


@functools.lru_cache(maxsize=None)
def modules():
    """Return the modules and packages, each with its files."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        found.setdefault(path.relative_to(PACKAGE).parts[0].replace(".py", ""), []).append(path)
    del found["__init__"], found["migrations"]  # the one is for others, the other is Django's
    return found


@functools.lru_cache(maxsize=None)
def imports(path):
    """Return the names that a file imports, those for the types' checker excepted."""
    names = []
    waiting = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif not (isinstance(node, ast.If) and ast.dump(node.test).count("'TYPE_CHECKING'")):
            waiting += ast.iter_child_nodes(node)
    return names


def imported_modules(path):
    """Return the modules of ours that a file imports from; of a package, only its name."""
    names = [name.split(".")[1] for name in imports(path) if name.startswith("quick_jobs.")]
    return modules().keys() & names


def test_the_table_has_every_module_once():
    assert sorted(name for layer in layers() for name in layer) == sorted(modules())


def test_modules_import_only_from_the_rows_above():
    files = modules()
    above = set()
    for layer in layers():
        for name in layer:
            for path in files[name]:
                wrong = imported_modules(path) - above - ({name} if len(files[name]) > 1 else set())
                assert not wrong, f"{path.name} imports from {wrong}"
        above.update(layer)


def test_the_package_itself_imports_no_models():
    below_models = itertools.takewhile(lambda layer: "models" not in layer, layers())
    above = {name for layer in below_models for name in layer}
    assert imported_modules(PACKAGE / "__init__.py") <= above


FOLDERS = sorted(name for name, paths in modules().items() if len(paths) > 1)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_modules_of_a_folder_do_not_import_each_other_in_a_circle(folder):
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in (PACKAGE / folder).rglob("*.py")
        if path.stem != "__init__"
    }
    left = {
        name: {other for other in files for each in imports(path) if each.startswith(f"{other}.")}
        for name, path in files.items()
    }
    while left:
        free = [name for name, needed in left.items() if not needed & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]
