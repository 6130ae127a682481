from __future__ import annotations

import importlib
import sys
import time
from textwrap import dedent

import pytest

from quick_jobs.discovery import (
    ImportFailed,
    JobsError,
    NameConflict,
    all_jobs,
    check_runnable,
    import_jobs_from_module,
    included_jobs,
    jobs_left_out,
    jobs_without,
    why_left_out,
)

TWO_JOBS = """
    from quick_jobs import register_job

    @register_job(60)
    def send_emails(env): ...

    @register_job(60, enabled=False)
    def disabled(env): ...

    @register_job(60)
    def clean_up(env): ...

    def helper(): ...
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules that can be imported during the test, and forget them afterwards."""
    written = set()
    # Sources that change within a second, at the same length, would pass for the compiled ones.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(path, source=""):
        written.add(path.split("/")[0].split(".")[0])
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            file.write_bytes(source)
        else:
            file.write_text(dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return str(file)

    yield write
    for name in list(sys.modules):
        if name.split(".")[0] in written:
            del sys.modules[name]


@pytest.fixture
def install(write, settings):
    """Make an app of each package, with ``jobs`` as its ``jobs.py``, and install only these."""

    def install(**jobs_of_apps):
        files = []
        for app, jobs in jobs_of_apps.items():
            write(f"{app}/__init__.py")
            files.append(write(f"{app}/jobs.py", jobs))
        settings.INSTALLED_APPS = list(jobs_of_apps)
        return files

    return install


def names(jobs):
    return [job.name for job in jobs]


def test_the_jobs_of_all_apps_are_found_sorted_by_name(install):
    install(shop=TWO_JOBS, blog=TWO_JOBS)
    assert names(all_jobs()) == [
        "blog.jobs.clean_up",
        "blog.jobs.send_emails",
        "shop.jobs.clean_up",
        "shop.jobs.send_emails",
    ]


def test_an_app_without_jobs_is_fine(write, settings):
    write("shop/__init__.py")
    settings.INSTALLED_APPS = ["shop", "django.contrib.contenttypes"]
    assert all_jobs() == []


def test_an_app_that_is_a_single_module_is_fine(write, settings):
    path = write("single.py", "from django.apps import AppConfig")
    write(
        "single_config.py",
        f"""
        from django.apps import AppConfig

        class SingleConfig(AppConfig):
            name = "single"
            path = {path!r}
        """,
    )
    settings.INSTALLED_APPS = ["single_config.SingleConfig"]
    assert all_jobs() == []


def test_an_app_may_be_installed_by_the_path_of_its_config(install, write, settings):
    install(shop=TWO_JOBS)
    write(
        "shop/configs.py",
        """
        from django.apps import AppConfig

        class ShopConfig(AppConfig):
            name = "shop"
            label = "the_shop"
        """,
    )
    settings.INSTALLED_APPS = ["shop.configs.ShopConfig"]
    assert names(all_jobs()) == ["shop.jobs.clean_up", "shop.jobs.send_emails"]


def test_an_app_may_be_in_a_package(write, settings):
    write("company/__init__.py")
    write("company/shop/__init__.py")
    write("company/shop/jobs.py", TWO_JOBS)
    settings.INSTALLED_APPS = ["company.shop"]
    assert names(all_jobs()) == ["company.shop.jobs.clean_up", "company.shop.jobs.send_emails"]


def test_jobs_may_be_a_package(install, write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py", "from shop.jobs.mail import *")
    write("shop/jobs/mail.py", TWO_JOBS + "\n    __all__ = ['send_emails']\n")
    settings.INSTALLED_APPS = ["shop"]
    assert names(all_jobs()) == ["shop.jobs.mail.clean_up", "shop.jobs.mail.send_emails"]


def test_a_job_that_two_modules_have_counts_once(install):
    install(shop=TWO_JOBS, blog="from shop.jobs import clean_up; clean_up_too = clean_up")
    assert names(all_jobs()) == ["shop.jobs.clean_up", "shop.jobs.send_emails"]


def test_looking_for_jobs_leaves_lazy_objects_alone(install):
    install(
        shop="""
        from django.utils.functional import SimpleLazyObject

        lazy = SimpleLazyObject(lambda: 1 / 0)
        """
    )
    assert all_jobs() == []


# A jobs module that cannot be imported


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("\nfrom quick_jobs import nonsense", "line 2: ImportError: cannot import name 'nonsense'"),
        ("import nonsense", "line 1: ModuleNotFoundError: No module named 'nonsense'"),
        ("import shop.nonsense", "line 1: ModuleNotFoundError: No module named 'shop.nonsense'"),
        ("\n\ndef f(:\n    pass", "line 3: SyntaxError: invalid syntax"),
        ("if True:\npass", "line 2: IndentationError: expected an indented block"),
        (b'"\xff"', "line 1: SyntaxError: (unicode error) 'utf-8' codec can't decode"),
        ("def f():\n    1 / 0\nf()", "line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit()", "line 2: SystemExit\n"),
        ("import sys\nsys.exit('bye')", "line 2: SystemExit: bye\n"),
        (
            "from quick_jobs import register_job\nregister_job(-1)(lambda env: None)",
            "line 2: ValueError: The interval of shop.jobs.<lambda> must be 0 or more, not -1",
        ),
        ("from quick_jobs import at\nat('25:00')", "line 2: '25:00' is not a time"),
    ],
)
def test_a_failing_import_tells_the_app_the_file_the_line_and_the_cause(install, source, cause):
    (file,) = install(shop=source)
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    start = f"The jobs of the app 'shop' cannot be imported: {file}, {cause}"
    assert f"{error.value}\n".startswith(start)
    assert error.value.problems == (str(error.value),)


def test_a_failing_import_tells_the_file_when_no_line_is_known(install):
    (file,) = install(shop=b"x = 1\0")
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    assert f"cannot be imported: {file}: " in str(error.value)
    assert str(error.value).endswith("Error: source code string cannot contain null bytes")


def test_a_failure_in_a_module_that_jobs_imports_tells_both_places(install, write):
    (file,) = install(shop="\nfrom shop import services")
    services = write("shop/services.py", "\n\nimport nonsense")
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    assert str(error.value) == (
        f"The jobs of the app 'shop' cannot be imported: {file}, line 2, raised in {services}, "
        "line 3: ModuleNotFoundError: No module named 'nonsense'"
    )


def test_a_syntax_error_in_a_module_that_jobs_imports_tells_both_places(install, write):
    (file,) = install(shop="\nfrom shop import services")
    write("shop/services.py", "\n\ndef f(:")
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    assert f"{file}, line 2: SyntaxError: " in str(error.value)
    assert "(services.py, line 3)" in str(error.value)


def test_every_app_whose_jobs_fail_is_told(install):
    install(shop="import nonsense", good=TWO_JOBS, blog="1 / 0")
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    shop, blog = error.value.problems
    assert shop.startswith("The jobs of the app 'shop' ")
    assert blog.startswith("The jobs of the app 'blog' ")
    assert str(error.value) == f"{shop}\n{blog}"


def test_ctrl_c_during_an_import_is_no_failure_of_it(install):
    install(shop="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        all_jobs()


# Names


def test_a_function_that_replaces_another_of_its_name_is_told_with_both_places(install):
    (file,) = install(
        shop="""
        from quick_jobs import register_job

        @register_job(60)
        def send_emails(env): ...

        @register_job(60)
        def send_emails(env): ...
        """
    )
    with pytest.raises(NameConflict) as error:
        all_jobs()
    assert str(error.value) == (
        "Jobs need names that differ, in more than upper and lower case:\n"
        f"  shop.jobs.send_emails ({file}, line 4)\n"
        f"  shop.jobs.send_emails ({file}, line 7)"
    )


def test_names_that_differ_only_in_case_are_told(install):
    install(
        shop="""
        from quick_jobs import register_job

        @register_job(60)
        def send_emails(env): ...

        @register_job(60)
        def Send_Emails(env): ...
        """
    )
    with pytest.raises(NameConflict, match=r"shop.jobs.send_emails \(.*\n.*shop.jobs.Send_Emails"):
        all_jobs()


def test_jobs_of_one_name_made_in_a_loop_are_told(install):
    install(
        shop="""
        from quick_jobs import register_job

        for tenant in "abc":
            @register_job(60)
            def sync(env): ...
        """
    )
    with pytest.raises(NameConflict) as error:
        all_jobs()
    assert str(error.value).count("shop.jobs.sync (") == 3


def test_jobs_of_different_names_made_in_a_loop_are_fine(install):
    install(
        shop="""
        from quick_jobs import register_job

        for tenant in "abc":
            def sync(env): ...
            sync.__name__ += f"_{tenant}"
            globals()[sync.__name__] = register_job(60)(sync)
        """
    )
    assert names(all_jobs()) == ["shop.jobs.sync_a", "shop.jobs.sync_b", "shop.jobs.sync_c"]


def test_a_decorator_that_gives_all_functions_its_own_name_is_told(install, write):
    write(
        "decorators.py",
        """
        def careless(func):
            def wrapper(env):
                return func(env)
            return wrapper
        """,
    )
    jobs = """
        from decorators import careless
        from quick_jobs import register_job

        @register_job(60)
        @careless
        def send_emails(env): ...
    """
    install(shop=jobs, blog=jobs)
    with pytest.raises(NameConflict) as error:
        all_jobs()
    assert str(error.value).count("decorators.wrapper") == 2


def test_a_disabled_job_of_the_same_name_is_fine(install):
    install(
        shop="""
        from quick_jobs import register_job

        @register_job(60, enabled=False)
        def send_emails(env): ...

        @register_job(60, enabled=True)
        def send_emails(env): ...
        """
    )
    assert names(all_jobs()) == ["shop.jobs.send_emails"]


def test_a_module_that_is_loaded_again_replaces_its_jobs(install, write):
    install(shop=TWO_JOBS, blog="from shop.jobs import clean_up")
    before = all_jobs()
    importlib.reload(sys.modules["shop.jobs"])
    after = all_jobs()
    assert names(after) == names(before)
    assert not set(after) & set(before)
    write("shop/jobs.py", "\n\n" + dedent(TWO_JOBS))
    importlib.reload(sys.modules["shop.jobs"])
    assert names(all_jobs()) == names(before)


# Included and excluded jobs


def test_included_jobs_may_be_in_any_module(install, write):
    install(shop=TWO_JOBS)
    write("scripts/nightly.py", TWO_JOBS)
    included = ["scripts.nightly.send_emails", "shop.jobs.send_emails", "scripts.nightly.clean_up"]
    assert names(included_jobs(included)) == sorted(included)


def test_a_job_that_is_included_twice_counts_once(install):
    install(shop=TWO_JOBS)
    assert names(included_jobs(["shop.jobs.clean_up"] * 2)) == ["shop.jobs.clean_up"]


def test_including_jobs_imports_no_other_modules(install):
    install(shop=TWO_JOBS, blog="1 / 0")
    assert names(included_jobs(["shop.jobs.clean_up"])) == ["shop.jobs.clean_up"]


def test_an_included_job_is_found_by_its_functions_name_and_by_its_attributes_path(install):
    install(
        shop="""
        from quick_jobs import register_job

        def send(env): ...
        send_emails = register_job(60)(send)
        """
    )
    assert names(included_jobs(["shop.jobs.send"])) == ["shop.jobs.send"]
    assert names(included_jobs(["shop.jobs.send_emails"])) == ["shop.jobs.send"]


@pytest.mark.parametrize("name", ["pie", "", ".", ".pie", "pie.", "shop..send", "..send"])
def test_an_included_name_that_is_no_dotted_path_is_told(name):
    with pytest.raises(JobsError, match="^'.*' is not the dotted path of a job, like ") as error:
        included_jobs([name])
    assert repr(name) in str(error.value)


def test_a_module_that_does_not_exist_is_told():
    with pytest.raises(JobsError) as error:
        included_jobs(["pie.jobs.eat"])
    assert str(error.value) == (
        "The module of the job pie.jobs.eat cannot be imported: "
        "ModuleNotFoundError: No module named 'pie'"
    )


def test_an_included_module_that_fails_to_import_is_told_with_the_line(write):
    file = write("nightly.py", "\nimport nonsense")
    with pytest.raises(JobsError) as error:
        included_jobs(["nightly.clean_up"])
    assert str(error.value) == (
        f"The module of the job nightly.clean_up cannot be imported: {file}, line 2: "
        "ModuleNotFoundError: No module named 'nonsense'"
    )


def test_a_package_around_an_included_module_that_fails_is_told_with_the_line(write):
    file = write("scripts/__init__.py", "\n1 / 0")
    write("scripts/nightly.py", TWO_JOBS)
    with pytest.raises(JobsError) as error:
        included_jobs(["scripts.nightly.clean_up"])
    assert f"cannot be imported: {file}, line 2: ZeroDivisionError: " in str(error.value)


def test_an_unknown_job_is_told_with_the_jobs_there_are(install):
    install(shop=TWO_JOBS)
    with pytest.raises(JobsError) as error:
        included_jobs(["shop.jobs.sned_emails"])
    assert str(error.value) == (
        "There is no job shop.jobs.sned_emails: "
        "the jobs there are shop.jobs.clean_up, shop.jobs.send_emails"
    )


def test_of_many_jobs_a_hint_lists_only_some(install):
    install(
        shop="""
        from quick_jobs import register_job

        for number in range(100):
            def job(env): ...
            job.__name__ = f"job_{number:02}"
            globals()[job.__name__] = register_job(60)(job)
        del job
        """
    )
    with pytest.raises(JobsError, match=r": the jobs there are shop.jobs.job_00, .*job_09, …$"):
        included_jobs(["shop.jobs.jobs"])


def test_an_unknown_job_in_a_module_without_jobs_is_told():
    with pytest.raises(JobsError, match="^There is no job os.path.eat: posixpath has no jobs$"):
        included_jobs(["os.path.eat"])


@pytest.mark.parametrize("name", ["disabled", "helper"])
def test_a_plain_function_is_told_to_be_none(install, name):
    install(shop=TWO_JOBS)
    with pytest.raises(JobsError) as error:
        included_jobs([f"shop.jobs.{name}"])
    assert str(error.value) == (
        f"There is no job shop.jobs.{name}: "
        f"{name} is not decorated with @register_job, or has enabled=False"
    )


def test_all_unknown_names_are_told_in_one_message(install):
    install(shop=TWO_JOBS)
    with pytest.raises(JobsError) as error:
        included_jobs(["shop.jobs.helper", "pie", "shop.jobs.clean_up", "pie.jobs.eat"])
    assert len(error.value.problems) == 3
    for name in ["shop.jobs.helper", "'pie'", "pie.jobs.eat"]:
        assert name in str(error.value)


def test_a_name_conflict_of_included_jobs_is_told(install):
    install(shop=TWO_JOBS + TWO_JOBS)
    with pytest.raises(NameConflict, match="shop.jobs.send_emails"):
        included_jobs(["shop.jobs.send_emails"])


def test_excluded_jobs_are_left_out_and_unknown_names_returned(install):
    install(shop=TWO_JOBS)
    jobs, unknown = jobs_without(["shop.jobs.send_emails", "shop.jobs.zzz", "pie"])
    assert names(jobs) == ["shop.jobs.clean_up"]
    assert unknown == ["pie", "shop.jobs.zzz"]


def test_the_jobs_of_one_module_are_found(write):
    write("nightly.py", TWO_JOBS)
    assert names(import_jobs_from_module("nightly")) == ["nightly.clean_up", "nightly.send_emails"]


def test_one_module_that_fails_to_import_is_told():
    with pytest.raises(ImportFailed, match="^The module pie cannot be imported: ModuleNotFound"):
        import_jobs_from_module("pie")


# Jobs that cannot be run


def test_every_job_that_cannot_be_run_is_told_with_its_place(install):
    (file,) = install(
        shop="""
        from quick_jobs import register_job

        @register_job(60)
        def good(env): ...

        @register_job(60)
        def invalid(): ...

        @register_job(60)
        def waiting(env):
            yield
        """
    )
    with pytest.raises(JobsError) as error:
        check_runnable(all_jobs())
    assert str(error.value) == (
        f"shop.jobs.invalid must take one argument, the RunEnv: def invalid(env) ({file}, line 7)\n"
        "shop.jobs.waiting is a generator function, which does nothing when called: "
        f"do without yield ({file}, line 10)"
    )
    check_runnable(included_jobs(["shop.jobs.good"]))


# Registered, wherever the module keeps it


DECORATORS = """
    import functools

    def timed(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            return func(*args, **kwargs)
        return wrapper

    def careless(func):
        return lambda env: func(env)

    def alone(func):
        def wrapper(env):
            return func(env)
        wrapper.__name__ = func.__name__
        return wrapper

    class Retried:
        def __init__(self, func):
            self.func = func

        def __call__(self, env):
            return self.func(env)

    class Slotted:
        __slots__ = ("func",)

        def __init__(self, func):
            self.func = func

        def __call__(self, env):
            return self.func(env)

    def opaque(func):
        kept.append(len(kept) and func)
        number = len(kept)
        return lambda env: number

    kept = []
"""


@pytest.fixture
def jobs_py(install, write):
    """Make ``shop/jobs.py`` of a source that may use what is in DECORATORS, and find its jobs."""
    write("decorators.py", DECORATORS)

    def jobs_py(source):
        prelude = (
            "import functools\nfrom decorators import *\nfrom quick_jobs import register_job\n"
        )
        install(shop=prelude + dedent(source))
        return all_jobs()

    return jobs_py


KEPT = {
    "a list": """
        def send(env): ...
        JOBS = [register_job(60)(send)]
        """,
    "a dict of tuples": """
        def send(env): ...
        JOBS = {"mail": (register_job(60)(send), 5)}
        """,
    "nothing": """
        def send(env): ...
        register_job(60)(send)
        """,
    "nothing, decorated below": """
        def send(env): ...
        register_job(60)(timed(send))
        """,
    "a name that is deleted": """
        @register_job(60)
        def send(env): ...
        del send
        """,
    "a staticmethod": """
        class Mails:
            @staticmethod
            @register_job(60)
            def send(env): ...
        """,
    "a job above a staticmethod": """
        class Mails:
            @register_job(60)
            @staticmethod
            def send(env): ...
        """,
    "a class in a class": """
        class Shop:
            class Mails:
                @staticmethod
                @register_job(60)
                def send(env): ...
        """,
    "a classmethod that is given the env": """
        class Mails:
            @classmethod
            @register_job(60)
            def send(env): ...
        """,
    "an object": """
        class Registry:
            jobs = ()
        registry = Registry()
        def send(env): ...
        registry.jobs = [register_job(60)(send)]
        """,
    "a function that makes jobs": """
        def make():
            @register_job(60)
            def send(env): ...
        make()
        """,
    "a condition": """
        if True:
            @register_job(60)
            def send(env): ...
        else:
            send = None
        """,
    "another name beside a decorated one": """
        @register_job(60)
        def send(env): ...
        timed_send = timed(send)
        """,
}


#: Decorators that register a function, remember that they did so, and return the function.
REGISTRIES = {
    "a list as an attribute of the function": """
        def every(func):
            every.jobs.append(register_job(60)(func))
            return func
        every.jobs = []
        """,
    "the newest as an attribute of the function": """
        def every(func):
            every.newest = register_job(60)(func)
            return func
        """,
    "an attribute of what it decorates": """
        def every(func):
            func.job = register_job(60)(func)
            return func
        """,
    "a list of an object": """
        class Every:
            def __init__(self):
                self.jobs = []

            def __call__(self, func):
                self.jobs.append(register_job(60)(func))
                return func
        every = Every()
        """,
    "a dict of an object, by its method": """
        class Registry:
            __slots__ = ("jobs",)

            def __init__(self):
                self.jobs = {}

            def add(self, func):
                self.jobs[func.__name__] = register_job(60)(func)
                return func
        every = Registry().add
        """,
    "a list in a closure": """
        def make():
            jobs = []
            def every(func):
                jobs.append(register_job(60)(func))
                return func
            return every
        every = make()
        """,
    "a list as a default": """
        def every(func, jobs=[]):
            jobs.append(register_job(60)(func))
            return func
        """,
    "a list in a partial": """
        def append(jobs, func):
            jobs.append(register_job(60)(func))
            return func
        every = functools.partial(append, [])
        """,
}

KEPT.update(
    (name, f"{dedent(source)}\n@every\ndef send(env): ...") for name, source in REGISTRIES.items()
)
KEPT["a function beside it that runs it"] = """
        def setup():
            @register_job(60)
            def send(env): ...
            def run_now():
                send(None)
            return run_now
        run_now = setup()
        """
KEPT["a decorated class"] = """
        def scheduled(cls):
            def run(env):
                cls().run(env)
            for name in ("__name__", "__qualname__", "__module__"):
                setattr(run, name, getattr(cls, name))
            register_job(60)(run)
            return cls

        @scheduled
        class send:
            def run(self, env): ...
        """


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_a_registered_job_is_run_wherever_its_module_keeps_it(jobs_py, source):
    jobs = jobs_py(source)
    assert names(jobs) == ["shop.jobs.send"]
    check_runnable(jobs)
    assert jobs_left_out() == []


def test_jobs_made_in_a_loop_are_run_though_only_the_last_has_a_name(jobs_py):
    jobs = jobs_py(
        """
        def named(name):
            def decorator(func):
                func.__name__ = name
                return func
            return decorator

        for tenant in "abc":
            @register_job(60)
            @named(f"sync_{tenant}")
            def sync(env): ...
        """
    )
    assert names(jobs) == ["shop.jobs.sync_a", "shop.jobs.sync_b", "shop.jobs.sync_c"]
    check_runnable(jobs)


def test_a_decorator_of_another_module_may_register_the_job(jobs_py, write):
    write("scheduling.py", "from quick_jobs import register_job\nhourly = register_job(3600)\n")
    jobs = jobs_py("from scheduling import hourly\n\n@hourly\ndef send(env): ...\ndel send")
    assert names(jobs) == ["shop.jobs.send"]


HIDDEN = {
    "functools.wraps": "@timed\n@register_job(60)\ndef send(env): ...",
    "two of them": "@timed\n@timed\n@register_job(60)\n@timed\ndef send(env): ...",
    "a closure": "@careless\n@register_job(60)\ndef send(env): ...",
    "a closure of that name": "@alone\n@register_job(60)\ndef send(env): ...",
    "a cache": "@functools.lru_cache(None)\n@register_job(60)\ndef send(env): ...",
    "an object": "@Retried\n@register_job(60)\ndef send(env): ...",
    "an object with slots": "@Slotted\n@register_job(60)\ndef send(env): ...",
    "transaction.atomic": (
        "from django.db.transaction import atomic\n@atomic\n@register_job(60)\ndef send(env): ..."
    ),
    "a partial": (
        "@register_job(60)\ndef send(env, color='blue'): ...\n"
        "send = functools.partial(send, color='red')"
    ),
    "a namespace of decorated": (
        "from types import SimpleNamespace\n"
        "def send(env): ...\nJOBS = SimpleNamespace(x=timed(register_job(60)(send)))"
    ),
    "a list of decorated": "def send(env): ...\nJOBS = [timed(register_job(60)(send))]",
    "decorated in a class": (
        "class Mails:\n    @staticmethod\n    @timed\n    @register_job(60)\n    def send(env): ..."
    ),
    "another name for the decorated": "def send(env): ...\nx = timed(register_job(60)(send))",
    "a registry, which does not make it less": (
        "JOBS = []\ndef keep(job):\n    JOBS.append(job)\n    return job\n"
        "@timed\n@keep\n@register_job(60)\ndef send(env): ..."
    ),
}


@pytest.mark.parametrize("source", HIDDEN.values(), ids=HIDDEN)
def test_a_job_below_a_decorator_is_refused_by_name_with_what_to_do(jobs_py, source):
    jobs = jobs_py(source)
    assert names(jobs) == ["shop.jobs.send"]
    with pytest.raises(JobsError) as error:
        check_runnable(jobs)
    (problem,) = error.value.problems
    assert problem.startswith(
        "shop.jobs.send is below another decorator, which would be ignored: "
        "put @register_job above all others ("
    )


def test_an_included_job_below_a_decorator_is_refused_too(jobs_py):
    jobs_py("@timed\n@register_job(60)\ndef send(env): ...")
    with pytest.raises(JobsError, match="^shop.jobs.send is below another decorator"):
        check_runnable(included_jobs(["shop.jobs.send"]))


@pytest.mark.parametrize(
    "source",
    [
        "@register_job(60)\ndef send(env): ...\n\ndef send(): ...",
        "@opaque\n@register_job(60)\ndef send(env): ...",
        "@register_job(60)\ndef send(env): ...\nsend = 5",
    ],
)
def test_a_job_whose_name_stands_for_something_else_is_refused(jobs_py, source):
    with pytest.raises(JobsError, match="^shop.jobs.send is replaced in its module by something"):
        check_runnable(jobs_py(source))


def test_a_job_that_is_not_enabled_may_be_decorated(jobs_py):
    assert jobs_py("@timed\n@register_job(60, enabled=False)\ndef send(env): ...") == []


@pytest.mark.parametrize("parameter", ["self", "cls"])
def test_a_method_is_refused(jobs_py, parameter):
    jobs = jobs_py(f"class Mails:\n    @register_job(60)\n    def send({parameter}): ...")
    with pytest.raises(JobsError, match="^shop.jobs.send is a method, which needs an object"):
        check_runnable(jobs)


def test_a_job_that_its_module_no_longer_has_after_a_reload_is_gone(install, write):
    install(shop=TWO_JOBS + "\n    JOBS = [send_emails]\n    del send_emails\n")
    assert names(all_jobs()) == ["shop.jobs.clean_up", "shop.jobs.send_emails"]
    write("shop/jobs.py", "")
    importlib.reload(sys.modules["shop.jobs"])
    for name in ("clean_up", "JOBS"):
        delattr(sys.modules["shop.jobs"], name)
    assert all_jobs() == []


def test_a_function_of_another_module_may_be_registered_anew_by_a_reload(install, write):
    write("shop/helpers.py", "def tidy(env): ...")
    install(
        shop="from quick_jobs import register_job\nfrom shop import helpers\n"
        "tidy_job = register_job(60)(helpers.tidy)"
    )
    assert names(all_jobs()) == ["shop.helpers.tidy"]
    importlib.reload(sys.modules["shop.jobs"])
    assert names(all_jobs()) == ["shop.helpers.tidy"]
    check_runnable(all_jobs())


# Submodules


def test_the_submodules_of_a_jobs_package_are_searched(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py")
    write("shop/jobs/emails.py", TWO_JOBS)
    write("shop/jobs/night/__init__.py")
    write("shop/jobs/night/reports.py", TWO_JOBS)
    settings.INSTALLED_APPS = ["shop"]
    assert names(all_jobs()) == [
        "shop.jobs.emails.clean_up",
        "shop.jobs.emails.send_emails",
        "shop.jobs.night.reports.clean_up",
        "shop.jobs.night.reports.send_emails",
    ]


def test_packages_of_jobs_need_no_init(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/emails.py", TWO_JOBS)
    write("shop/jobs/night/reports.py", TWO_JOBS)
    write("shop/jobs/sql/report.sql")
    settings.INSTALLED_APPS = ["shop"]
    assert len(all_jobs()) == 4
    assert "shop.jobs.sql" not in sys.modules


def test_tests_and_programs_in_a_jobs_package_are_left_alone(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py", TWO_JOBS)
    left_alone = ("test_emails", "emails_test", "tests/__init__", "conftest", "__main__")
    for name in (*left_alone, "backfill-2024", "0001_first"):
        write(f"shop/jobs/{name}.py", "1 / 0")
    settings.INSTALLED_APPS = ["shop"]
    assert len(all_jobs()) == 2


def test_below_a_jobs_package_with_an_init_folders_need_one_too(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py")
    write("shop/jobs/emails.py", TWO_JOBS)
    write("shop/jobs/scripts/backfill.py", "1 / 0")
    write("shop/jobs/templates/project/settings.py", "1 / 0")
    settings.INSTALLED_APPS = ["shop"]
    assert len(all_jobs()) == 2


def test_a_jobs_package_that_is_an_app_itself_is_not_taken_apart(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py")
    write("shop/jobs/admin.py", "1 / 0")
    write("shop/jobs/jobs.py", TWO_JOBS)
    settings.INSTALLED_APPS = ["shop", "shop.jobs"]
    assert names(all_jobs()) == ["shop.jobs.jobs.clean_up", "shop.jobs.jobs.send_emails"]


def test_every_submodule_that_fails_to_import_is_told(write, settings):
    write("shop/__init__.py")
    write("shop/jobs/__init__.py")
    files = [write(f"shop/jobs/{name}.py", "\nimport nonsense") for name in ("one", "two")]
    write("shop/jobs/works.py", TWO_JOBS)
    settings.INSTALLED_APPS = ["shop"]
    with pytest.raises(ImportFailed) as error:
        all_jobs()
    assert error.value.problems == tuple(
        f"The jobs of the app 'shop' cannot be imported: {file}, line 2: "
        "ModuleNotFoundError: No module named 'nonsense'"
        for file in files
    )


def test_a_decorated_job_of_a_submodule_is_refused_where_it_is_exported_too(write, settings):
    write("decorators.py", DECORATORS)
    write("shop/__init__.py")
    write("shop/jobs/__init__.py", "from shop.jobs.emails import send")
    write(
        "shop/jobs/emails.py",
        """
        from decorators import timed
        from quick_jobs import register_job

        @timed
        @register_job(60)
        def send(env): ...
        """,
    )
    settings.INSTALLED_APPS = ["shop"]
    with pytest.raises(JobsError, match="^shop.jobs.emails.send is below another decorator"):
        check_runnable(all_jobs())


# Jobs of modules that are imported and are no jobs modules


IMPORTS = [
    "from shop import emails",
    "import shop.emails",
    "from . import emails",
    "from .emails import helper",
    "from shop.emails import JOBS",
    "import importlib\nimportlib.import_module('shop.emails')",
    "import shop.services",
]


@pytest.mark.parametrize("source", IMPORTS)
def test_jobs_of_a_module_that_a_jobs_module_imports_are_told(install, write, source):
    write("shop/emails.py", TWO_JOBS + "\n    JOBS = [send_emails]\n")
    write("shop/services.py", "import shop.emails")
    install(shop=source)
    assert all_jobs() == []
    left_out = jobs_left_out()
    assert names(left_out) == ["shop.emails.clean_up", "shop.emails.send_emails"]
    assert why_left_out(left_out[1]).startswith(
        "shop.emails.send_emails is registered in shop.emails, where run_jobs does not look for "
        "jobs: move it to the jobs.py of an installed app, or import the job itself there, or "
    )


@pytest.mark.parametrize("source", IMPORTS[:5])
def test_they_are_told_as_well_when_their_module_was_imported_before(install, write, source):
    write("shop/emails.py", TWO_JOBS + "\n    JOBS = [send_emails]\n")
    install(shop=source)
    importlib.import_module("shop.emails")
    assert len(jobs_left_out()) == 2


def test_a_decorated_job_that_a_jobs_module_imports_is_told_to_be_below_a_decorator(install, write):
    write("decorators.py", DECORATORS)
    write(
        "shop/emails.py",
        """
        from decorators import timed
        from quick_jobs import register_job

        @timed
        @register_job(60)
        def send(env): ...
        """,
    )
    install(shop="from shop.emails import send")
    (left_out,) = jobs_left_out()
    assert why_left_out(left_out).startswith("shop.emails.send is below another decorator")


@pytest.mark.sweeps
def test_ten_thousand_jobs_are_found_in_seconds(install):
    install(
        shop="""
        from quick_jobs import register_job

        for number in range(10_000):
            def job(env): ...
            job.__name__ = f"job_{number}"
            if number % 2:
                globals()[job.__name__] = register_job(60)(job)
            else:
                register_job(60)(job)
        """
    )
    before = time.monotonic()
    jobs = all_jobs()
    check_runnable(jobs)
    assert jobs_left_out() == []
    assert len(jobs) == 10_000
    assert time.monotonic() - before < 10


def test_jobs_of_a_module_are_told_whoever_imports_it(install, write):
    write("shop/views.py", TWO_JOBS)
    install(shop=TWO_JOBS)
    assert jobs_left_out() == []
    importlib.import_module("shop.views")
    assert names(jobs_left_out()) == ["shop.views.clean_up", "shop.views.send_emails"]
    assert names(all_jobs()) == ["shop.jobs.clean_up", "shop.jobs.send_emails"]


@pytest.mark.parametrize("name", ["shop.tests.test_emails", "shop.test_emails", "shop.tests"])
def test_jobs_of_tests_are_not_told(install, write, name):
    write("shop/tests/__init__.py", TWO_JOBS)
    write("shop/tests/test_emails.py", TWO_JOBS)
    write("shop/test_emails.py", TWO_JOBS)
    install(shop="import os")
    importlib.import_module(name)
    assert jobs_left_out() == []


def test_a_job_that_a_jobs_module_imports_is_run_and_not_told(install, write):
    write("shop/emails.py", TWO_JOBS)
    install(shop="from shop.emails import clean_up, send_emails", blog="import shop.jobs")
    assert names(all_jobs()) == ["shop.emails.clean_up", "shop.emails.send_emails"]
    assert jobs_left_out() == []


def test_the_jobs_of_another_app_are_run_once_whoever_imports_their_module(install):
    install(blog="import shop.jobs\nfrom shop import jobs", shop=TWO_JOBS)
    assert names(all_jobs()) == ["shop.jobs.clean_up", "shop.jobs.send_emails"]
    assert jobs_left_out() == []


# Paths of attributes


@pytest.fixture
def tidy(install, write):
    """A function of one module that another has registered."""
    write("shop/helpers.py", "def tidy(env): ...")
    install(
        blog="",
        shop="""
        from quick_jobs import register_job
        from shop import helpers

        tidy_job = register_job(60)(helpers.tidy)

        class Mails:
            @staticmethod
            @register_job(60)
            def send(env): ...
        """,
    )


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("shop.helpers.tidy", "shop.helpers.tidy"),
        ("shop.jobs.tidy_job", "shop.helpers.tidy"),
        ("shop.jobs.send", "shop.jobs.send"),
        ("shop.jobs.Mails.send", "shop.jobs.send"),
    ],
)
def test_a_job_is_included_and_excluded_by_its_name_and_by_its_attributes_path(tidy, name, job):
    assert names(included_jobs([name])) == [job]
    left, unknown = jobs_without([name])
    assert len(left) == 1
    assert job not in names(left)
    assert unknown == []


def test_both_paths_of_one_job_are_one_job(tidy):
    assert len(included_jobs(["shop.helpers.tidy", "shop.jobs.tidy_job"])) == 1


def test_a_job_that_is_not_found_is_told_with_the_modules_that_could_not_be_imported(tidy, write):
    write("blog/jobs.py", "1 / 0")
    with pytest.raises(JobsError) as error:
        included_jobs(["shop.helpers.tdiy"])
    first, second = error.value.problems
    assert first == "There is no job shop.helpers.tdiy: the jobs there are shop.helpers.tidy"
    assert second.startswith("The jobs of the app 'blog' cannot be imported: ")


def test_an_attribute_of_a_class_that_is_no_job_is_told(tidy):
    with pytest.raises(JobsError, match="^There is no job shop.jobs.Mails.other: "):
        included_jobs(["shop.jobs.Mails.other"])
    with pytest.raises(JobsError, match="^The module of the job shop.jobs.Nails.send cannot be"):
        included_jobs(["shop.jobs.Nails.send"])
