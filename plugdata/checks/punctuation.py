"""Whether a translation's brackets and quotation marks are closed and its sentences ended, as its source's are.

Takes two whole texts, and gives 0 to 1, or null where there is nothing to judge. Knows no language and no row: the
marks of all scripts are known alike.
"""

import math
import re

import polars as pl

_QUOTE = '"“”„‟«»「」『』《》〈〉＂〝〞〟'
_KNOWN = f"{_QUOTE}()（）[]［］{{}}｛｝【】"
_MARKS = re.compile(f"[{re.escape(_KNOWN)}]")
_BRACKETS = (("(（", ")）"), ("[［【", "]］】"), ("{｛", "}｝"))

_END = ".!?…。．！？｡;։؟۔।॥။။៕។፡።፧༎།๚๛"
"""Ends of sentences of all scripts (Unicode's Sentence_Terminal, in living use); `;` ends Greek questions."""
_CLOSING = "\"'”’“»«」』》〉)）]］】*_~` \t\r\n\u200b\u200e\u200f\ufe0f"
_UNMARKED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
"""Letters of Thai, Lao, Burmese and Khmer, in which a sentence may end in nothing."""


def quotes(source: str, target: str) -> float | None:
    """1 − marks that stand alone / marks, of a target's brackets and quotation marks; null where it has none.

    What is as lopsided in the source (a smiley, `a)` as a label, inches) is no fault. Quotation marks are counted
    together: which opens and which closes differs by language.
    """
    marks = _MARKS.findall(target)
    if not marks:
        return None
    n_alone = sum(
        max(0, theirs - ours) for ours, theirs in zip(_alone(_MARKS.findall(source)), _alone(marks), strict=True)
    )
    return max(0.0, 1 - n_alone / len(marks))


MAY_QUOTE = pl.any_horizontal(
    pl.col("target").str.contains(f"[{re.escape(_KNOWN[at : at + 9])}]") for at in range(0, len(_KNOWN), 9)
)
"""Where QUOTES is not null. In classes of nine: those Polars' engine looks for many times faster than for all."""
_marks, _others = (pl.col(name).str.extract_all(_MARKS.pattern).list.join("") for name in ("target", "source"))
QUOTES = pl.when(_marks != "").then(pl.when(_marks == _others).then(1.0).otherwise(math.nan))
"""`quotes` of columns, as far as Polars can tell: most texts have no marks, or those of their source; NaN = ask."""


def _alone(marks: list[str]) -> list[int]:
    """How many marks lack their other half: quotation marks, then each kind of bracket."""
    counts = {mark: marks.count(mark) for mark in set(marks)}
    kinds = [abs(sum(counts.get(m, 0) for m in a) - sum(counts.get(m, 0) for m in z)) for a, z in _BRACKETS]
    return [sum(counts.get(mark, 0) for mark in _QUOTE) % 2, *kinds]


_TAIL = 40
"""Characters looked at: closing marks and spaces are fewer."""

_ours, _theirs = (pl.col(name).str.tail(_TAIL).str.strip_chars_end(_CLOSING) for name in ("source", "target"))
ENDS = pl.when(_ours.str.contains(f"[{_END}]$") & (_theirs != "") & ~_theirs.str.contains(_UNMARKED)).then(
    _theirs.str.contains(rf"[{_END}\p{{So}}\p{{Sk}}]$").cast(pl.Float64)  # So, Sk: emoji, and what stands beside them
)
"""1.0 where a target ends a sentence as its source does, 0.0 where it breaks off.

Null where the source ends in no sentence, where the target is empty, and where its script needs no mark.
"""
