from __future__ import annotations

import sys
import threading
import traceback
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quick_jobs import RunEnv
from quick_jobs.registration import RegisteredJob
from quick_jobs.tracebacks import (
    error_line,
    frames_text,
    job_frames,
    places_of,
    places_text,
    storable,
    threads_frames,
    traceback_text,
    user_traceback,
)
from tests.site import wait_until

LIMIT = 64 * 1024
LEAST = 1024

texts = st.text(st.one_of(st.characters(), st.sampled_from("\0\ud800\udfff\n€🐍")))


class ShopError(Exception):
    class Nested(Exception): ...


class StrRaises(Exception):
    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def __str__(self):
        raise self.failure


class NoString(Exception):
    def __str__(self):
        return 5


class CannotBeFormatted(SyntaxError):
    @property
    def lineno(self):
        raise LookupError("no line")


def raised(exc, cause=None):
    """Return ``exc`` after it was raised and caught."""
    try:
        raise exc from cause
    except BaseException as caught:
        return caught


def recurse(depth, then):
    return then() if depth == 0 else recurse(depth - 1, then)


# The error in one line.


@pytest.mark.parametrize(
    ("exc", "line"),
    [
        (ValueError("too large"), "ValueError: too large"),
        (KeyError("x"), "KeyError: 'x'"),
        (SystemExit(3), "SystemExit: 3"),
        (ShopError("closed"), "tests.unit.test_tracebacks.ShopError: closed"),
        (ShopError.Nested("closed"), "tests.unit.test_tracebacks.ShopError.Nested: closed"),
        (ValueError(), "ValueError"),
        (ValueError(" \n \n"), "ValueError"),
        (ValueError("\n first \nsecond\n"), "ValueError: first "),
        (ValueError("windows\r\nlines"), "ValueError: windows"),
        (ValueError("Grüße 🐍"), "ValueError: Grüße 🐍"),
        (ValueError("a\0b\udc80"), "ValueError: a\\x00b\\udc80"),
        (StrRaises(LookupError()), f"{__name__}.StrRaises: <its str() raises LookupErr…"),
        (StrRaises(SystemExit()), f"{__name__}.StrRaises: <its str() raises SystemExi…"),
        (NoString(), "tests.unit.test_tracebacks.NoString: <its str() raises TypeError>"),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, str) else type(value).__name__,
)
def test_the_error_is_the_type_and_the_first_line_of_the_message(exc, line):
    if line.endswith("…"):
        assert error_line(exc).startswith(line[:-1])
    else:
        assert error_line(exc) == line


def test_a_class_of_the_main_module_is_named_without_it():
    error = type("OwnError", (Exception,), {"__module__": "__main__"})
    assert error_line(error("x")) == "OwnError: x"


def test_an_error_of_255_characters_is_whole_and_a_longer_one_shows_that_it_was_cut():
    message = "€" * (255 - len("ValueError: "))
    assert error_line(ValueError(message)) == f"ValueError: {message}"
    assert error_line(ValueError(message + "€")) == f"ValueError: {message[:-1]}…"


@given(message=texts)
def test_every_error_fits_on_one_line_that_every_database_stores(message):
    line = error_line(ValueError(message))
    assert len(line) <= 255
    assert len(line.splitlines()) == 1
    assert "\0" not in line
    line.encode("utf-8")


def test_the_message_of_5_mb_does_not_make_the_error_longer():
    assert len(error_line(ValueError("x" * 5_000_000))) == 255


# Tracebacks.


def test_a_traceback_looks_as_python_prints_it():
    exc = raised(ValueError("too large"))
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    assert traceback_text(exc, LIMIT) == text
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: too large\n")


def test_a_traceback_has_all_causes():
    root = raised(KeyError("the root"))
    middle = raised(LookupError("the middle"), cause=root)
    text = traceback_text(raised(ValueError("the end"), cause=middle), LIMIT)
    places = [text.index(each) for each in ("'the root'", "the middle", "the end")]
    assert places == sorted(places)
    assert text.count("The above exception was the direct cause of the following exception:") == 2


def test_a_traceback_has_what_was_being_handled():
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904
    except ValueError as exc:
        text = traceback_text(exc, LIMIT)
    assert "KeyError: 'first'\n\nDuring handling of the above exception, another" in text
    assert text.endswith("ValueError: second\n")


def test_a_traceback_of_a_recursion_says_how_deep_it_was():
    def endless():
        return endless()

    try:
        endless()
    except RecursionError as exc:
        text = traceback_text(exc, LIMIT)
    assert "[Previous line repeated " in text
    assert "RecursionError: maximum recursion depth exceeded" in text
    assert len(text) < 5000


@pytest.mark.parametrize("failure", [LookupError(), SystemExit(), KeyboardInterrupt()], ids=repr)
def test_an_exception_whose_str_raises_has_a_traceback(failure):
    text = traceback_text(raised(StrRaises(failure)), LIMIT)
    assert "in raised\n" in text
    assert "StrRaises: <" in text.splitlines()[-1]


def test_an_exception_that_cannot_be_formatted_is_told_with_the_reason():
    assert traceback_text(raised(CannotBeFormatted("odd")), LIMIT) == (
        "tests.unit.test_tracebacks.CannotBeFormatted: odd\n"
        "(no traceback: formatting it raised LookupError('no line'))\n"
    )


@pytest.mark.sweeps
def test_very_long_chains_of_causes_are_told_somehow():
    exc = None
    for number in range(5000):
        exc = raised(ValueError(f"number {number}"), cause=exc)
    text = traceback_text(exc, LIMIT)
    assert "ValueError: number 4999" in text
    assert len(text.encode()) <= LIMIT


def test_of_a_message_of_5_mb_both_ends_stay():
    exc = raised(ValueError("begins" + "€" * 1_700_000 + "ends"))
    text = traceback_text(exc, LIMIT)
    assert text.startswith("Traceback (most recent call last):\n")
    assert "ValueError: begins€" in text
    assert " bytes and more left out …\n" in text
    assert text.endswith("€ends\n")
    assert LIMIT - 10 <= len(text.encode()) <= LIMIT


def test_a_traceback_has_escapes_for_what_no_database_stores():
    assert traceback_text(ValueError("a\0b\udc80c"), LIMIT) == "ValueError: a\\x00b\\udc80c\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes are new in Python 3.11")
def test_a_traceback_has_the_notes():
    exc = raised(ValueError("too large"))
    exc.add_note("order 7")
    assert traceback_text(exc, LIMIT).endswith("ValueError: too large\norder 7\n")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are new in Python 3.11")
def test_a_traceback_has_all_exceptions_of_a_group():
    group = ExceptionGroup("two", [raised(KeyError("one")), raised(OSError("other"))])  # noqa: F821
    text = traceback_text(raised(group), LIMIT)
    for part in ("ExceptionGroup: two (2 sub-exceptions)", "KeyError: 'one'", "OSError: other"):
        assert part in text


# Where the user's code begins.


def frames_of(tb):
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(tb)]


def fails(env):
    env.sleep("long")


def test_the_users_traceback_begins_with_the_users_code_and_keeps_the_rest():
    """The last frames are ours again, where the user's code called us wrongly."""
    with pytest.raises(TypeError) as error:
        RegisteredJob(fails, timedelta(0))(RunEnv(threading.Event(), due_at=0.0))
    own_and_users = frames_of(error.value.__traceback__.tb_next)
    assert own_and_users[:2] == ["__call__", "fails"]
    below = error.value.with_traceback(error.value.__traceback__.tb_next)
    assert frames_of(user_traceback(below)) == own_and_users[1:]
    assert own_and_users[-1] == "to_timedelta"


def test_the_traceback_of_an_error_of_our_own_is_whole():
    with pytest.raises(TypeError) as error:
        RegisteredJob(fails, timedelta(0))()
    assert user_traceback(error.value) is error.value.__traceback__
    inside = raised_inside()
    assert frames_of(user_traceback(inside)) == ["sleep", "to_timedelta"]


def raised_inside():
    """Return an exception that only this package's frames have seen."""
    try:
        RunEnv(threading.Event(), due_at=0.0).sleep("long")
    except TypeError as exc:
        return exc.with_traceback(exc.__traceback__.tb_next)


def test_an_exception_that_was_not_raised_has_no_traceback():
    assert user_traceback(ValueError()) is None


# Stacks.


class Hanging:
    """A job that hangs in a thread, so many calls below its function."""

    def __init__(self, depth=0):
        self.hangs = threading.Event()
        self.released = threading.Event()
        self.depth = depth

    def __enter__(self):
        job = RegisteredJob(self.job, timedelta(0))
        env = RunEnv(self.released, due_at=0.0)
        self.thread = threading.Thread(target=job, args=(env,), daemon=True)
        self.thread.start()
        # The last line of its stack is in threading, where it waits.
        wait_until(lambda: self.released._cond._waiters)
        return self.thread.ident

    def __exit__(self, *args):
        self.released.set()
        self.thread.join(20)

    def job(self, env):
        recurse(self.depth, lambda: self.hang(env))

    def hang(self, env):
        self.released.wait()


def stack_text(thread_id, limit):
    return frames_text(job_frames(threads_frames().get(thread_id)), limit)


def test_the_stack_of_a_job_that_hangs_begins_with_its_function():
    with Hanging() as thread_id:
        lines = stack_text(thread_id, LIMIT).splitlines()
    assert lines[0] == "Stack (most recent call last):"
    assert lines[1].startswith(f'  File "{__file__}", line ')
    assert lines[1].endswith(", in job")
    functions = [line.rsplit(" ", 1)[-1] for line in lines if line.startswith("  File ")]
    assert functions[:4] == ["job", "recurse", "<lambda>", "hang"]
    assert set(functions[4:]) == {"wait"}


def test_places_are_shown_as_the_frames_that_they_are_of():
    with Hanging(depth=5) as thread_id:
        frames = job_frames(threads_frames().get(thread_id))
        places = places_of(frames)
        assert places == places_of(job_frames(threads_frames().get(thread_id)))
        assert places_text(places, LIMIT) == frames_text(frames, LIMIT)
    assert places_text((), LIMIT) == ""


def test_a_deep_stack_is_shown_as_python_does():
    with Hanging(depth=500) as thread_id:
        text = stack_text(thread_id, LIMIT)
    assert text.splitlines()[1].endswith(", in job")
    assert "[Previous line repeated 498 more times]" in text
    assert "in hang\n" in text


def test_a_stack_has_so_many_bytes_at_most():
    released = threading.Event()

    def call(depth, *functions):
        functions[depth % 2](depth - 1, *functions) if depth else released.wait()

    def even(*args):
        call(*args)

    def odd(*args):
        call(*args)

    thread = threading.Thread(target=call, args=(100, even, odd), daemon=True)
    thread.start()
    wait_until(lambda: released._cond._waiters)
    whole, cut = stack_text(thread.ident, LIMIT), stack_text(thread.ident, LEAST)
    released.set()
    thread.join(20)
    assert len(whole.encode()) > LEAST
    assert LEAST - 10 <= len(cut.encode()) <= LEAST
    assert cut[:400] == whole[:400]
    assert cut[-400:] == whole[-400:]


def test_a_stack_that_does_not_lead_through_this_package_is_whole():
    released = threading.Event()
    thread = threading.Thread(target=released.wait, daemon=True)
    thread.start()
    wait_until(lambda: released._cond._waiters)
    text = stack_text(thread.ident, LIMIT)
    released.set()
    thread.join(20)
    assert "_bootstrap" in text.splitlines()[1]


def test_a_stack_that_ends_in_this_package_is_whole():
    """The job has not begun, or is over: what there is to see may explain why it hangs."""
    lock = threading.Lock()
    job = RegisteredJob(fails, timedelta(0))
    job._func = lock.acquire  # written in C: no frame of its own
    with lock:
        thread = threading.Thread(target=job, args=(True,), daemon=True)
        thread.start()
        wait_until(lambda: "in __call__" in stack_text(thread.ident, LIMIT))
        text = stack_text(thread.ident, LIMIT)
    thread.join(20)
    assert "_bootstrap" in text.splitlines()[1]


@pytest.mark.parametrize("thread_id", [None, 0], ids=["not begun", "gone"])
def test_of_a_thread_that_is_not_there_the_stack_is_empty(thread_id):
    assert stack_text(thread_id, LIMIT) == ""


# What can be stored.


@pytest.mark.parametrize("text", ["", "plain", "Grüße\n🐍\t", "x" * LEAST])
def test_what_fits_stays_as_it_is(text):
    assert storable(text, LEAST) == text


def test_one_byte_too_many_is_cut_in_the_middle():
    text = "a" * 500 + "b" * 25 + "c" * 500
    cut = storable(text, LEAST)
    assert cut.startswith("a" * 480)
    assert cut.endswith("c" * 480)
    assert "\n… 1 bytes and more left out …\n" in cut
    assert len(cut.encode()) <= LEAST


@given(text=texts, repeat=st.integers(1, 1000), limit=st.integers(LEAST, 5000))
def test_every_text_can_be_stored_in_so_many_bytes(text, repeat, limit):
    stored = storable(text * repeat, limit)
    assert len(stored.encode("utf-8")) <= limit
    assert "\0" not in stored


@given(text=texts, limit=st.integers(LEAST, 5000))
def test_a_text_that_is_too_long_uses_what_it_may(text, limit):
    stored = storable((text + "x") * limit, limit)
    assert len(stored.encode("utf-8")) >= limit - 10
