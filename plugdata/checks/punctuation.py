"""Whether a translation's brackets and quotation marks are closed and its sentences ended, as its source's are.

Takes two whole texts, and gives 0 to 1, or null where there is nothing to judge. Knows no language and no row: the
marks of all scripts are known alike.
"""

import re
import unicodedata

_QUOTE = '"“”„‟«»「」『』《》〈〉＂〝〞〟'
_MARKS = re.compile(f"[{re.escape(_QUOTE)}()（）\\[\\]［］{{}}｛｝【】]")
_BRACKETS = (("(（", ")）"), ("[［【", "]］】"), ("{｛", "}｝"))

_END = ".!?…。．！？｡;։؟۔।॥။။៕។፡።፧༎།๚๛"
"""Ends of sentences of all scripts (Unicode's Sentence_Terminal, in living use); `;` ends Greek questions."""
_CLOSING = "\"'”’“»«」』》〉)）]］】*_~` \t\r\n\u200b\u200e\u200f\ufe0f"
_UNMARKED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
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


def _alone(marks: list[str]) -> list[int]:
    """How many marks lack their other half: quotation marks, then each kind of bracket."""
    counts = {mark: marks.count(mark) for mark in set(marks)}
    kinds = [abs(sum(counts.get(m, 0) for m in a) - sum(counts.get(m, 0) for m in z)) for a, z in _BRACKETS]
    return [sum(counts.get(mark, 0) for mark in _QUOTE) % 2, *kinds]


def ends(source: str, target: str) -> float | None:
    """1.0 where a target ends a sentence as its source does, 0.0 where it breaks off.

    Null where the source ends in no sentence, where the target is empty, and where its script needs no mark.
    """
    source, target = source[-_TAIL:].rstrip(_CLOSING), target[-_TAIL:].rstrip(_CLOSING)
    if not source or source[-1] not in _END or not target or _UNMARKED.search(target):
        return None
    return float(target[-1] in _END or unicodedata.category(target[-1]) in ("So", "Sk"))


_TAIL = 40
"""Characters looked at: closing marks and spaces are fewer."""
