"""Long texts, such as tracebacks and logs, that can be scrolled and copied."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.translation import gettext as _


def copyable(text: str, name: str) -> str:
    """Return HTML of ``text`` with a button that copies it; long lines scroll inside.

    ``name`` distinguishes it from the page's other texts.
    """
    return format_html(
        '<div class="qj-copy"><button type="button" class="qj-copy-button" data-copied="{}">{}'
        '</button><pre class="qj-traceback" tabindex="0" data-name="{}">{}</pre></div>',
        _("Copied"),
        _("Copy"),
        name,
        text,
    )
