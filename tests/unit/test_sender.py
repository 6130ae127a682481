"""The thread that sends: in which order, in which memory, and how it ends."""

import io
import threading
import time
from urllib.error import HTTPError, URLError

import pytest

from quick_jobs.alerting.fetching import Fetcher
from quick_jobs.alerting.outgoing import Outgoing
from quick_jobs.alerting.sender import Sender
from tests.site import wait_until


def test_alerts_come_first_and_the_oldest_pings_are_dropped_first():
    outgoing = Outgoing(capacity=3)
    put = [outgoing.put_ping("p1"), outgoing.put_ping("p2"), outgoing.put_news("n1")]
    put += [outgoing.put_news("n2"), outgoing.put_news("n3"), outgoing.put_news("n4")]
    assert put == [True, True, True, False, False, False]
    assert [outgoing.take() for _ in range(4)] == ["n2", "n3", "n4", None]


@pytest.fixture
def sender():
    sender = Sender()
    sender.start()
    yield sender
    sender.finish()


@pytest.mark.parametrize("exc", [ValueError("bad"), SystemExit(3)], ids=repr)
def test_what_a_task_raises_is_logged_and_the_next_is_done(sender, caplog, exc):
    def fails():
        raise exc

    done = []
    sender.put_news(fails)
    sender.put_news(lambda: done.append(1))
    wait_until(lambda: done)
    [record] = [each for each in caplog.records if each.exc_info]
    assert record.exc_info[1] is exc


def test_what_waits_is_done_at_the_end(sender):
    done = []
    for number in range(3):
        sender.put_ping(lambda number=number: done.append(number))
    sender.finish()
    assert done == [0, 1, 2]


def test_the_end_waits_no_longer_than_it_says(caplog, monkeypatch):
    monkeypatch.setattr("quick_jobs.alerting.sender.AT_END", 0.2)
    let_go, sender = threading.Event(), Sender()
    sender.start()
    try:
        sender.put_news(let_go.wait)
        sender.put_news(lambda: None)
        began = time.monotonic()
        sender.finish()
        assert 0.2 <= time.monotonic() - began < 5
        assert "one that was being sent, and " in caplog.text
    finally:
        let_go.set()


def test_a_full_queue_is_said_once(sender, caplog):
    let_go = threading.Event()
    sender.put_news(let_go.wait)
    for _ in range(1000):
        sender.put_ping(lambda: None)
    let_go.set()
    assert sum("too many alerts and pings" in message for message in caplog.messages) == 1


# Fetching.


class Answer:
    def close(self):
        pass


def test_a_url_is_fetched_at_most_twice_and_its_failure_logged_once_without_its_path(caplog):
    asked = []

    def refuse(request, timeout):
        asked.append((request.full_url, timeout))
        raise URLError(ConnectionRefusedError(111, "Connection refused"))

    fetcher = Fetcher(refuse)
    for _ in range(2):
        assert not fetcher.fetch("https://a.io/secret", lambda: 100.0)
    assert asked == [("https://a.io/secret", 5.0)] * 4
    assert caplog.messages == [
        "https://a.io/… could not be fetched: [Errno 111] Connection refused"
    ]


def test_a_second_try_may_succeed(caplog):
    answers = [HTTPError("https://a.io/secret", 503, "busy", {}, io.BytesIO()), Answer()]

    def answer(request, timeout):
        first = answers.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

    assert Fetcher(answer).fetch("https://a.io/secret", lambda: 100.0)
    assert not caplog.messages


def test_at_the_end_there_is_no_more_time_than_is_left():
    timeouts = []

    def open_url(request, timeout):
        timeouts.append(timeout)
        raise OSError

    left = [1.5, 0.0]
    assert not Fetcher(open_url).fetch("https://a.io/", lambda: left.pop(0))
    assert timeouts == [1.5]
