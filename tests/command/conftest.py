import sys

import pytest


@pytest.fixture
def import_here(monkeypatch, settings):
    """Let the tests' process have apps of a site, for what needs no process of its own.

    Their modules are forgotten in the end.
    """
    sites = []

    def import_here(site, *apps):
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # other sites have the same names
        monkeypatch.syspath_prepend(str(site.path))
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, *apps]
        sites.append(str(site.path))

    yield import_here
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(tuple(sites)):
            del sys.modules[name]
