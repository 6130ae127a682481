import datetime as dt

import pytest
from django.utils import timezone


@pytest.fixture
def at_noon():
    """Have a time zone in which it is noon, so that the last hours are of the same day."""
    hour = dt.datetime.now(dt.timezone.utc).hour
    with timezone.override(dt.timezone(dt.timedelta(hours=12 - hour))):
        yield
