"""The runner: the loop that starts jobs when they are due, and the threads that run them."""

from quick_jobs.runner.loop import Runner
from quick_jobs.runner.options import RunnerOptions

__all__ = ["Runner", "RunnerOptions"]
