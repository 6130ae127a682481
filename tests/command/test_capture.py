"""What executions say is kept, and goes where it went before."""

import re
import signal

import pytest

# Puts what is kept of each execution where the test finds it.
KEEPS = """
import logging
import sys
import warnings

from quick_jobs import register_job
from quick_jobs.runner.execution import Execution
from quick_jobs.runner.loop import Runner

logger = logging.getLogger("shop.mail")
on_ended = Runner._on_ended


def keep(runner, execution):
    with open(execution.name + ".txt", "w", encoding="utf-8") as file:
        file.write(execution.log)
    on_ended(runner, execution)


Runner._on_ended = keep


@register_job(3600)
def speaks(env):
    print("printed: naïve")
    logger.info("an info")
    logger.warning("a warning")
    logging.getLogger("django.request").info("Django's own level")
    print("to stderr", file=sys.stderr)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("do not")
    sys.stdout.buffer.write(b"bytes\\n")
    print("no end", end="", flush=True)
    env.request_stop()
"""

EXPECTED = [
    "stdout   printed: naïve",
    "INFO     shop.mail  an info",
    "WARNING  shop.mail  a warning",
    "INFO     django.request  Django's own level",
    "stderr   to stderr",
    "stderr   <jobs.py>: UserWarning: do not",
    'stderr     warnings.warn("do not")',
    "stdout   bytes",
    "stdout   no end",
]


#: A site's own, in which the level of Django's loggers stays.
OF_A_SITE = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
"""


def without_path(text):
    return re.sub(r"\S*/jobs.py:\d+", "<jobs.py>", text)


def run(site):
    """Run the job to its end; return what the terminal shows."""
    runner = site.start("run_jobs", "--verbosity", "0")
    assert runner.wait() == 0, runner.output
    return without_path(runner.output)


def kept(site):
    """Return the lines that are kept of the job, without their times."""
    text = without_path((site.path / "shop.jobs.speaks.txt").read_text(encoding="utf-8"))
    return [re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "", line) for line in text.splitlines()]


@pytest.mark.parametrize("logging", ["", OF_A_SITE], ids=["Django's LOGGING", "a site's"])
def test_what_a_job_says_is_kept_and_the_terminal_shows_what_it_did(site, logging):
    site.write("shop/jobs.py", KEEPS)
    site.settings(logging)
    terminal = run(site)
    assert kept(site) == EXPECTED
    site.settings('QUICK_JOBS_LOG = "off"')
    assert run(site) == terminal
    assert kept(site) == []


def test_what_a_job_prints_is_on_the_terminal_at_once(site):
    site.write("shop/jobs.py", KEEPS.replace("env.request_stop()", "env.sleep(3600)"))
    runner = site.start("run_jobs", env={"PYTHONUNBUFFERED": ""})
    runner.wait_for_output("to stderr")
    assert "printed: naïve\n" in runner.output
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output
    assert kept(site) == EXPECTED
