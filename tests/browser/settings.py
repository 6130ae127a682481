"""Settings for tests in a browser: languages as it asks for them, and a strict policy."""

from tests.settings import *  # noqa: F403
from tests.settings import MIDDLEWARE

MIDDLEWARE = [
    "tests.browser.policy.strict_policy",
    *MIDDLEWARE,
    "django.middleware.locale.LocaleMiddleware",
]
USE_I18N = True
LANGUAGE_CODE = "en"
