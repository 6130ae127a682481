"""The system checks, as the commands of a real project run them."""

READS_A_TABLE = """
    from shop.models import Shop
    from quick_jobs import register_job

    NAMES = list(Shop.objects.values_list("name", flat=True))

    @register_job(60)
    def greet(env): ...
"""


def test_a_jobs_module_that_reads_a_table_does_not_keep_it_from_being_made(site):
    site.write(
        "shop/models.py",
        """
        from django.db import models

        class Shop(models.Model):
            name = models.CharField(max_length=10)
        """,
    )
    site.write("shop/jobs.py", READS_A_TABLE)
    site.settings(
        """
        DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "own.sqlite3"}
        del DATABASES["other"]
        """
    )
    for command in ("makemigrations shop", "migrate"):
        completed = site.run(*command.split())
        assert completed.returncode == 0, completed.stderr
        assert "WARNINGS:\n?: (quick_jobs.E006) " in completed.stderr
        assert "ERRORS:" not in completed.stderr
    completed = site.run("check")
    assert (completed.returncode, completed.stderr) == (0, "")
