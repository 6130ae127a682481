from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from queue import Empty

import pytest

from quick_jobs.mailbox import Mailbox
from tests.site import wait_until


@pytest.fixture
def mailbox():
    return Mailbox()


def reading(mailbox, timeout):
    """Read in a thread; return it, and the list of what it reads."""
    read = []

    def read_one():
        try:
            read.append(mailbox.get(timeout))
        except Empty:
            read.append(Empty)

    thread = threading.Thread(target=read_one, daemon=True)
    thread.start()
    return thread, read


def test_messages_come_in_order(mailbox):
    for number in range(5):
        mailbox.put(number)
    assert [mailbox.get(timeout) for timeout in (None, 0, 0.0, 60)] == [0, 1, 2, 3]
    assert mailbox.get_nowait() == 4


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 1e-6, 0.001])
def test_an_empty_mailbox_says_so_after_the_timeout(mailbox, timeout):
    with pytest.raises(Empty):
        mailbox.get(timeout)
    mailbox.put("news")
    assert mailbox.get(timeout) == "news"
    with pytest.raises(Empty):
        mailbox.get(timeout)


def test_an_empty_mailbox_has_nothing_without_waiting(mailbox):
    with pytest.raises(Empty):
        mailbox.get_nowait()


def test_it_waits_for_as_long_as_the_timeout(mailbox):
    before = time.monotonic()
    with pytest.raises(Empty):
        mailbox.get(0.05)
    assert time.monotonic() - before >= 0.049  # the clock's grain


def test_it_waits_for_as_long_as_the_timeout_also_when_messages_were_read_before(mailbox):
    mailbox.put("read without waiting")
    mailbox.get(0)
    before = time.monotonic()
    with pytest.raises(Empty):
        mailbox.get(0.05)
    assert time.monotonic() - before >= 0.049


@pytest.mark.parametrize("timeout", [None, 60, threading.TIMEOUT_MAX / 2], ids=repr)
def test_a_message_wakes_the_reader(mailbox, timeout):
    mailbox.put("before")
    mailbox.get(timeout)
    thread, read = reading(mailbox, timeout)
    wait_until(lambda: sys._current_frames()[thread.ident].f_code is Mailbox.get.__code__)
    mailbox.put("news")
    thread.join(20)
    assert read == ["news"]


def test_short_timeouts_end_however_busy_the_machine_is(mailbox):
    """With a SimpleQueue, some of these would wait for ever."""
    rounds = itertools.count()
    over = threading.Event()

    def read():
        while not over.is_set():
            mailbox = Mailbox()
            mailbox.put(next(rounds))
            mailbox.get(1e-7)
            with pytest.raises(Empty):
                mailbox.get(1e-7)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: next(rounds) > 20_000, timeout=60)
    over.set()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_messages_of_many_threads_all_arrive(mailbox):
    def write(first):
        for number in range(first, first + 2000):
            mailbox.put(number)

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 2000, 4000)]
    for thread in threads:
        thread.start()
    read = [mailbox.get(20) for _ in range(6000)]
    assert sorted(read) == list(range(6000))
    for first in (0, 2000, 4000):
        of_one = [number for number in read if first <= number < first + 2000]
        assert of_one == sorted(of_one)


def test_quiet_messages_come_in_order_with_the_others(mailbox):
    mailbox.put_quietly(0)
    mailbox.put(1)
    mailbox.put_quietly(2)
    assert [mailbox.get(0) for _ in range(3)] == [0, 1, 2]


def test_a_quiet_message_is_read_at_the_latest_when_the_wait_is_over(mailbox):
    thread, read = reading(mailbox, 0.2)
    mailbox.put_quietly("quiet")
    thread.join()
    assert read == ["quiet"]


def test_a_reader_that_is_woken_without_a_message_waits_on(mailbox):
    mailbox.wake()
    before = time.monotonic()
    with pytest.raises(Empty):
        mailbox.get(0.2)
    assert time.monotonic() - before >= 0.2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_a_signal_handler_may_put_messages_whatever_it_interrupts(mailbox):
    """Thousands of signals meet the main thread everywhere in put() and get()."""
    handled = []

    def handle(number, frame):
        mailbox.put(len(handled))
        handled.append(True)

    def send():
        for number in range(3000):
            os.kill(os.getpid(), signal.SIGUSR1)
            while len(handled) <= number:
                time.sleep(0)

    before = signal.signal(signal.SIGUSR1, handle)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    sender = threading.Thread(target=send, daemon=True)
    read = []
    try:
        sender.start()
        while len(read) < 3000:
            mailbox.put(None)
            with contextlib.suppress(Empty):
                while True:
                    read.append(mailbox.get(0.0005))
                    if read[-1] is None:
                        read.pop()
    finally:
        sender.join(20)
        sys.setswitchinterval(interval)
        signal.signal(signal.SIGUSR1, before)
    assert read == list(range(3000))
