"""Whether a translation keeps the build of its source: lists, tables, headings, fences, paragraphs, lines of verse.

Each check compares whole texts, and gives 0 to 1 (1 = built alike), or null where neither has anything of the kind.
What can be counted by kind is compared as multisets, by their Dice coefficient: what both have, twice, of all that the
two have. Lists and paragraphs, which every other text has, are counted over columns; of the rare kinds two texts are
asked. Knows no language and no row.
"""

import math
import re
from collections import Counter
from typing import Any

import polars as pl

MIN_LINES = 4
"""Lines of the shortest verse: a quatrain. Three short lines are as often an address or a signature."""
MAX_LINE_CHARS = 60
"""Characters of a line of verse, at most. Of 999 demo answers 15 are verse by this, of the 10 poems and songs among
them 9; at 80 the tenth comes in, and prose with it."""

# a line's beginning is a newline in front, which `re` finds at once: ^ is tried at every character
_BULLET = r"\n[ \t]*[-*+•●▪◦‣·・–][ \t]+[^\s\x1c-\x1f]"  # what Python calls a space and Polars does not
_FIGURE = r"\n[ \t]*\(?\d{1,3}[.)．、）]"
_FIRST_ITEM = r"^[ \t]*(?:[-*+•●▪◦‣·・–]|\(?\d)"
_ITEM = re.compile(rf"{_BULLET}|{_FIGURE}(?!\d)")
_HEADING = re.compile(r"\n {0,3}(#{1,6})[ \t]")
_FENCE = re.compile(r"\n[ \t]*(?:```|~~~)")
_ROW = re.compile(r"\n[ \t]*(\|[^\n]*)")
_BLANK = r"\n[ \t]*\n[\s\x1c-\x1f]*"
_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))

_BOTH = ("source", "target")
_either_has_lines = pl.any_horizontal(pl.col(name).str.contains("\n", literal=True) for name in _BOTH)
_lined = {name: "\n" + pl.col(name) for name in _BOTH}
_items = [
    [text.str.count_matches(_BULLET), text.str.count_matches(_FIGURE) - text.str.count_matches(_FIGURE + r"\d")]
    for text in _lined.values()
]
_in_both = pl.sum_horizontal(pl.min_horizontal(kind) for kind in zip(*_items, strict=True))
_in_all = pl.sum_horizontal(*_items[0], *_items[1])
MAY_LIST = _either_has_lines & pl.any_horizontal(
    pl.col(name).str.contains(item) for name in _BOTH for item in (f"{_BULLET}|{_FIGURE}", _FIRST_ITEM)
)
"""Where LISTS is not null, and a little more: far faster to tell than what is counted."""
LISTS = pl.when(_either_has_lines & (_in_all > 0)).then(2 * _in_both / _in_all)
"""How many list items both have, bullets and numbered ones apart."""

_n_paragraphs = [1 + pl.col(name).str.strip_chars(_SPACE).str.count_matches(_BLANK) for name in _BOTH]
PARAGRAPHS = pl.when(pl.sum_horizontal(_n_paragraphs) > 2).then(
    pl.min_horizontal(_n_paragraphs) / pl.max_horizontal(_n_paragraphs)
)
"""Paragraphs, blank lines between them: the smaller number of the larger. Null where each side is one."""


def _where(pattern: str) -> pl.Expr:
    """NaN where either text has a match, else null."""
    return pl.when(pl.any_horizontal(pl.col(name).str.contains(pattern) for name in _BOTH)).then(math.nan)


TABLES, HEADINGS = map(_where, (r"\|", "#"))
"""The checks of these names over columns, as far as Polars can tell; NaN = ask."""

MAY_FENCE = pl.any_horizontal(pl.col(name).str.contains("```|~~~") for name in _BOTH)
_fences = [text.str.extract_all(_FENCE.pattern).list.join("|") for text in _lined.values()]
FENCES = pl.when((_fences[0] != "") | (_fences[1] != "")).then(
    pl.when(_fences[0] == _fences[1]).then(1.0).otherwise(math.nan)
)
"""`fences` of columns, as far as Polars can tell; NaN = ask. Null elsewhere than where MAY_FENCE holds."""

_n_lines = pl.col("source").str.count_matches("\n", literal=True) + 1
VERSE = pl.when(
    (_n_lines >= MIN_LINES)
    & (pl.col("source").str.len_chars() < (MAX_LINE_CHARS + 1) * _n_lines)  # or one is longer than the mean may be
    & ~_lined["source"].str.contains(rf"{_BULLET}|{_FIGURE}(?:\D|$)|{_ROW.pattern}|{_HEADING.pattern}|{_FENCE.pattern}")
).then(math.nan)
"""`verse` of columns, as far as Polars can tell; NaN = ask."""


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
