"""The same ``jobs.py`` on Celery: any number of workers on any number of machines, one beat.

Needs the extra ``celery``. Only :func:`install` is public.
"""

from quick_jobs.contrib.celery.installation import install

__all__ = ["install"]
