from __future__ import annotations

import importlib
import sys
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
    jobs_without,
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
        async def waiting(env): ...
        """
    )
    with pytest.raises(JobsError) as error:
        check_runnable(all_jobs())
    assert str(error.value) == (
        f"shop.jobs.invalid must take one argument, the RunEnv: def invalid(env) ({file}, line 7)\n"
        "shop.jobs.waiting is an async function, which does nothing when called: "
        f"make it a plain def ({file}, line 10)"
    )
    check_runnable(included_jobs(["shop.jobs.good"]))
