"""Whether a response that chooses from what its instruction offers still does so in translation.

A source that answers "Negative" to "Is this positive or negative? …", or "B" to lettered choices, answers in words of
its instruction. So must the translation, or its two halves were translated as if they had nothing to do with each
other. That shows in any two languages without knowing either.

Takes whole texts of both halves; knows no row.
"""

import math
import re

import polars as pl

MAX_CHARS = 40
"""Characters of the longest response that is taken for a choice by its words; sentences are longer."""

_EDGES = " \t\r\n.。,،:：;!！?？¡¿\"'“”‘’«»「」『』()（）[]*_`।۔"
_LABEL = re.compile(r"(?:^[ \t(（]*([^\W\d_])[.)）．、]|(?<=[\s(（])([^\W\d_])[)）])(?=\s|$)", re.MULTILINE)


_MAYBE_LABEL = r"(?:^|[\s\x1c-\x1f(（]).[.)）．、]"  # finds all that _LABEL does, and some more
_chosen = pl.col("pivot_response").str.strip_chars(_EDGES).str.len_chars()
SETTLED = pl.when(
    _chosen.is_between(2, MAX_CHARS) | (pl.col("pivot_instruction").str.count_matches(_MAYBE_LABEL) > 1)
).then(math.nan)
"""`options` of columns, as far as Polars can tell: null where the pivot's response is too long to be a choice and its
instruction has no two labels; NaN = ask."""


def options(source_instruction: str, source_response: str, instruction: str, response: str) -> float | None:
    """How far the response is what its instruction offers, where the source's is: 0 to 1.

    Lettered choices: 1.0 for the letter in the same place of the list, 0.0 for another. Else the longest part of the
    response that stands in the instruction, as a share of the response: endings and particles make it less than 1.
    Null where the source's response is no choice, and for one without letters (numbers.py judges figures).
    """
    lettered = _by_letter(source_instruction, source_response, instruction, response)
    if lettered is not None:
        return lettered
    chosen, answer = source_response.strip(_EDGES).casefold(), response.strip(_EDGES).casefold()
    if not 1 < len(chosen) <= MAX_CHARS or not any(map(str.isalpha, chosen)):
        return None
    if not answer or not _offers(source_instruction.casefold(), chosen):
        return None
    return _longest_part(answer[: MAX_CHARS * 8], instruction.casefold()) / len(answer)


def _by_letter(source_instruction: str, source_response: str, instruction: str, response: str) -> float | None:
    """1.0 or 0.0 for a choice by letter; null where either side's letters do not tell."""
    ours = _labels(source_instruction)
    if len(ours) < 2 or [ord(label) - ord(ours[0]) for label in ours] != list(range(len(ours))):
        return None
    theirs, picked, answered = _labels(instruction), _picked(source_response), _picked(response)
    if len(theirs) != len(ours) or picked not in ours or answered not in theirs:
        return None
    return float(ours.index(picked) == theirs.index(answered))


def _labels(text: str) -> list[str]:
    """The letters of a list of choices, A) … B) …, in order."""
    return list(dict.fromkeys(line or inline for line, inline in _LABEL.findall(text)))


def _picked(response: str) -> str:
    """The one letter that a response names as its choice, or nothing."""
    bare = response.strip(_EDGES)
    labels = [bare] if len(bare) == 1 else _labels(response)
    return labels[0] if len(labels) == 1 else ""


def _offers(instruction: str, chosen: str) -> bool:
    """Whether words stand in an instruction, not as part of a longer ASCII word."""
    place = instruction.find(chosen)
    while place >= 0:
        before, after = (
            instruction[max(place - 1, 0) : place],
            instruction[place + len(chosen) : place + len(chosen) + 1],
        )
        if not any(char.isascii() and char.isalnum() for char in (before, after)):
            return True
        place = instruction.find(chosen, place + 1)
    return False


def _longest_part(answer: str, text: str) -> int:
    """Characters of the longest piece of an answer that stands in a text."""
    longest = 0
    for start in range(len(answer)):
        while start + longest < len(answer) and answer[start : start + longest + 1] in text:
            longest += 1
    return longest
