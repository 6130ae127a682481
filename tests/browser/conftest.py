"""Debian's Chromium, or the one that ``QUICK_JOBS_TEST_CHROMIUM`` names, driven by Playwright."""

import os

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from migrations_test_project.shop.history.three_days import make_history

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def site():
    """The tests' site in the languages that a browser asks for, and with a strict policy."""
    middleware = [
        "tests.browser.policy.strict_policy",
        *settings.MIDDLEWARE,
        "django.middleware.locale.LocaleMiddleware",
    ]
    with override_settings(MIDDLEWARE=middleware, LANGUAGE_CODE="en", USE_I18N=True):
        yield


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    # Playwright has an event loop in this thread, in which Django would not touch a database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        path = os.environ.get("QUICK_JOBS_TEST_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def shop(transactional_db):
    make_history(timezone.now())


@pytest.fixture
def open_page(chromium, live_server, shop, admin_client):
    """A function that opens an address of the admin, logged in; at the end there is no complaint.

    What a page complains of is what it writes to the console, the policy's violations among it.
    """
    contexts, complaints = [], []
    session = admin_client.cookies[settings.SESSION_COOKIE_NAME].value

    def complain(page, message):
        if not message.location["url"].endswith("/favicon.ico"):  # the tests' site has none
            complaints.append(f"{page.url}: {message.text}")

    def open_page(path, width=1280, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: complain(page, message))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        response = page.goto(f"{live_server.url}/admin/quick_jobs/{path}")
        assert response.ok, response.status
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
