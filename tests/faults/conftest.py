import shutil

import pytest

from tests.faults.servers import MariaDB, PostgreSQL
from tests.faults.shops import LOST_AFTER, Shop

TABLES = (
    "quick_jobs_jobexecution",
    "quick_jobs_jobrunner_jobs",
    "quick_jobs_jobrunner",
    "quick_jobs_job",
)


@pytest.fixture
def unblocked(django_db_setup, django_db_blocker):
    """Let the test's process read databases that pytest-django does not know."""
    with django_db_blocker.unblock():
        yield


def _running(server, path):
    """Give ``server`` with the tables in its database, and remove it in the end."""
    try:
        migrated = Shop(path, server.settings()).run("migrate", "--verbosity=0")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        server.add_plain_user()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def private_postgresql(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        yield from _running(PostgreSQL(), tmp_path_factory.mktemp("postgresql"))


@pytest.fixture(scope="session")
def private_mariadb(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        yield from _running(MariaDB(), tmp_path_factory.mktemp("mariadb"))


def _ready(server):
    server.recover()
    for table in TABLES:
        server.execute(f"DELETE FROM {table}")
    return server


@pytest.fixture
def postgresql(private_postgresql, unblocked):
    """A private PostgreSQL that runs, with an empty history."""
    yield _ready(private_postgresql)
    private_postgresql.recover()


@pytest.fixture
def mariadb(private_mariadb, unblocked):
    """A private MariaDB that runs, with an empty history."""
    yield _ready(private_mariadb)
    private_mariadb.recover()


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request):
    """Each of the private servers."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory, django_db_setup, django_db_blocker):
    """An SQLite database with the tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite")
    with django_db_blocker.unblock():
        shop = Shop(path, sqlite(path / "database"))
        migrated = shop.run("migrate", "--verbosity=0")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    return path / "database"


def sqlite(path, **options):
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}


@pytest.fixture
def new_shop(tmp_path, settings):
    """Make a shop on the database with these settings; its processes end with the test."""
    settings.QUICK_JOBS_LOST_AFTER = LOST_AFTER  # by which the test's process judges
    shops = []

    def new(database=None):
        shops.append(Shop(tmp_path, database))
        return shops[-1]

    yield new
    for shop in shops:
        shop.end()
        print("\n".join(shop.outputs))  # shown for a test that fails


@pytest.fixture
def server_shop(new_shop, server):
    """A shop on each of the private servers."""
    return new_shop(server.settings())


@pytest.fixture
def file_shop(new_shop, migrated_file, tmp_path, unblocked):
    """A shop on an SQLite database of its own."""
    path = tmp_path / "database"
    shutil.copy(str(migrated_file), str(path))
    return new_shop(sqlite(path))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_shop(request, new_shop):
    """A shop on a database of each kind, none of which anybody else uses."""
    if request.param == "sqlite":
        return request.getfixturevalue("file_shop")
    return new_shop(request.getfixturevalue(request.param).settings())


@pytest.fixture
def shop(new_shop, transactional_db):
    """A shop on the test database."""
    return new_shop()
