"""Where the documentation is."""

_ADDRESS = "https://django-quick-jobs.readthedocs.io/page/"


def documented(page: str, section: str = "") -> str:
    """Return the URL of a page of ``docs/``, by its name without ``.md``, and of its section."""
    return f"{_ADDRESS}{page}.html{'#' if section else ''}{section}"
