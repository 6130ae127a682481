from __future__ import annotations

import gc
import warnings

import pytest
from django.utils.functional import SimpleLazyObject

from quick_jobs.runner.unfinished import refuse_unfinished


async def coroutine(): ...


async def async_generator():
    yield


def generator():
    yield


def refusal(result):
    with pytest.raises(TypeError) as error:
        refuse_unfinished(result)
    return str(error.value)


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (coroutine, "a coroutine"),
        (async_generator, "an async generator"),
        (generator, "a generator"),
        (lambda: (each for each in "abc"), "a generator"),
    ],
)
def test_a_result_whose_code_has_not_run_is_refused_and_closed(func, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = func()
        assert refusal(result).startswith(f"the job returned {name}, whose code is not run: ")
        del result
        gc.collect()  # what is not closed would warn that it was never awaited


def test_a_generator_that_has_begun_puts_things_in_order():
    ended = []

    def begun():
        try:
            yield
        finally:
            ended.append(True)

    result = begun()
    next(result)
    refusal(result)
    assert ended == [True]


def test_an_async_generator_that_has_begun_puts_things_in_order():
    ended = []

    async def begun():
        try:
            yield
        finally:
            ended.append(True)

    result = begun()
    with pytest.raises(StopIteration):
        result.__anext__().send(None)
    refusal(result)
    assert ended == [True]


def test_what_fails_while_it_is_closed_is_the_cause():
    def begun():
        try:
            yield
        finally:
            raise ValueError("in no order")

    result = begun()
    next(result)
    with pytest.raises(TypeError) as error:
        refuse_unfinished(result)
    assert repr(error.value.__cause__) == repr(ValueError("in no order"))


@pytest.mark.parametrize(
    "result",
    [0, "done", [], iter([]), map(str, []), coroutine, generator],
    ids=["int", "str", "list", "iterator", "map", "coroutine function", "generator function"],
)
def test_any_other_result_is_fine(result):
    refuse_unfinished(result)


def test_a_lazy_result_is_left_alone():
    refuse_unfinished(SimpleLazyObject(lambda: 1 / 0))
