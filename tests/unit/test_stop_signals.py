from __future__ import annotations

import os
import signal
import socket
import threading
import time
from queue import Empty

import pytest

from quick_jobs.mailbox import Mailbox
from quick_jobs.stop_signals import stop_on_signals
from tests.site import wait_until

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP]


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop_by_its_name(number):
    requests = []
    with stop_on_signals(requests.append):
        os.kill(os.getpid(), number)
        wait_until(lambda: requests)
    assert requests == [number.name]


def test_a_second_signal_asks_again():
    requests = []
    with stop_on_signals(requests.append):
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: requests)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: len(requests) == 2)
    assert requests == ["SIGTERM", "SIGINT"]


def test_sigint_again_within_half_a_second_is_no_second_request():
    """timeout(1) sends it twice."""
    now, requests = [100.0], []
    with stop_on_signals(requests.append, clock=lambda: now[0]):
        for moment in (100.0, 100.01, 100.49):
            now[0] = moment
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)  # a step of Python, in which the handler runs
        assert requests == ["SIGINT"]
        now[0] = 100.5
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: len(requests) == 2)


def test_no_relayed_signal_is_a_second_request_within_half_a_second():
    """What a terminal sends to parent and child comes to the child twice."""
    now, requests = [100.0], []
    with stop_on_signals(requests.append, clock=lambda: now[0], relayed=True):
        for moment in (100.0, 100.49):
            now[0] = moment
            os.kill(os.getpid(), signal.SIGQUIT)
            time.sleep(0)  # a step of Python, in which the handler runs
        assert requests == ["SIGQUIT"]
        now[0] = 100.5
        os.kill(os.getpid(), signal.SIGQUIT)
        wait_until(lambda: len(requests) == 2)


def test_another_signal_right_after_sigint_is_a_second_request():
    requests = []
    with stop_on_signals(requests.append, clock=lambda: 100.0):
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: requests)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: len(requests) == 2)


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGTERM])
def test_sighup_right_after_another_signal_is_no_second_request(first):
    """A terminal that is closed sends it, and so does its shell; systemd may after SIGTERM."""
    now, requests = [100.0], []
    with stop_on_signals(requests.append, clock=lambda: now[0]):
        os.kill(os.getpid(), first)
        wait_until(lambda: requests)
        now[0] = 100.4
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0)  # a step of Python, in which the handler runs
        assert requests == [first.name]
        now[0] = 101.0
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: len(requests) == 2)


def test_sighup_is_a_request_to_stop_unless_it_is_ignored():
    requests = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals(requests.append):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with stop_on_signals(requests.append):
            os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda: requests)
        assert requests == ["SIGHUP"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_the_signals_do_what_they_did(fails):
    def own(number, frame): ...

    before = signal.signal(signal.SIGQUIT, own)
    try:
        expected = handlers()
        try:
            with stop_on_signals(print):
                assert not set(handlers()) & set(expected)
                if fails:
                    raise LookupError
        except LookupError:
            pass
        assert handlers() == expected
        assert handlers()[2] is own
    finally:
        signal.signal(signal.SIGQUIT, before)


def test_a_signal_that_another_thread_gets_is_heard_at_once():
    """Of itself, Python tells the main thread when that has waited for long enough."""
    mailbox = Mailbox()

    def raise_signal():
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with stop_on_signals(mailbox.put, mailbox.wake):
        threading.Timer(0.2, raise_signal).start()
        assert mailbox.get(20) == "SIGTERM"
    with pytest.raises(Empty):
        mailbox.get(0)


@pytest.mark.parametrize("timeout", [0, 0.01, 0.2])
def test_a_default_timeout_of_the_sites_sockets_does_not_end_the_waiting_for_signals(timeout):
    mailbox = Mailbox()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        with stop_on_signals(mailbox.put, mailbox.wake):
            (listener,) = (each for each in threading.enumerate() if "signals" in each.name)
            listener.join(timeout + 0.2)
            assert listener.is_alive()
            signal.pthread_kill(listener.ident, signal.SIGTERM)
            assert mailbox.get(20) == "SIGTERM"
    finally:
        socket.setdefaulttimeout(before)


def test_who_wants_to_know_of_signals_beside_it_is_told_again_afterwards():
    inward, outward = socket.socketpair()
    outward.setblocking(False)
    before = signal.set_wakeup_fd(outward.fileno())
    try:
        threads = threading.active_count()
        with stop_on_signals(print):
            pass
        assert threading.active_count() == threads
        assert signal.set_wakeup_fd(before) == outward.fileno()
    finally:
        signal.set_wakeup_fd(before)
        inward.close()
        outward.close()


def test_outside_the_main_thread_nothing_changes():
    before = handlers()
    inside = []

    def work():
        with stop_on_signals(print):
            inside.extend(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert inside == before


def test_a_handler_that_another_language_installed_gives_way_to_the_default(monkeypatch):
    """Python tells None of it, and cannot put it back."""
    install = signal.signal
    before = handlers()
    with monkeypatch.context() as patched:
        patched.setattr(signal, "signal", lambda number, handler: install(number, handler) and None)
        with stop_on_signals(print):
            pass
    after = handlers()
    for number, handler in zip(SIGNALS, before):
        signal.signal(number, handler)
    assert after == [signal.SIG_DFL] * len(SIGNALS)


def test_signals_that_the_platform_does_not_have_are_left_out():
    """As on Windows."""
    import importlib

    from quick_jobs import stop_signals

    quit_signal = signal.SIGQUIT
    before = signal.getsignal(quit_signal)
    del signal.SIGQUIT
    try:
        importlib.reload(stop_signals)
        with stop_signals.stop_on_signals(print):
            assert signal.getsignal(quit_signal) == before
    finally:
        signal.SIGQUIT = quit_signal
        importlib.reload(stop_signals)
