"""Runs the same ``jobs.py`` on Celery: any number of workers and machines, and one beat.

Needs the extra ``celery``. Only :func:`install` is public.
"""

from quick_jobs.contrib.celery.installation import install

__all__ = ["install"]
