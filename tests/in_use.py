"""Fixtures for the tests of rows of other apps that refer to the history."""

import pytest
from django.apps import apps
from django.contrib.contenttypes.fields import GenericRelation
from django.db import connection
from django.test import override_settings

from quick_jobs.models import JobExecution


@pytest.fixture
def shop(transactional_db, settings):
    """Install the app ``tests.shop`` with its tables; return its models by name."""
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.shop"]):
        apps.clear_cache()  # its models are new to the others the first time only
        models = {model.__name__: model for model in apps.get_app_config("shop").get_models()}
        with connection.schema_editor() as editor:
            for model in models.values():
                editor.create_model(model)
        yield type("Shop", (), models)
        with connection.schema_editor() as editor:
            for model in reversed(list(models.values())):
                editor.delete_model(model)
    connection.close()


@pytest.fixture
def tags(shop):
    """Let executions have generic relations to ``shop.Tag`` and ``shop.Mark``."""
    before = list(JobExecution._meta.private_fields)
    GenericRelation(shop.Tag).contribute_to_class(JobExecution, "tags")
    GenericRelation(shop.Mark).contribute_to_class(JobExecution, "marks")
    yield shop
    JobExecution._meta.private_fields[:] = before
    del JobExecution.tags, JobExecution.marks
    apps.clear_cache()
