from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from quick_jobs.management import source_files as module
from quick_jobs.management.source_files import source_files


@pytest.fixture
def files(tmp_path, monkeypatch, settings):
    """Write files of a project with the settings ``site.conf.live``; return which are found."""
    monkeypatch.setattr(module, "apps", SimpleNamespace(get_app_configs=list))

    def found(*names, settings_file="site/conf/live.py"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        settings_module = ModuleType("site.conf.live")
        settings_module.__file__ = str(tmp_path / settings_file)
        monkeypatch.setitem(sys.modules, "site.conf.live", settings_module)
        settings.SETTINGS_MODULE = "site.conf.live"
        return {os.path.relpath(path, str(tmp_path)) for path in source_files()}

    return found


def test_python_files_are_found_where_the_settings_are_imported_from(files):
    assert files("manage.py", "shop/jobs.py", "shop/a.txt") == {"manage.py", "shop/jobs.py"}


def test_settings_may_be_a_package(files):
    assert files("manage.py", settings_file="site/conf/live/__init__.py") == {"manage.py"}


@pytest.mark.parametrize("place", [".tox", "node_modules", "site-packages", "a/__pycache__"])
def test_code_that_nobody_edits_is_left_out(files, place):
    assert files("manage.py", f"{place}/b/c.py") == {"manage.py"}


def test_a_virtual_environment_is_left_out_by_any_name(files):
    assert files("manage.py", "env/pyvenv.cfg", "env/lib/a.py") == {"manage.py"}


def test_apps_elsewhere_are_found_unless_they_are_installed(files, tmp_path, monkeypatch):
    paths = [tmp_path / "lib" / "site-packages" / "other", tmp_path.parent / "elsewhere"]
    configs = [SimpleNamespace(path=str(path)) for path in paths]
    monkeypatch.setattr(module, "apps", SimpleNamespace(get_app_configs=lambda: configs))
    found = files("lib/site-packages/other/a.py", "../elsewhere/b.py")
    assert found == {os.path.join("..", "elsewhere", "b.py")}


def test_a_change_is_seen(files, tmp_path):
    files("manage.py")
    before = source_files()
    os.utime(str(tmp_path / "manage.py"), ns=(1, 1))
    assert source_files() != before
