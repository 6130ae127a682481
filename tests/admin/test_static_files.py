"""The admin's pages in a site whose static files have not been collected, or not all of them."""

import logging

import pytest
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage

from quick_jobs.admin import base, static_files
from tests.admin_pages import MODELS, make_executions, make_job, make_runner, page
from tests.site import ROOT

OURS = [*base.STYLES, base.SCRIPT]


@pytest.fixture
def rows(admin_client):
    job = make_job()
    (execution,) = make_executions(job, make_runner(job), outcome="failed", traceback="x")
    return {"job": job, "jobrunner": execution.runner, "jobexecution": execution}


@pytest.fixture
def collected(monkeypatch, settings, tmp_path):
    """Have a site in production, whose collected files are those with names that begin so."""
    settings.DEBUG = False
    static_files._tell.cache_clear()

    def collect(*beginnings, storage_class=ManifestStaticFilesStorage):
        storage = storage_class(location=str(tmp_path), base_url="/static/")
        names = (name for finder in get_finders() for name, _storage in finder.list([]))
        storage.hashed_files = {name: name for name in names if name.startswith(beginnings)}
        monkeypatch.setattr(staticfiles_storage, "_wrapped", storage)

    yield collect
    static_files._tell.cache_clear()


class Offended(ManifestStaticFilesStorage):
    """A site's own storage, with errors of its own."""

    def url(self, name, *args, **kwargs):
        if name not in self.hashed_files:
            raise LookupError(name)
        return super().url(name, *args, **kwargs)


def of_whitenoise():
    return pytest.importorskip("whitenoise.storage").CompressedManifestStaticFilesStorage


def pages(client, rows):
    for model in MODELS:
        yield page(client, f"{model}_changelist")
        yield page(client, f"{model}_change", rows[model].pk)
        yield page(client, f"{model}_delete", rows[model].pk)
    yield page(client, "timeline")


@pytest.mark.parametrize(
    "storage_class",
    [
        lambda: ManifestStaticFilesStorage,
        pytest.param(lambda: Offended, marks=pytest.mark.sweeps),
        pytest.param(of_whitenoise, marks=pytest.mark.sweeps),
    ],
    ids=["Django's", "own", "whitenoise"],
)
def test_pages_without_our_files_have_no_style_and_the_log_has_one_line(
    admin_client, rows, collected, caplog, storage_class
):
    collected("admin/", storage_class=storage_class())
    for html in pages(admin_client, rows):
        assert "/static/admin/css/base.css" in html
        assert "/static/quick_jobs/" not in html
    (record,) = told(caplog)
    assert record.levelno == logging.WARNING
    assert "run 'manage.py collectstatic'" in record.getMessage()
    assert all(name in record.getMessage() for name in OURS)


def test_a_file_that_is_there_is_linked_all_the_same(admin_client, rows, collected):
    collected("admin/", "quick_jobs/admin.js")
    for html in pages(admin_client, rows):
        assert "/static/quick_jobs/admin.css" not in html
        assert "/static/quick_jobs/admin.js" in html


def test_nothing_is_said_where_all_files_are_there(admin_client, rows, collected, caplog):
    collected("admin/", "quick_jobs/")
    for html in pages(admin_client, rows):
        assert all(f"/static/{name}" in html for name in OURS)
    assert told(caplog) == []


def told(caplog):
    return [record for record in caplog.records if record.name.startswith("quick_jobs")]


def test_our_templates_ask_for_no_file_themselves():
    """That would be an error where the file is missing: they are given addresses."""
    for path in (ROOT / "quick_jobs" / "templates").rglob("*.html"):
        assert "{% static" not in path.read_text("utf-8"), path
