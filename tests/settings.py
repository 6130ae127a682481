"""The tests' settings: the environment says which database they run on.

``QUICK_JOBS_TEST_DATABASE`` is ``sqlite``, ``postgresql`` or ``mariadb``; the
server and the login can be changed with ``QUICK_JOBS_TEST_DB_HOST``, ``…_PORT``,
``…_USER`` and ``…_PASSWORD``.
"""

import copy
import os
import tempfile

_SERVERS = {
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "PORT": "5432",
        "USER": "postgres",
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "PORT": "3306",
        "USER": "root",
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"CHARSET": "utf8mb4"},
    },
}


# A project under test is told the test database; every run of the tests has its own.
_NAME = os.environ.get("QUICK_JOBS_TEST_DB_NAME", f"quick_jobs_{os.getpid()}")


def _database(name):
    kind = os.environ.get("QUICK_JOBS_TEST_DATABASE", "sqlite")
    if kind == "sqlite":
        # In memory it would belong to one connection, and every thread has its own.
        path = os.path.join(tempfile.gettempdir(), f"test_{name}.sqlite3")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": {"timeout": 20},
            "TEST": {"NAME": path},
        }
    # A copy for each alias: pytest-django writes a worker's names into it.
    database = {"NAME": name, "HOST": "127.0.0.1", **copy.deepcopy(_SERVERS[kind])}
    for key in ("HOST", "PORT", "USER", "PASSWORD"):
        if f"QUICK_JOBS_TEST_DB_{key}" in os.environ:
            database[key] = os.environ[f"QUICK_JOBS_TEST_DB_{key}"]
    return database


#: The second is for the tests of what a router decides.
DATABASES = {"default": _database(_NAME), "other": _database(f"{_NAME}_other")}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_admin_listfilter_dropdown",
    "quick_jobs",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "tests.urls"
SECRET_KEY = "of the tests"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
TIME_ZONE = "UTC"
