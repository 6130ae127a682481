"""The way out, with made-up times."""

from quick_jobs.runner.shutdown import LAST_WRITES, Phase, Shutdown


def test_a_runner_that_was_not_told_to_stop_is_never_late():
    shutdown = Shutdown(stop_timeout=0)
    assert shutdown.phase is Phase.RUNNING
    assert not shutdown.is_late(1e9)


def test_jobs_have_the_stop_timeout_to_end():
    shutdown = Shutdown(stop_timeout=5)
    assert shutdown.begin("signal", "SIGTERM", 0, now=100)
    assert shutdown.phase is Phase.STOPPING
    assert not shutdown.is_late(104.9)
    assert shutdown.is_late(105)


def test_the_first_reason_counts_and_the_worst_exit_status():
    shutdown = Shutdown(stop_timeout=5)
    shutdown.begin("signal", "SIGTERM", 0, now=100)
    assert not shutdown.begin("timed_out", "a job", 1, now=103)
    assert not shutdown.begin("requested", "another", 0, now=104)
    assert (shutdown.reason, shutdown.detail) == ("signal", "SIGTERM")
    assert shutdown.exit_status == 1
    assert shutdown.deadline == 105


def test_the_history_gets_what_is_left_of_the_stop_timeout():
    shutdown = Shutdown(stop_timeout=5)
    shutdown.begin("signal", "SIGTERM", 0, now=100)
    shutdown.close(now=101)
    assert shutdown.phase is Phase.CLOSING
    assert shutdown.deadline == 105


def test_the_history_gets_a_second_when_the_jobs_have_used_up_the_stop_timeout():
    shutdown = Shutdown(stop_timeout=5)
    shutdown.begin("signal", "SIGTERM", 0, now=100)
    shutdown.close(now=105)
    assert shutdown.deadline == 105 + LAST_WRITES


def test_who_hurries_waits_no_longer_and_does_not_end_well():
    shutdown = Shutdown(stop_timeout=5)
    shutdown.begin("signal", "SIGTERM", 0, now=100)
    shutdown.hurry(now=101)
    assert shutdown.is_late(101)
    assert shutdown.exit_status == 1


def test_a_runner_is_over_when_it_has_finished():
    shutdown = Shutdown(stop_timeout=5)
    shutdown.begin("signal", "SIGTERM", 0, now=100)
    shutdown.close(now=101)
    shutdown.finish()
    assert shutdown.phase is Phase.OVER
