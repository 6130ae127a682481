"""What is done about a recorder that gets no answer."""

from quick_jobs.runner.silence import Action, Silence

NOON = 43_200.0


def followed(silence, since, until, is_stopping=False):
    """Return what is done, and when, about a call from ``since`` to ``until``."""
    done = []
    now = since + 0.5
    while now <= until:
        action = silence.action(since, now, is_stopping)
        if action:
            done.append((now - since, action))
        check = silence.next_check(since, now, is_stopping)
        if check is None:
            break
        assert check > now
        now = check
    return done


def test_a_recorder_that_waits_for_nothing_needs_no_check():
    silence = Silence(15.0)
    assert silence.next_check(None, NOON, False) is None
    assert silence.action(None, NOON, False) is None


def test_a_call_that_has_just_begun_wakes_nobody():
    assert Silence(15.0).next_check(NOON, NOON + 0.4, False) is None


def test_a_warning_comes_after_10_seconds_and_the_connection_is_dropped_after_30():
    done = followed(Silence(15.0), NOON, NOON + 3600)
    assert done == [(10.0, Action.WARN), (30.0, Action.BREAK_OFF)]


def test_the_connection_is_kept_for_a_heartbeat_interval_that_is_longer():
    done = followed(Silence(120.0), NOON, NOON + 3600)
    assert done == [(10.0, Action.WARN), (120.0, Action.BREAK_OFF)]


def test_a_loop_that_comes_late_breaks_off_at_once_and_warns_no_more():
    silence = Silence(15.0)
    assert silence.action(NOON, NOON + 40, False) is Action.BREAK_OFF
    assert silence.action(NOON, NOON + 41, False) is None
    assert silence.next_check(NOON, NOON + 41, False) is None


def test_each_call_that_is_broken_off_doubles_the_patience_with_the_next():
    silence = Silence(15.0)
    assert [followed(silence, NOON + n, NOON + 9999)[-1][0] for n in range(3)] == [30, 60, 120]


def test_an_answer_ends_the_patience():
    silence = Silence(15.0)
    followed(silence, NOON, NOON + 9999)
    silence.answered()
    assert followed(silence, NOON + 100, NOON + 9999)[-1] == (30.0, Action.BREAK_OFF)


def test_a_call_that_is_answered_in_time_is_left_alone():
    silence = Silence(15.0)
    for number in range(100):
        since = NOON + 9 * number
        assert silence.action(since, since + 9, False) is None


def test_a_stopping_runner_waits_half_the_usual_stop_timeout_then_twice_as_long():
    silence = Silence(15.0)
    assert followed(silence, NOON, NOON + 9, is_stopping=True) == [(2.5, Action.BREAK_OFF)]
    assert followed(silence, NOON + 3, NOON + 20, is_stopping=True) == [(5.0, Action.BREAK_OFF)]


def test_a_runner_that_stops_looks_after_a_call_that_has_just_begun():
    assert Silence(15.0).next_check(NOON, NOON, is_stopping=True) == NOON + 2.5
