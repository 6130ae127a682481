"""Exceptions and stacks as text that every database can store."""

from quick_jobs.tracebacks.exceptions import (
    MAX_ERROR,
    class_name,
    error_line,
    members_of,
    next_in_chain,
    traceback_of,
)
from quick_jobs.tracebacks.fingerprints import (
    fingerprint_of,
    fingerprint_of_outcome,
    without_values,
)
from quick_jobs.tracebacks.formatting import Shown, presentable, shown, traceback_text
from quick_jobs.tracebacks.stacks import (
    Place,
    coroutine_frames,
    frames_text,
    job_frames,
    places_of,
    places_text,
    threads_frames,
    user_traceback,
)
from quick_jobs.tracebacks.texts import storable

__all__ = [
    "MAX_ERROR",
    "Place",
    "Shown",
    "class_name",
    "coroutine_frames",
    "error_line",
    "fingerprint_of",
    "fingerprint_of_outcome",
    "frames_text",
    "job_frames",
    "members_of",
    "next_in_chain",
    "places_of",
    "places_text",
    "presentable",
    "shown",
    "storable",
    "threads_frames",
    "traceback_of",
    "traceback_text",
    "user_traceback",
    "without_values",
]
