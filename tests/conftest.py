import compileall
import gc
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management.commands import flush
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from tests.site import ROOT, Site, wait_until
from tests.turns import turns

__all__ = ["wait_until"]

#: The folders whose tests start processes, all of them.
FOLDERS_WITH_PROCESSES = {
    Path(__file__).parent / name for name in ("browser", "celery", "command", "faults")
}
#: What ``-m`` says for the tests that a contributor runs after each change.
WITHOUT_PROCESSES = "not processes"
#: Markers of what runs only where it is asked for.
ON_REQUEST = ("browser", "celery", "faults", "sweeps")


def pytest_addoption(parser):
    parser.addoption("--sweeps", action="store_true", help="run the tests marked `sweeps` as well")


def pytest_configure(config):
    """Prepare this process: a worker, the one that gives tests to workers, or the only one."""
    # Keep the compiled tests, even if the environment says otherwise: compiling them takes each
    # worker two seconds.
    sys.dont_write_bytecode = False
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        # Once, for the processes that tests start: they write no bytecode, and only read it.
        compileall.compile_dir(str(ROOT / "quick_jobs"), quiet=2)
    if is_worker or not config.getoption("numprocesses", None):
        set_up_hypothesis(100 if config.option.markexpr != WITHOUT_PROCESSES else 20)
    if config.getoption("dist", "no") == "load":  # what -n means
        # A worker that has nothing left to do takes what others have not begun.
        config.option.dist = "worksteal"


def set_up_hypothesis(max_examples):
    """Try ``max_examples`` of each rule, in what time they take.

    That says more about the machine than about the code. Hypothesis is imported here, as that
    takes a second: the process that gives tests to workers does without it.
    """
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "quick_jobs",
        max_examples=max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
    settings.load_profile("quick_jobs")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Return how many workers ``-n auto`` makes: more than processors, as many tests wait."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # what pytest-xdist itself answers
    processors = os.cpu_count() or 1
    return processors + 1 if config.option.markexpr == WITHOUT_PROCESSES else 2 * processors


def pytest_ignore_collect(collection_path, config):
    """Do not even import tests with processes where ``-m`` leaves them all out."""
    if config.option.markexpr == WITHOUT_PROCESSES and collection_path in FOLDERS_WITH_PROCESSES:
        return True
    return None  # what pytest itself answers


def pytest_itemcollected(item):
    if not FOLDERS_WITH_PROCESSES.isdisjoint(item.path.parents):
        item.add_marker("processes")
    if re.search(r" at 0x[0-9a-f]+", item.nodeid):
        raise pytest.UsageError(f"each worker would name it differently: {item.nodeid}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what nobody asked for; put what must be alone last, where few have to wait."""
    is_asked_for = what_is_asked_for(config)
    left_out = {
        item
        for item in items
        if any(item.get_closest_marker(name) for name in ON_REQUEST) and not is_asked_for(item)
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


def pytest_collection_finish():
    """Let the garbage collector pass over what stays: a tenth of the time of tests was its."""
    gc.collect()
    gc.freeze()


def what_is_asked_for(config):
    """Return whether ``-m`` names a marker of a test, or an argument its file or folder.

    ``--sweeps`` names that marker and leaves out no other test. These are the markers of what runs
    on request. Not in the settings as a ``-m``, which another on the command line would replace.
    """
    named = [name for name in re.findall(r"\w+", config.option.markexpr) if name in ON_REQUEST]
    named += ["sweeps"] if config.option.sweeps else []
    folder = Path(__file__).parent
    paths = [config.invocation_params.dir / str(arg).partition("::")[0] for arg in config.args]
    paths = {path for path in map(Path.resolve, paths) if folder in path.parents}

    def is_asked_for(item):
        if any(item.get_closest_marker(name) for name in named):
            return True
        return bool(paths) and not paths.isdisjoint([item.path, *item.path.parents])

    return is_asked_for


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Let a worker send what a test logged: pytest-xdist fails on what is not valid Unicode."""
    report = (yield).get_result()
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]


within_turn = turns()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    # Around the test's timeout, so that it does not run while it waits.
    with within_turn(alone=item.get_closest_marker("alone") is not None):
        yield


# What a shell runs in the background ignores Ctrl-C, and what runs under nohup a closed terminal.
# Some tests send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@receiver(connection_created)
def hurry(connection, **kwargs):
    """Let SQLite not wait for the disk in the tests' process: none has to survive a power cut."""
    if connection.vendor == "sqlite":
        connection.connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Make emptying the tables cheap, and let the databases be removed in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", put_back_rows_of_migrations())
        yield
    connections.close_all()  # Django closes its own, and not those made since


def put_back_rows_of_migrations():
    """Return what Django calls for a database whose tables it has emptied.

    Django looks at every model for the rows that it makes after a migration. That takes five times
    as long as putting them back, so it does it only once.
    """
    make_rows = flush.emit_post_migrate_signal
    kept = {}

    def put_back(verbosity, interactive, db, **kwargs):
        content_types, permissions = map(
            apps.get_model, ["contenttypes.ContentType", "auth.Permission"]
        )
        if db in kept:
            for model, rows in kept[db]:
                model._base_manager.using(db).bulk_create(rows)
            content_types.objects.clear_cache()
        else:
            make_rows(verbosity, interactive, db, **kwargs)
            kept[db] = [
                (model, list(model._base_manager.using(db).all()))
                for model in (content_types, permissions)
            ]

    return put_back


@pytest.fixture
def sample_jobs():
    """The name of job_runner's module of jobs, whose jobs are registered for this test only."""
    yield "job_runner.sample_jobs"
    sys.modules.pop("job_runner.sample_jobs", None)


@pytest.fixture
def site(transactional_db, tmp_path):
    """A small project of its own, to run ``manage.py`` in, on the test database."""
    site = Site(tmp_path, connection.settings_dict["NAME"])
    yield site
    site.end()
