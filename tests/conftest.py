import signal

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, settings

from tests.site import Site, wait_until

__all__ = ["wait_until"]

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "quick_jobs", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("quick_jobs")


# What a shell runs in the background ignores Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Let the databases be removed: Django closes its own connections, not those made since."""
    yield
    connections.close_all()


@pytest.fixture
def site(transactional_db, tmp_path):
    """A small project of its own, to run ``manage.py`` in, on the test database."""
    site = Site(tmp_path, connection.settings_dict["NAME"])
    yield site
    site.end()
