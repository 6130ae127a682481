"""What jobs log and print, kept apart for each execution."""

from quick_jobs.capture.captured import Capture
from quick_jobs.capture.current import Capturing
from quick_jobs.capture.installation import installed, new_capture

__all__ = ["Capture", "Capturing", "installed", "new_capture"]
