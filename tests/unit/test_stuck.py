"""When an execution is stuck."""

from datetime import timedelta

import pytest

from quick_jobs.stuck import stuck_after


@pytest.mark.parametrize(
    ("interval", "typical", "limit"),
    [(3600, 10, 3600), (60, 100, 400), (60, None, 660), (0, 1, 4)],
)
def test_an_execution_is_stuck_after_its_interval_and_four_times_its_duration(
    interval, typical, limit
):
    typical = None if typical is None else timedelta(seconds=typical)
    assert stuck_after(timedelta(seconds=interval), typical) == timedelta(seconds=limit)
