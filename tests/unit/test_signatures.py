from __future__ import annotations

import functools
from operator import attrgetter

import django
import pytest

from quick_jobs.signatures import is_async, problem_of


def passes_on(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


class CallableInstance:
    def __call__(self, env): ...


def takes_env(env): ...


def takes_env_and_options(env, *, color="blue", **options): ...


def takes_any(*args): ...


@passes_on
def is_decorated(env): ...


def provides_a_session(func):
    @functools.wraps(func)
    def wrapper(env):
        return func(env, "session")

    return wrapper


@provides_a_session
def is_given_more(env, session): ...


@passes_on
@provides_a_session
def is_given_more_below(env, session): ...


@pytest.mark.parametrize(
    "func",
    [
        takes_env,
        takes_env_and_options,
        takes_any,
        is_decorated,
        is_given_more,
        is_given_more_below,
        lambda env: None,
        print,
        max,  # Python cannot tell its signature
        CallableInstance().__call__,
    ],
)
def test_a_function_that_takes_one_argument_has_no_problem(func):
    assert problem_of(func) is None


def takes_nothing(): ...


def takes_two(env, session): ...


def takes_a_keyword(*, env): ...


@passes_on
def decorated_takes_nothing(): ...


@passes_on
@passes_on
def twice_decorated_takes_two(env, session): ...


@pytest.mark.parametrize(
    "func",
    [
        takes_nothing,
        takes_two,
        takes_a_keyword,
        decorated_takes_nothing,
        twice_decorated_takes_two,
    ],
)
def test_a_function_that_does_not_take_one_argument_is_a_problem(func):
    assert problem_of(func) == (f"must take one argument, the RunEnv: def {func.__name__}(env)")


async def awaits(env): ...


async def is_async_generator(env):
    yield


def is_generator(env):
    yield


@passes_on
async def is_async_below(env): ...


@passes_on
@provides_a_session
async def is_async_far_below(env, session): ...


class CallableAsync:
    __name__ = "call"

    async def __call__(self, env): ...


class HasMethods:
    async def is_async(self, env): ...

    def is_generator(self, env):
        yield


@pytest.mark.parametrize(
    ("func", "kind"),
    [
        (is_async_generator, "a generator function"),
        (is_generator, "a generator function"),
        (
            functools.update_wrapper(functools.partial(is_generator), takes_env),
            "a generator function",
        ),
        (HasMethods().is_generator, "a generator function"),
    ],
)
def test_a_function_that_would_do_nothing_is_a_problem(func, kind):
    problem = problem_of(func)
    assert problem.startswith(f"is {kind}, which does nothing when called: ")


ASYNC = [
    awaits,
    functools.update_wrapper(functools.partial(awaits), awaits),
    CallableAsync(),
    HasMethods().is_async,
]
ASYNC_BELOW = [
    is_async_below,
    is_async_far_below,
    functools.update_wrapper(functools.partial(is_async_below), takes_env),
]


@pytest.mark.parametrize("func", [*ASYNC, *ASYNC_BELOW])
@pytest.mark.skipif(django.VERSION < (3, 0), reason="needs asgiref")
def test_an_async_function_has_no_problem(func):
    assert problem_of(func) is None


@pytest.mark.parametrize("func", ASYNC)
@pytest.mark.skipif(django.VERSION >= (3, 0), reason="this Django can run it")
def test_an_async_function_is_a_problem_where_django_has_nothing_async(func):
    problem = problem_of(func)
    assert problem.startswith("is an async function, which does nothing when called: ")


@pytest.mark.parametrize("func", ASYNC_BELOW)
@pytest.mark.skipif(django.VERSION >= (3, 0), reason="this Django can run it")
def test_an_async_function_below_a_decorator_is_a_problem_that_says_so(func):
    assert problem_of(func) == (
        "is an async function, below a decorator: call it from a plain def with async_to_sync"
    )


def test_a_function_that_is_wrapped_in_itself_is_judged_by_its_own_signature():
    def circular(*args): ...

    circular.__wrapped__ = circular
    circular.__qualname__ = "Jobs.circular"
    assert problem_of(circular) is None


@pytest.mark.skipif(django.VERSION < (3, 0), reason="needs asgiref")
def test_an_async_function_that_async_to_sync_runs_is_a_plain_one():
    from asgiref.sync import async_to_sync

    assert is_async(awaits)
    job = functools.update_wrapper(async_to_sync(awaits), awaits)
    assert problem_of(job) is None
    assert not is_async(job)


class Methods:
    def of_an_object(self): ...

    @passes_on
    def decorated(self, env): ...

    def is_fine(env): ...  # noqa: N805

    def is_bound(self, env): ...


@pytest.mark.parametrize(
    "method", [Methods.of_an_object, Methods.decorated], ids=attrgetter("__name__")
)
def test_a_method_without_an_object_is_a_problem(method):
    assert problem_of(method) == (
        "is a method, which needs an object to be called on: make it a function, "
        f"or a @staticmethod that takes the RunEnv: def {method.__name__}(env)"
    )


@pytest.mark.parametrize(
    "method", [Methods.is_fine, Methods().is_bound], ids=attrgetter("__name__")
)
def test_a_function_of_a_class_that_needs_no_object_has_no_problem(method):
    assert problem_of(method) is None
