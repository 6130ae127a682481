from __future__ import annotations

import functools
import inspect
from datetime import timedelta

import pytest

from quick_jobs import RunEnv, at, cron, register_job
from quick_jobs.registration import RegisteredJob, registered_as, schedule_of

ARGUMENTS = ["interval", "variance", "timeout"]


def plain(env: RunEnv) -> str:
    """Return what it was given."""
    return f"ran with {env}"


def passes_on(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapper


def register(argument, value):
    """Decorate ``plain`` with one argument that matters."""
    return register_job(**{"interval": 60, argument: value})(plain)


def test_numbers_are_seconds():
    job = register_job(60, 15.5, 300)(plain)
    assert job.interval == timedelta(minutes=1)
    assert job.variance == timedelta(seconds=15.5)
    assert job.timeout == timedelta(minutes=5)


def test_timedeltas_are_taken_as_they_are():
    job = register_job(
        interval=timedelta(days=1), variance=timedelta(hours=1), timeout=timedelta(minutes=1)
    )(plain)
    assert (job.interval, job.variance, job.timeout) == (
        timedelta(days=1),
        timedelta(hours=1),
        timedelta(minutes=1),
    )


def test_without_variance_and_timeout_there_is_none():
    job = register_job(0)(plain)
    assert (job.interval, job.variance, job.timeout) == (timedelta(0), timedelta(0), None)


def test_a_job_is_named_by_its_dotted_path():
    assert register_job(60)(plain).name == "tests.unit.test_registration.plain"


def test_a_job_can_be_called_by_hand():
    assert register_job(60)(plain)("the env") == "ran with the env"


def test_a_job_looks_like_its_function():
    job = register_job(60)(plain)
    assert job.__name__ == "plain"
    assert job.__module__ == __name__
    assert job.__doc__ == "Return what it was given."
    assert inspect.unwrap(job) is job._func is plain
    assert inspect.signature(job) == inspect.signature(plain)
    assert repr(job) == "<RegisteredJob tests.unit.test_registration.plain>"


@pytest.mark.parametrize(
    "attribute",
    ["name", "interval", "variance", "timeout", "schedule", "resume", "location"],
)
def test_what_is_known_of_a_job_is_read_only(attribute):
    with pytest.raises(AttributeError):
        setattr(register_job(60)(plain), attribute, None)


def test_the_functions_own_attributes_do_not_change_the_job():
    def job(env): ...

    job._interval = job.problem = "mine"
    assert register_job(60)(job).interval == timedelta(minutes=1)
    assert register_job(60)(job).problem() is None


def test_the_location_is_the_file_and_line_of_the_function():
    line = plain.__code__.co_firstlineno
    assert register_job(60)(plain).location == f"{plain.__code__.co_filename}, line {line}"


def test_the_location_is_not_that_of_a_decorator_below():
    assert register_job(60)(passes_on(plain)).location == register_job(60)(plain).location


def test_the_location_of_a_function_that_is_wrapped_in_itself_is_its_own():
    def circular(env): ...

    circular.__wrapped__ = circular
    line = circular.__code__.co_firstlineno
    assert register_job(60)(circular).location == f"{__file__}, line {line}"


def test_the_location_of_a_builtin_is_its_module():
    assert register_job(60)(print).location == "module builtins"


def test_disabled_it_stays_the_plain_function_unregistered():
    def disabled(env): ...

    assert register_job(60, enabled=False)(disabled) is disabled
    assert registered_as("tests.unit.test_registration.disabled") == ()


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("value", ["60", True, [60]], ids=repr)
def test_a_wrong_type_is_an_error_that_names_the_argument_and_the_function(argument, value):
    kinds = "a number of seconds or a timedelta"
    if argument == "interval":
        kinds = 'a number of seconds, a timedelta or a schedule: at("03:00"), cron("0 3 * * *")'
    with pytest.raises(TypeError) as error:
        register(argument, value)
    assert str(error.value) == (
        f"The {argument} of tests.unit.test_registration.plain must be {kinds}, not {value!r}"
    )


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(
    "value", [-1, timedelta(seconds=-1), float("nan"), float("inf"), 1e300, timedelta.max], ids=repr
)
def test_a_wrong_value_is_an_error_that_names_the_argument_and_the_function(argument, value):
    with pytest.raises(ValueError, match=f"^The {argument} of {__name__}.plain must"):
        register(argument, value)


def test_no_interval_is_an_error_that_names_it():
    with pytest.raises(TypeError, match="^The interval of .*plain must be .*, not None$"):
        register("interval", None)


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, timedelta(0)], ids=repr)
def test_a_timeout_of_zero_is_an_error_that_names_it(timeout):
    with pytest.raises(ValueError, match="^The timeout of .*plain must be more than 0, not "):
        register("timeout", timeout)


@pytest.mark.parametrize(
    "arguments", [{"interval": -1}, {"interval": 1, "timeout": 0}], ids=["interval", "timeout"]
)
def test_wrong_values_are_errors_of_a_disabled_job_too(arguments):
    with pytest.raises(ValueError, match="of tests.unit.test_registration.plain must"):
        register_job(**arguments, enabled=False)(plain)


def test_without_parentheses_the_error_says_how_to_write_it():
    with pytest.raises(TypeError, match=r"write @register_job\(interval\), .* above plain$"):
        register_job(plain)


@pytest.mark.parametrize("enabled", [True, False])
def test_registering_twice_is_an_error_that_explains(enabled):
    job = register_job(60)(plain)
    with pytest.raises(TypeError, match="plain is a registered job already: use .* once$"):
        register_job(60, enabled=enabled)(job)


class CallableInstance:
    def __call__(self, env): ...


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    "func",
    [functools.partial(plain), CallableInstance(), CallableInstance, None, 5],
    ids=["a partial", "an instance", "a class", "None", "a number"],
)
def test_what_is_no_function_is_an_error_that_says_so(func, enabled):
    with pytest.raises(TypeError, match="^@register_job needs a function with a name, not "):
        register_job(60, enabled=enabled)(func)


def test_a_partial_that_is_named_like_a_function_can_be_a_job():
    job = register_job(60)(functools.update_wrapper(functools.partial(plain), plain))
    assert job.name == "tests.unit.test_registration.plain"


def test_a_name_that_the_history_cannot_hold_is_a_problem():
    def job(env): ...

    job.__name__ = "j" * (255 - len(__name__) - 1)
    assert RegisteredJob(job, timedelta(0)).problem() is None
    job.__name__ += "j"
    problem = RegisteredJob(job, timedelta(0)).problem()
    assert problem == "has a name of 256 characters, at most 255 are possible"


def test_jobs_of_one_name_are_all_remembered():
    @register_job(60)
    def namesake(env): ...

    first = namesake

    @register_job(60)
    def namesake(env): ...

    assert registered_as("tests.unit.test_registration.namesake") == (first, namesake)


def test_a_job_that_is_registered_by_code_that_exec_runs_is_remembered():
    """As in the workers of pytest-xdist, all of whose work is run so."""

    def register():
        @register_job(60)
        def in_exec(env): ...

        return in_exec

    run = {"__name__": "nowhere", "register": register}
    exec("job = register()", run)
    assert registered_as(run["job"].name) == (run["job"],)


# Schedules.


class Own:
    def following(self, after): ...

    def __repr__(self):
        return "Own()"


@pytest.mark.parametrize("schedule", [at("03:00"), cron("0 3 * * *"), Own()], ids=repr)
def test_a_schedule_takes_the_place_of_an_interval(schedule):
    job = register_job(schedule, variance=300, timeout=60, resume=True)(plain)
    assert job.schedule is schedule
    assert (job.interval, job.variance) == (timedelta(0), timedelta(minutes=5))
    assert job.resume is True


def test_without_a_schedule_there_is_none_and_it_does_not_resume():
    job = register_job(60)(plain)
    assert (job.schedule, job.resume) == (None, False)


def test_a_class_is_no_schedule():
    with pytest.raises(TypeError, match=r"write @register_job\(interval\)"):
        register_job(Own)


@pytest.mark.parametrize("resume", [None, 1, "yes"], ids=repr)
def test_resume_is_true_or_false(resume):
    with pytest.raises(TypeError) as error:
        register_job(60, resume=resume)(plain)
    assert str(error.value) == (
        f"The resume of tests.unit.test_registration.plain must be True or False, not {resume!r}"
    )


def test_resume_is_given_by_name():
    with pytest.raises(TypeError):
        register_job(60, None, None, True, True)


def test_the_schedule_of_a_job_is_that_of_the_code_else_the_stored_one():
    @register_job(at("03:00"))
    def by_the_clock(env): ...

    @register_job(60)
    def by_interval(env): ...

    stored = "at('04:00')"
    assert schedule_of(by_the_clock.name, stored) == at("03:00")
    assert schedule_of(by_interval.name, stored) is None
    assert schedule_of("shop.jobs.gone", stored) == at("04:00")
    assert schedule_of("shop.jobs.gone", "Own()") is None
