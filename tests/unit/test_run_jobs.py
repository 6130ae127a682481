"""``manage.py run_jobs``, as far as it does not need a process."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection


def test_an_sqlite_that_is_too_old_is_told(transactional_db, monkeypatch, capsys, sample_jobs):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 23, 1))
    monkeypatch.setattr("sqlite3.sqlite_version", "3.23.1")
    if connection.vendor != "sqlite":
        pytest.skip("it is no matter where the history is elsewhere")
    with pytest.raises(SystemExit, match="1"):
        call_command("run_jobs", f"--include-job={sample_jobs}.sample_job_1")
    assert capsys.readouterr().err == (
        "The job history needs SQLite 3.24 or newer, and Python has 3.23.1.\n"
    )


def test_a_trial_run_is_not_reloaded():
    with pytest.raises(CommandError, match="not allowed with argument"):
        call_command("run_jobs", "--reload", "--trial-run")


def test_a_run_on_a_timer_has_no_alive_file(tmp_path, capsys):
    with pytest.raises(SystemExit, match="1"):
        call_command("run_jobs", "--once", "--alive-file", str(tmp_path / "alive"))
    assert capsys.readouterr().err == "--alive-file and --once exclude each other.\n"
    assert list(tmp_path.iterdir()) == []
