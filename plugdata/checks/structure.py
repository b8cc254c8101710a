"""Whether a translation keeps the build of its source: lists, tables, headings, fences, paragraphs, lines of verse.

Each check takes two whole texts, and gives 0 to 1 (1 = built alike), or null where neither has anything of the kind.
What can be counted by kind is compared as multisets, by their Dice coefficient: what both have, twice, of all that the
two have. Knows no language and no row.
"""

import re
from collections import Counter
from typing import Any

MIN_LINES = 4
"""Lines of the shortest verse: a quatrain. Three short lines are as often an address or a signature."""
MAX_LINE_CHARS = 60
"""Characters of a line of verse, at most. Of 999 demo answers 15 are verse by this, of the 10 poems and songs among
them 9; at 80 the tenth comes in, and prose with it."""

# a line's beginning is a newline in front, which `re` finds at once: ^ is tried at every character
_ITEM = re.compile(r"\n[ \t]*(?:([-*+•●▪◦‣·・–])[ \t]+\S|\(?\d{1,3}[.)．、）](?!\d))")
_HEADING = re.compile(r"\n {0,3}(#{1,6})[ \t]")
_FENCE = re.compile(r"\n[ \t]*(?:```|~~~)")
_ROW = re.compile(r"\n[ \t]*(\|[^\n]*)")
_BLANK = re.compile(r"\n[ \t]*\n\s*")


def lists(source: str, target: str) -> float | None:
    """How many list items both have, bullets and numbered ones apart."""
    if "\n" not in source and "\n" not in target:
        return None
    return _alike(*(Counter(bool(bullet) for bullet in _ITEM.findall("\n" + text)) for text in (source, target)))


def tables(source: str, target: str) -> float | None:
    """How many Markdown table rows of the same number of columns both have."""
    if "|" not in source and "|" not in target:
        return None
    return _alike(*(Counter(row.count("|") for row in _ROW.findall("\n" + text)) for text in (source, target)))


def headings(source: str, target: str) -> float | None:
    """How many Markdown headings of the same level both have."""
    if "#" not in source and "#" not in target:
        return None
    return _alike(*(Counter(_HEADING.findall("\n" + text)) for text in (source, target)))


def fences(source: str, target: str) -> float | None:
    """How many of the lines that open or close a block of code both have."""
    if not any(mark in text for mark in ("```", "~~~") for text in (source, target)):
        return None
    return _alike(*(Counter(_FENCE.findall("\n" + text)) for text in (source, target)))


def paragraphs(source: str, target: str) -> float | None:
    """Paragraphs, blank lines between them: the smaller number of the larger. Null where each side is one."""
    if "\n" not in source and "\n" not in target:
        return None
    ours, theirs = (1 + len(_BLANK.findall(text.strip())) for text in (source, target))
    return min(ours, theirs) / max(ours, theirs) if ours + theirs > 2 else None


def verse(source: str, target: str) -> float | None:
    """Lines of verse: the smaller number of the larger. Null where the source is none.

    Verse is MIN_LINES lines or more, none above MAX_LINE_CHARS, and none that is an item, a heading or a table row.
    """
    if source.count("\n") < MIN_LINES - 1:
        return None
    ours = _lines(source)
    if len(ours) < MIN_LINES or max(map(len, ours)) > MAX_LINE_CHARS:
        return None
    if any(pattern.search("\n" + source) for pattern in (_ITEM, _ROW, _HEADING, _FENCE)):
        return None
    theirs = _lines(target)
    return min(len(ours), len(theirs)) / max(len(ours), len(theirs))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _alike(ours: Counter[Any], theirs: Counter[Any]) -> float | None:
    n_all = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / n_all if n_all else None
