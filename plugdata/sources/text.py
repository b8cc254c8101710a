"""Text of any length → pieces of a bounded length, each with the line where it starts.

Owns where a text ends and where one that is too long is cut, and what readers of text hand on (`Found`). Must not know
of files, nor what a collection is.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_CHARS = 1_000_000
"""Characters of a piece. Ours: a longer document is divided into passages all the same, and one piece of four bytes a
character stays small beside everything else in memory. An ordinary novel is one piece."""

_SENTENCE_ENDS = (". ", "! ", "? ", "… ", "。", "！", "？", "؟ ", "۔ ", "। ", "። ")


class Found(NamedTuple):
    """A document, or a part of a long one, as a reader of files finds it."""

    place: str
    text: str
    fault: str = ""
    part: int = 1
    id: str | None = None
    url: str | None = None
    date: str | None = None
    license: str | None = None


class Ends(NamedTuple):
    """What parts the documents of a text, and the number of line ends in it."""

    pattern: re.Pattern[str]
    n_lines: int


LINE = Ends(re.compile("\n"), 1)
BLANK_LINE = Ends(re.compile(r"\n[ \t]*\n"), 2)


class Piece(NamedTuple):
    line: int  # where it starts, from 1
    part: int  # which one of its document, from 1
    text: str  # without white space at its edges, and not empty


def pieces(chunks: Iterable[str], ends: Ends | None) -> Iterator[Piece]:
    """The documents of a text that comes in chunks, or their parts of at most MAX_CHARS; ends None: it is one."""
    held, line, part = "", 1, 1
    for chunk in chunks:
        held += chunk
        if ends:
            *whole, held = ends.pattern.split(held)
            for text in whole:
                yield from _cut_up(text, line, part)
                line, part = line + text.count("\n") + ends.n_lines, 1
        if len(held) > MAX_CHARS:
            *parts, last = parts_of(held)
            for text in parts:
                yield from _cut_up(text, line, part)
                line, part = line + text.count("\n"), part + 1
            held = last
    yield from _cut_up(held, line, part)


def _cut_up(text: str, line: int, part: int) -> Iterator[Piece]:
    for one in parts_of(text):
        if stripped := one.strip():
            yield Piece(line + one[: len(one) - len(one.lstrip())].count("\n"), part, stripped)
        line, part = line + one.count("\n"), part + 1


def parts_of(text: str) -> list[str]:
    """The text in parts of at most MAX_CHARS, which make it up again; itself if it is no longer."""
    parts = []
    while len(text) > MAX_CHARS:
        at = _cut(text)
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text]


def _cut(text: str) -> int:
    """Where to cut in the second half of what a piece may hold: at the best kind of place, there at the last one."""
    for marks in (("\n\n",), ("\n",), _SENTENCE_ENDS, (" ",)):
        at = max(text.rfind(mark, MAX_CHARS // 2, MAX_CHARS) + len(mark) for mark in marks)
        if at > MAX_CHARS // 2:
            return at
    # a text without any: only a letter and the signs upon it stay together, of which no script has more than a few
    whole = (at for at in range(MAX_CHARS, MAX_CHARS - 20, -1) if not unicodedata.category(text[at]).startswith("M"))
    return next(whole, MAX_CHARS)
