"""What ``run_jobs`` shows where no logging is configured for ``quick_jobs``."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Iterator

_EXECUTIONS = "quick_jobs.execution"

# By --verbosity: failures and warnings; every execution's end as well; its start as well;
# everything.
_LEVELS = {
    0: {"quick_jobs": logging.WARNING},
    1: {"quick_jobs": logging.INFO},
    2: {"quick_jobs": logging.INFO, _EXECUTIONS: logging.DEBUG},
    3: {"quick_jobs": logging.DEBUG},
}


@contextlib.contextmanager
def log_to_console(verbosity: int) -> Iterator[None]:
    """Show the log on standard error, unless the site has configured where it goes."""
    logger = logging.getLogger("quick_jobs")
    if logger.hasHandlers():
        yield
        return
    levels = {logging.getLogger(name): level for name, level in _LEVELS[verbosity].items()}
    before = {each: each.level for each in levels}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    for each, level in levels.items():
        each.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for each, level in before.items():
            each.setLevel(level)
