"""Jobs whose exceptions and results run code of their own when somebody looks at them."""

from __future__ import annotations

import contextvars
import io
import logging
import sys
import threading
from datetime import timedelta
from functools import partial

import pytest

from quick_jobs import RunInterrupted, testing
from quick_jobs.environment import RunEnv, is_interruption
from quick_jobs.models import JobExecution
from quick_jobs.registration import RegisteredJob
from quick_jobs.runner.execution import Execution, execute
from quick_jobs.runner.scheduled_job import ScheduledJob
from quick_jobs.signals import execution_finished
from quick_jobs.tracebacks import error_line, presentable, traceback_text

LIMIT = 64 * 1024
FAILURES = (LookupError, SystemExit, KeyboardInterrupt, GeneratorExit)
NOT_METHODS = {"__new__", "__doc__", "maketrans", "__getattribute__"}
META_PROPERTIES = ["__module__", "__name__", "__mro__", "__dict__"]
META_METHODS = [
    "__eq__",
    "__getattribute__",
    "__hash__",
    "__instancecheck__",
    "__repr__",
    "__str__",
    "__subclasscheck__",
]
METHODS = ["__repr__", "__hash__", "__eq__", "__reduce_ex__", "__format__", "__bool__", "__len__"]
PROPERTIES = [
    "__cause__",
    "__class__",
    "__context__",
    "__dict__",
    "__notes__",
    "__suppress_context__",
    "__traceback__",
    "args",
    "exceptions",
]


def a_job(func):
    return RegisteredJob(func, interval=timedelta(hours=1))


def run(func):
    env = RunEnv(threading.Event(), due_at=0.0)
    execution = Execution(1, ScheduledJob(a_job(func), 0, 0.0), env, started_at=0.0)
    execute(execution, contextvars.copy_context(), LIMIT)
    return execution


def raises(exc):
    def job(env):
        raise exc

    return job


def raising(failure):
    def method(*args, **kwargs):
        raise failure

    return method


@pytest.fixture
def log(monkeypatch):
    """What a handler of the standard library writes; that it fails to write something is told."""
    failed = []
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.handleError = failed.append
    logger = logging.getLogger("quick_jobs")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    assert failed == []


def text_with_own(methods, failure):
    """Return a ``str`` whose methods raise ``failure``."""
    own = type("OwnStr", (str,), {name: raising(failure) for name in methods})
    return str.__new__(own, "too large\nby far")


def with_message(message):
    return type("ShopError", (Exception,), {"__str__": lambda self: message})()


def with_own(name, value):
    return type("ShopError", (Exception,), {name: value})("too large")


def with_meta(name, value):
    names = {name: value} if isinstance(value, property) else {}
    meta = type("Meta", (type,), names)
    error = meta("ShopError", (Exception,), {})("too large")
    if not names:
        setattr(meta, name, value)  # now, as type() uses some of them to make the class
    return error


def own_ways():
    for failure in FAILURES:
        kind = failure.__name__
        yield f"with_traceback raises {kind}", partial(with_own, "with_traceback", raising(failure))
        yield (
            f"__getattribute__ raises {kind}",
            partial(with_own, "__getattribute__", raising(failure)),
        )
        yield f"__getattr__ raises {kind}", partial(with_own, "__getattr__", raising(failure))
        yield f"__setattr__ raises {kind}", partial(with_own, "__setattr__", raising(failure))
        for name in METHODS:
            yield f"{name} raises {kind}", partial(with_own, name, raising(failure))
        for name in PROPERTIES:
            yield f"{name} raises {kind}", partial(with_own, name, property(raising(failure)))
        for name in META_PROPERTIES:
            yield (
                f"the class's {name} raises {kind}",
                partial(with_meta, name, property(raising(failure))),
            )
        for name in META_METHODS:
            yield f"the class's {name} raises {kind}", partial(with_meta, name, raising(failure))
        methods = [name for name in vars(str) if name not in NOT_METHODS]
        yield (
            f"methods of the message raise {kind}",
            partial(with_message, text_with_own(methods, failure)),
        )


def with_endless(name):
    """Return an exception that has another such exception as ``name``, each time it is asked."""
    return with_own(name, property(lambda self: with_endless(name)))


def with_name(name):
    error = with_own("with_traceback", raising(OSError))
    type(error).__qualname__ = name
    return error


def in_a_circle():
    first, second = ValueError("first"), with_own("with_traceback", raising(OSError))
    first.__cause__, second.__cause__ = second, first
    return second


class Sequence(list):
    def __iter__(self):
        while True:
            yield "a note"

    __len__ = raising(LookupError)


def with_notes(notes):
    error = with_own("number", 1)
    error.__notes__ = notes
    return error


class OwnSyntaxError(SyntaxError):
    lineno = property(raising(SystemExit))


class Attribute:
    __dir__ = raising(SystemExit)


def missing_attribute():
    try:
        return Attribute().nam
    except AttributeError as exc:
        return exc


HOSTILE = {
    **dict(own_ways()),
    "endless causes": lambda: with_endless("__cause__"),
    "endless contexts": lambda: with_endless("__context__"),
    "a circle of causes": lambda: in_a_circle(),
    "endless notes": lambda: with_notes(Sequence()),
    "notes that are no list": lambda: with_notes(text_with_own(["split"], LookupError)),
    "a note with methods of its own": lambda: with_notes([text_with_own(["split"], LookupError)]),
    "its class is said to be another": lambda: with_own("__class__", RunInterrupted),
    "a line that raises": lambda: OwnSyntaxError("too large"),
    "a dir() that raises": lambda: missing_attribute(),
    "a message that recurses": lambda: with_own("__str__", lambda self: str(self)),
    "no memory for the message": lambda: with_own("__str__", raising(MemoryError)),
    "a message that lies about its length": lambda: with_message(
        type("OwnStr", (str,), {"__len__": lambda self: 0, "splitlines": lambda self: []})("x")
    ),
    "a name that no type may have": lambda: with_name("A\ud800\0B"),
}
NAMES = list(HOSTILE)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_an_exception_does_when_it_is_looked_at_the_job_has_failed(log, name):
    error = HOSTILE[name]()
    execution = run(raises(error))
    assert execution.outcome == JobExecution.FAILED
    assert type(execution.error) is type(execution.traceback) is str
    assert execution.error
    if "__subclasscheck__" not in name:  # of which Python itself makes another exception
        assert error_line(error) == execution.error
        if name not in ("a line that raises", "a dir() that raises"):
            assert ", in job\n" in execution.traceback
    assert " failed after " in log.getvalue()


@pytest.mark.sweeps
@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_cause_does_when_it_is_looked_at_the_job_has_failed(log, name):
    def job(env):
        raise ValueError("the effect") from HOSTILE[name]()

    execution = run(job)
    assert (execution.outcome, execution.error) == (JobExecution.FAILED, "ValueError: the effect")
    assert "ValueError: the effect" in execution.traceback
    assert "ValueError: the effect" in log.getvalue()


@pytest.mark.sweeps
@pytest.mark.parametrize("name", NAMES)
def test_whatever_an_interruption_does_when_it_is_looked_at_it_is_one(name):
    error = HOSTILE[name]()
    if type(type(error)) is not type or not issubclass(type(error), Exception):
        pytest.skip("its class is no base")
    if issubclass(type(error), (SyntaxError, AttributeError)):
        pytest.skip("no class of two layouts")
    own = type("OwnInterruption", (type(error), RunInterrupted), {})
    assert run(raises(own("the runner is stopping"))).outcome == JobExecution.INTERRUPTED


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", ["__class__", "exceptions", "__getattribute__", "__eq__"])
def test_what_says_that_it_is_an_interruption_is_none(name, failure):
    assert not is_interruption(with_own(name, property(raising(failure))))
    assert not is_interruption(with_own("__class__", RunInterrupted))


def test_a_group_that_contains_itself_is_no_interruption():
    group = type("BaseExceptionGroup", (Exception,), {})()
    group.exceptions = (group,)
    assert not is_interruption(group)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has groups from 3.11 on")
def test_a_group_is_what_it_was_made_of_whatever_it_says(log):
    own = type("Own", (ExceptionGroup,), {"exceptions": (RunInterrupted(),)})  # noqa: F821
    execution = run(raises(own("two", [KeyError("one"), OSError("other")])))
    assert execution.outcome == JobExecution.FAILED
    for text in (execution.traceback, log.getvalue()):
        assert "two (2 sub-exceptions)\n  | KeyError: 'one'\n  | OSError: other\n" in text


def test_the_text_says_why_a_copy_is_shown():
    text = traceback_text(with_endless("__cause__"), LIMIT)
    assert text == (
        f"{__name__}.ShopError: too large\n"
        f"(shown by a copy: {__name__}.ShopError has its own __cause__)\n"
    )


def test_a_copy_has_the_causes():
    def job(env):
        try:
            try:
                raise KeyError("root")
            except KeyError as exc:
                raise LookupError("cause") from exc
        except LookupError:
            raise with_own("__traceback__", None)  # noqa: B904

    lines = run(job).traceback.splitlines()
    for line in ("KeyError: 'root'", "LookupError: cause", f"{__name__}.ShopError: too large"):
        assert line in lines
    assert any(line.startswith("During handling of the above exception") for line in lines)
    assert any(line.startswith("The above exception was the direct cause") for line in lines)


def test_an_exception_that_does_nothing_of_the_kind_is_shown_itself():
    class Own(Exception):
        def __init__(self, number):
            self.number = number

        def __str__(self):
            return f"order {self.number}"

        def __getattr__(self, name):
            raise AttributeError(name)

    for error in (Own(5), ValueError("too large"), OSError(2, "gone"), KeyError("x")):
        assert presentable(error) is error


@pytest.mark.parametrize("failure", FAILURES)
def test_the_exception_that_receivers_and_run_job_give_is_the_jobs_own(failure):
    error = with_own("__class__", property(raising(failure)))
    received = []

    def receive(exception, **facts):
        received.append(exception)

    execution_finished.connect(receive)
    try:
        ended = testing.run_job(a_job(raises(error)), catch_exceptions=True)
    finally:
        execution_finished.disconnect(receive)
    assert ended.exception is error
    assert received[0] is error


# Django itself logs the error of a receiver, as it is.
@pytest.mark.sweeps
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("endless")])
def test_whatever_the_error_of_a_receiver_does_the_outcome_stands(log, name):
    def receive(**facts):
        raise HOSTILE[name]()

    execution_finished.connect(receive)
    try:
        assert run(lambda env: None).outcome == JobExecution.SUCCEEDED
    finally:
        execution_finished.disconnect(receive)
    assert " failed" in log.getvalue()


# Results.


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", META_PROPERTIES + META_METHODS)
def test_a_result_whose_class_raises_when_it_is_looked_at_is_a_success(name, failure):
    value = raising(failure)
    cls = type(with_meta(name, property(value) if name in META_PROPERTIES else value))
    result = Exception.__new__(cls)
    assert run(lambda env: result).outcome == JobExecution.SUCCEEDED


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", ["__class__", "close", "__eq__", "__bool__", "__await__"])
def test_a_result_that_raises_when_it_is_looked_at_is_a_success(name, failure):
    result = type("Own", (), {name: property(raising(failure))})()
    assert run(lambda env: result).outcome == JobExecution.SUCCEEDED


@pytest.mark.parametrize("failure", FAILURES)
def test_a_generator_that_cannot_be_closed_is_refused_as_one(failure):
    def job(env):
        def begun():
            try:
                yield
            finally:
                raise failure

        result = begun()
        next(result)
        return result

    execution = run(job)
    assert execution.outcome == JobExecution.FAILED
    assert execution.error.startswith("TypeError: the job returned a generator, whose code is")
