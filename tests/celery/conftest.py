import pytest
from django.db import connection

from tests.celery.servers import RabbitMQ, Redis
from tests.celery.sites import LOST_AFTER, CelerySite


@pytest.fixture(scope="session")
def redis():
    server = Redis()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def rabbitmq():
    server = RabbitMQ()
    yield server
    server.remove()


@pytest.fixture
def new_site(transactional_db, tmp_path, redis, settings):
    """Make a site on a broker; its processes end with the test."""
    settings.QUICK_JOBS_LOST_AFTER = LOST_AFTER  # by which the test's process judges
    sites = []

    def new(broker):
        flush(broker, redis)
        sites.append(CelerySite(tmp_path, connection.settings_dict["NAME"], broker, redis))
        return sites[-1]

    yield new
    for site in sites:
        site.end()
        print("\n".join(site.outputs))  # shown for a test that fails


@pytest.fixture
def site(new_site, redis):
    """A site with Redis as its broker."""
    return new_site(redis)


def flush(broker, cache):
    """Leave nothing of another test."""
    import celery
    from redis import Redis as Client

    if broker is not cache:
        app = celery.Celery(broker=broker.url(), set_as_current=False)
        with app.connection_for_write() as connection, connection.channel() as channel:
            channel.queue_delete("celery")
        app.close()
    with Client.from_url(cache.url()) as client:
        client.flushall()
