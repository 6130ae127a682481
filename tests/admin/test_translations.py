"""The texts are translated, and what is installed is what was written."""

import ast
import functools
import gettext
import re
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import template

import quick_jobs
from tests.admin_pages import make_executions, make_job, make_runner, page

PACKAGE = Path(quick_jobs.__file__).parent
LOCALE = PACKAGE / "locale"
LANGUAGES = sorted(path.name for path in LOCALE.iterdir())

# What one line of a file in gettext's format says, and the text that it holds.
LINE = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d\]) "(.*)"')


def entries(language):
    """Yield the entries of a file of translations, each as a dict."""
    text = (LOCALE / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    for block in text.split("\n\n")[1:]:
        entry = {name: value.replace('\\"', '"') for name, value in LINE.findall(block)}
        if "msgctxt" in entry:  # which is joined to the text in the compiled file
            entry["msgid"] = entry.pop("msgctxt") + "\x04" + entry["msgid"]
        yield entry


def marked_in_python(tree):
    """Yield the texts in a module that are given to gettext."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "_" or "gettext" in name:
                texts = node.args[: 2 if name[0] in "np" else 1]
                # Python 3.7 has another name for a text that stands there as it is.
                if all(type(text).__name__ in ("Constant", "Str") for text in texts):
                    texts = [ast.literal_eval(text) for text in texts]
                    yield from ["\x04".join(texts)] if name[0] == "p" else texts


@functools.lru_cache(maxsize=None)
def marked():
    """Return the texts of the package that are marked for translation."""
    texts = set()
    for path in PACKAGE.rglob("*.py"):
        texts.update(marked_in_python(ast.parse(path.read_text(encoding="utf-8"))))
    for path in PACKAGE.rglob("*.html"):
        # Django's own way to let gettext read templates as if they were Python.
        code = template.templatize(path.read_text(encoding="utf-8"))
        found = re.findall(r"""gettext\(u?(\"{3}.*?\"{3}|'{3}.*?'{3}|\".*?\"|'.*?')\)""", code)
        texts.update(map(ast.literal_eval, found))
    return texts


def catalog(language):
    path = LOCALE / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


def test_there_are_german_french_and_spanish():
    assert LANGUAGES == ["de", "es", "fr"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_compiled(language):
    compiled = catalog(language)
    for entry in entries(language):
        if "msgid_plural" in entry:
            for number, form in ((1, "msgstr[0]"), (2, "msgstr[1]")):
                found = compiled.ngettext(entry["msgid"], entry["msgid_plural"], number)
                assert found == entry[form] != ""
        else:
            assert compiled.gettext(entry["msgid"]) == entry["msgstr"] != ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_translation_has_the_same_places_to_fill_in(language):
    def places(text):
        return sorted(re.findall(r"%(?:\(\w+\))?[ds]", text))

    for entry in entries(language):
        for name, text in entry.items():
            assert places(text) == places(entry["msgid"]), (language, name, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_that_is_marked_is_translated_by_us_or_by_django(language):
    ours = {text for entry in entries(language) for text in entry.values()}
    with translation.override(language):
        missing = [
            text for text in marked() if text not in ours and translation.gettext(text) == text
        ]
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_translated_that_nothing_shows(language):
    used = marked()
    assert not [entry for entry in entries(language) if entry["msgid"] not in used | {""}]


def test_all_languages_have_the_same_texts():
    texts = [{entry["msgid"] for entry in entries(language)} for language in LANGUAGES]
    assert all(one == texts[0] for one in texts)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "de",
            ["jede Minute", "vor 1 min", "1 seiner letzten 3", "fehlgeschlagen", "Läuft"],
        ),
        ("fr", ["toutes les minutes", "il y a 1 min", "1 de ses 3 dernières", "échouée"]),
        ("es", ["cada minuto", "hace 1 min", "1 de sus últimas 3", "fallida"]),
    ],
)
def test_pages_are_in_the_readers_language(admin_client, language, words):
    job = make_job()
    runner = make_runner(job)
    make_executions(job, runner, 2, every=90)
    make_executions(job, runner, every=70, outcome="failed")
    with translation.override(language):
        html = page(admin_client, "job_changelist") + page(admin_client, "jobrunner_changelist")
        page(admin_client, "timeline")
    for word in words:
        assert word.lower() in html.lower()
