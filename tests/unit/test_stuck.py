"""When an execution is stuck."""

import pytest

from quick_jobs.stuck import is_stuck


@pytest.mark.parametrize(
    ("timeout", "interval", "typical", "limit"),
    [
        (30, 3600, 10, 30),
        (None, 3600, 10, 3600),
        (None, 60, 100, 400),
        (None, 60, None, 660),
        (None, 0, 1, 4),
    ],
)
def test_the_limit(timeout, interval, typical, limit):
    assert not is_stuck(limit, timeout, interval, typical)
    assert is_stuck(limit + 0.1, timeout, interval, typical)
