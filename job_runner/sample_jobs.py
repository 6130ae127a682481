"""Two jobs to try ``manage.py run_jobs --include-job`` with."""

from __future__ import annotations

from datetime import datetime

from quick_jobs import RunEnv, register_job


@register_job(5)
def sample_job_1(env: RunEnv) -> None:
    """Print the time every 5 seconds."""
    print(f"sample_job_1 runs at {datetime.now():%H:%M:%S}")


@register_job(5, enabled=False)
def sample_job_disabled(env: RunEnv) -> None:
    """Stay a plain function, which no runner runs."""
    print("sample_job_disabled was called by hand")
