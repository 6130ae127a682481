"""How Sphinx builds the documentation site: `.ci/docs`."""

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()  # autodoc imports models

from quick_jobs import __version__  # noqa: E402

project = "django-quick-jobs"
author = "the django-quick-jobs authors"
copyright = "the django-quick-jobs authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
suppress_warnings = ["misc.highlighting_failure"]  # blocks that leave something out with `...`

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"django-quick-jobs {release}"
html_theme_options = {
    "source_repository": "https://github.com/Hovercross/django-quick-jobs/",
    "source_branch": "main",
    "source_directory": "docs/",
}
