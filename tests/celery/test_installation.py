"""What a site is told whose jobs or settings are not fit for Celery."""

import pytest

pytestmark = [pytest.mark.celery, pytest.mark.timeout(120)]


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_broken_jobs_module_ends_it_with_a_message(site, program):
    site.jobs("import no_such_module")
    process = site.start(program)
    assert process.wait(60) == 1
    assert "The jobs of the app 'shop' cannot be imported" in process.output
    assert "Traceback" not in process.output


def test_an_unsupported_pool_and_a_local_cache_are_told(site):
    site.jobs("""
        @register_job(interval=3600, timeout=1)
        def slow(env):
            pass
    """)
    site.settings("CELERY_WORKER_POOL = 'threads'")
    site.settings(
        "CACHES['default'] = {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}"
    )
    site.settings("import project")
    checked = site.run("check")
    assert "quick_jobs.W007" in checked.stderr
    assert "quick_jobs.W008" in checked.stderr
    site.settings("CELERY_WORKER_POOL = 'gevent'")
    assert "quick_jobs.E020" in site.run("check").stderr
