"""Sites that still use job_runner, the alias for projects that come from django-quick-jobs 0.4."""

from datetime import timedelta

import pytest

from quick_jobs.models import JobExecution


@pytest.mark.parametrize("entry", ["job_runner", "job_runner.apps.JobRunnerConfig"])
def test_the_former_name_installs_the_app_quick_jobs(site, entry):
    site.settings(
        f"INSTALLED_APPS = [{entry!r} if app == 'quick_jobs' else app for app in INSTALLED_APPS]"
    )
    shown = site.run(
        "shell",
        "-c",
        "from django.apps import apps; config = apps.get_app_config('quick_jobs');"
        "print(config.name, config.verbose_name, apps.get_model('quick_jobs.Job'));"
        "from django.core.management import call_command;"
        "call_command('makemigrations', check=True, dry_run=True)",
    )
    assert shown.returncode == 0, shown.stderr
    assert "quick_jobs Quick Jobs <class 'quick_jobs.models.job.Job'>" in shown.stdout


def test_a_site_of_0_4_runs_as_it_is(site):
    """With no other app than its own, and with a row for what has run."""
    site.settings("INSTALLED_APPS = ['job_runner', 'shop']")
    site.settings("import random; random.random = lambda: 0")  # it could be 50 seconds
    site.write(
        "shop/jobs.py",
        """
        from job_runner.environment import RunEnv
        from job_runner.registration import register_job

        @register_job(10, 50)
        def greet(env: RunEnv):
            print("Good morning", flush=True)
            env.request_stop()
        """,
    )
    ended = site.run("run_jobs")
    assert (ended.returncode, ended.stdout) == (0, "Good morning\n")
    execution = JobExecution.objects.get()
    assert (execution.job.name, execution.outcome) == ("shop.jobs.greet", "succeeded")
    assert execution.job.variance == timedelta(seconds=50)
