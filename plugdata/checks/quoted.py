"""Prose without what it rightly took over from its source: quotations, and names and titles of several words.

`"to be or not to be"`, 《…》 or "Harry Potter and the Goblet of Fire" stand in a translation as they stand in its
source. They are in no language that language ID or the script check should judge. A text that was left untranslated
must not vanish that way: so only these two kinds of span count, and quotations stay where they are half of the text.
Takes prose (checks.prose); knows no language.
"""

import re
from collections.abc import Sequence

import polars as pl

_PAIRS = ('""', "“”", "„“", "„”", "«»", "‹›", "「」", "『』", "《》", "【】")
_QUOTED = "|".join(f"{a}[^{a}{b}\n]{{2,300}}{b}" for a, b in map(tuple, _PAIRS))
_SMALL = "(?:of|the|an?|and|in|on|at|to|for|from|with|by|de|la|le|du|des|del|di|von|van|der|und|et|y|e) "
"""Words that titles have in small letters."""
_TITLE = rf"(?<![\w'’.-])[A-Z][\w'’.-]*+(?:[ ,:]{{1,2}}(?:{_SMALL}){{0,2}}[A-Z0-9][\w'’.-]*+)+"
_SPAN = re.compile(  # the last repeat of a title is not possessive: Python 3.11.2 loses what such a group matched
    f"({_QUOTED})|{_TITLE}"
)
_NAME = re.compile(rf"{_TITLE}|[A-Z]\w*")
_OPENED = "".join(pair[0] for pair in _PAIRS)
_WORTH_ASKING = rf"[{_OPENED}]|[A-Z][^ \n]*[ ,:]{{1,2}}(?:{_SMALL}){{0,2}}[A-Z0-9]"
"""Not the whole quotation: its bounded run costs Polars' engine fifty times as much (45 µs a row of 800 characters)."""

MOST = 0.5
"""Share of a text from which quotations are its content: an answer that is one quotation is to be translated."""


def without_quoted(proses: pl.Series, sources: Sequence[pl.Series]) -> pl.Series:
    """Each text, a space in place of each span that one of its sources holds too; null stays null."""
    asked = proses.str.contains(_WORTH_ASKING).fill_null(False).arg_true()
    if asked.is_empty():
        return proses
    texts = proses.gather(asked).to_list()
    held = zip(*(source.gather(asked).fill_null("").to_list() for source in sources), strict=True)
    left = [_without(text, "\n".join(source)) for text, source in zip(texts, held, strict=True)]
    return proses.clone().scatter(asked, left)


def _without(text: str, source: str) -> str:
    n_quoted = 0

    def taken(found: re.Match[str]) -> str:
        nonlocal n_quoted
        span: str = found[0]
        if found[1]:
            if span[1:-1] not in source:
                return span
            if not _NAME.fullmatch(span[1:-1]):
                n_quoted += len(span)
            return " "
        if span in source:
            return " "
        first, _, rest = span.partition(" ")  # the first word of a sentence has a capital too
        return f"{first} " if " " in rest and rest in source else span

    left = _SPAN.sub(taken, text)
    return left if n_quoted < MOST * len(text) else text
