"""The URL of a row's page in the admin, if the site's address is known."""

from __future__ import annotations

from typing import Optional

from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.urls import NoReverseMatch, reverse, set_script_prefix

# The domain that django.contrib.sites has until somebody changes it.
_NOT_SET_UP = "example.com"


def admin_url(row: Model) -> Optional[str]:
    """Return the URL of a row's page in the admin, None if the address is not known.

    The site's address is that of ``django.contrib.sites``. This may wait for the database.
    """
    if not apps.is_installed("django.contrib.sites"):
        return None
    from django.contrib.sites.models import Site

    domain = Site.objects.get_current().domain
    if not domain or domain == _NOT_SET_UP:
        return None
    set_script_prefix("/" if settings.FORCE_SCRIPT_NAME is None else settings.FORCE_SCRIPT_NAME)
    try:
        path = reverse(f"admin:quick_jobs_{row._meta.model_name}_change", args=(row.pk,))
    except NoReverseMatch:
        return None
    is_secure = settings.SECURE_SSL_REDIRECT or settings.SESSION_COOKIE_SECURE
    return f"{'https' if is_secure else 'http'}://{domain}{path}"
