"""When a write that failed is tried again."""

import pytest

from quick_jobs.history.retries import Retries

NOON = 43_200.0


@pytest.fixture
def retries():
    retries = Retries(NOON)
    retries.succeeded()
    return retries


def test_the_first_try_is_due_at_once():
    retries = Retries(NOON)
    assert retries.at == NOON
    assert not retries.is_waiting(NOON)


def test_after_success_no_try_is_due(retries):
    assert retries.at is None
    assert not retries.is_waiting(NOON)


def test_after_one_failure_there_is_a_try_at_once_and_no_outage(retries):
    retries.failed(NOON, 1.0)
    assert retries.at == NOON
    assert not retries.begins_outage
    assert not retries.was_outage


def test_an_outage_begins_with_the_second_failure_in_a_row_and_only_once(retries):
    began = []
    for _ in range(4):
        retries.failed(NOON, 0.5)
        began.append(retries.begins_outage)
    assert began == [False, True, False, False]
    assert retries.was_outage


def test_a_locked_database_is_an_outage_only_after_ten_seconds_of_failures(retries):
    began = []
    for seconds in (0, 5, 9.9, 10, 15):
        retries.failed(NOON + seconds, 0.5, is_locked=True)
        began.append(retries.begins_outage)
    assert began == [False, False, False, True, False]
    assert retries.was_outage


def test_a_lock_does_not_lengthen_the_pauses(retries):
    pauses = []
    for _ in range(8):
        retries.failed(NOON, 1.0, is_locked=True)
        pauses.append(retries.at - NOON)
    assert pauses == [0, *[pytest.approx(0.1)] * 7]


def test_another_failure_after_a_lock_is_an_outage_at_once(retries):
    retries.failed(NOON, 0.5, is_locked=True)
    retries.failed(NOON, 0.5, is_locked=True)
    assert not retries.was_outage
    retries.failed(NOON, 0.5)
    assert retries.begins_outage


def test_a_lock_within_an_outage_does_not_end_it(retries):
    retries.failed(NOON, 0.5)
    retries.failed(NOON, 0.5)
    retries.failed(NOON, 0.5, is_locked=True)
    assert retries.was_outage
    assert not retries.begins_outage


def test_the_time_of_a_lock_begins_anew_after_success(retries):
    retries.failed(NOON, 0.5, is_locked=True)
    retries.succeeded()
    retries.failed(NOON + 60, 0.5, is_locked=True)
    retries.failed(NOON + 61, 0.5, is_locked=True)
    assert not retries.was_outage


def test_the_pauses_double_up_to_two_seconds(retries):
    pauses = []
    for _ in range(8):
        retries.failed(NOON, 1.0)
        pauses.append(round(retries.at - NOON, 6))
    assert pauses == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2]


def test_randomness_takes_up_to_half_of_a_pause_away(retries):
    retries.failed(NOON, 0.0)
    retries.failed(NOON, 0.0)
    assert retries.at == pytest.approx(NOON + 0.05)
    assert retries.is_waiting(NOON + 0.04)
    assert not retries.is_waiting(NOON + 0.06)


def test_a_million_failures_are_as_good_as_ten(retries):
    for _ in range(1_000_000):
        retries.failures += 1
    retries.failed(NOON, 1.0)
    assert retries.at == NOON + 2


def test_a_try_can_be_hurried_but_none_is_made_when_all_is_well(retries):
    retries.hurry(NOON)
    assert retries.at is None
    for _ in range(5):
        retries.failed(NOON, 1.0)
    retries.hurry(NOON)
    assert retries.at == NOON


def test_success_forgets_the_failures(retries):
    retries.failed(NOON, 1.0)
    retries.failed(NOON, 1.0)
    retries.succeeded()
    assert not retries.was_outage
    retries.failed(NOON, 1.0)
    assert retries.at == NOON
