"""The documents tell of all that there is and of nothing else, and their links lead somewhere."""

import re

import pytest
from django.core.management import load_command_class

from quick_jobs import alerts, signals
from quick_jobs.conf import DEFAULTS
from quick_jobs.environment import RunEnv
from quick_jobs.models import JobExecution
from tests.documents import PATHS, anchors, links, without_blocks
from tests.site import ROOT

TEXT = "\n".join(map(without_blocks, PATHS))
HERE = re.compile(r"https://github.com/Hovercross/django-quick-jobs/(blob|raw)/HEAD/")
CODE = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("quick_jobs/**/*.py"))


def options_of(app, command):
    parser = load_command_class(app, command).create_parser("manage.py", command)
    return {name for name in parser._option_string_actions if name.startswith("--")}


def test_all_options_are_told_and_no_others():
    told = set(re.findall(r"`(--[a-z-]+)", TEXT))
    of_every_command = options_of("django.core", "check")
    commands = ("check_jobs", "run_job", "run_jobs", "prune_job_history")
    ours = set().union(*(options_of("quick_jobs", command) for command in commands))
    assert told - of_every_command == ours - of_every_command


def test_all_settings_are_told_and_no_others():
    assert set(re.findall(r"`(QUICK_JOBS_(?!TEST_)\w+)`", TEXT)) == set(DEFAULTS)


def test_all_that_env_has_is_told_and_nothing_else():
    told = set(re.findall(r"`env\.(\w+)", TEXT))
    slots = set(RunEnv.__slots__)  # the runner's side of it
    assert told == {name for name in vars(RunEnv) if not name.startswith("_")} - slots


def test_all_outcomes_are_told():
    for outcome, _ in JobExecution.OUTCOMES:
        assert f"| `{outcome}` |" in TEXT


def test_all_signals_are_told():
    section = without_blocks(ROOT / "docs" / "signals.md")
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(signals.__all__)


def test_all_kinds_of_alerts_are_told():
    section = without_blocks(ROOT / "docs" / "alerts.md").split("## ")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(alerts.KINDS)


def test_the_pages_and_sections_that_the_code_names_exist():
    named = re.findall(r"\bdocumented\(['\"]([\w-]+)['\"](?:, ['\"]([\w-]+)['\"])?\)", CODE)
    assert named
    for page, section in named:
        path = ROOT / "docs" / f"{page}.md"
        assert path.is_file(), page
        assert not section or section in anchors(path), (page, section)


def test_messages_name_no_files_of_the_documents():
    assert re.findall(r"[^`]docs/[\w-]+\.md", CODE) == []


def test_every_page_is_in_the_site():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.stem for path in ROOT.glob("docs/*.md")} - {"index"}
    assert pages == set(re.findall(r"^([\w-]+)$", index, re.M))


def test_the_readme_is_short():
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 180


def test_all_checks_are_told_and_no_others():
    check_id = r"quick_jobs\.[EW]\d{3}"
    assert set(re.findall(check_id, TEXT)) == set(re.findall(check_id, CODE))


def test_the_messages_that_are_explained_are_those_that_there_are():
    section = without_blocks(ROOT / "docs" / "troubleshooting.md").split("## ")[1]
    messages = re.findall(r"^\| `(.+?)` \|", section, re.M)
    assert len(messages) > 5
    for message in messages:
        assert message in CODE


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if name.startswith("https://"):
            here = HERE.match(name)
            if not here:
                continue
            target = ROOT / name[here.end() :]
        else:
            assert path.name != "README.md" or not name, f"{link}, but PyPI shows README alone"
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
