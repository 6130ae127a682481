"""The project's documents: their sections, the blocks of code in these, and where links lead.

The first line of a block may name, in a comment, the file that the block is. ``before:`` in front
of the name says that it is written for another package.
"""

import re
from typing import List, NamedTuple

from tests.site import ROOT

PATHS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_FENCED = re.compile(r"^```(\S*)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^##? (.+)$", re.M)
_NAMED = re.compile(r"# (before: )?([\w./-]+)$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_REFERENCE = re.compile(r"\[([^\]]+)\]\[([^\]]*)\]")
_TARGET = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.M)


class Block(NamedTuple):
    """A block of code; ``place`` is where it stands, like ``README.md, line 12``."""

    place: str
    language: str
    name: str
    is_before: bool
    text: str


class Section(NamedTuple):
    """What stands below a heading of the first or the second level."""

    document: str
    title: str
    blocks: List[Block]

    def __str__(self):
        return f"{self.document}: {self.title}"


def sections():
    """Return the sections that have blocks, of all documents."""
    return [section for path in PATHS for section in _sections_of(path) if section.blocks]


def links(path):
    """Return where the links and pictures of a document lead."""
    text = without_blocks(path)
    targets = dict(_TARGET.findall(text))
    names = {name or shown.lower() for shown, name in _REFERENCE.findall(text)}
    assert names == set(targets), f"{path.name} has links without targets, or targets without links"
    return [*_LINK.findall(text), *targets.values()]


def anchors(path):
    """Return what a link may name after its ``#``: the headings, as GitHub writes them."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(path), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def without_blocks(path):
    """Return the text of a document without its blocks of code."""
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def _sections_of(path):
    text = path.read_text(encoding="utf-8")
    blocks = list(_FENCED.finditer(text))
    assert text.count("```") == 2 * len(blocks), f"{path.name} has a block that is indented"
    inside = [range(*block.span()) for block in blocks]
    headings = [
        heading
        for heading in _HEADING.finditer(text)
        if not any(heading.start() in block for block in inside)  # a comment looks like one
    ]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends):
        found = _FENCED.finditer(text, heading.start(), end)
        code = [each for each in found if not each[1].startswith("{")]  # not Sphinx's directives
        yield Section(path.name, heading[1], [_block(path, each) for each in code])


def _block(path, match):
    language, text = match.groups()
    line = match.string.count("\n", 0, match.start()) + 1
    named = _NAMED.match(text)
    before, name = named.groups() if named else (None, "")
    return Block(f"{path.name}, line {line}", language, name, bool(before), text)
