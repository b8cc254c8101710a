"""Whether a long answer is, beyond doubt, in another language than it should be.

For one text, while translating: what is wrong here is asked for again, so doubt keeps the answer. Doubtful ones are
`filter`'s, which reads more of the text and can change its mind (checks/lid.py, checks/script.py, over columns).

A glance at the beginning clears nearly every answer. Where it does not, only plain prose is evidence: no code, no
line like code, no capitalised word (names and titles rightly stay as they are). Scripts are asked first; the
identifier where other languages share the script.

Measured on 5,337 passages of the Universal Declaration of Human Rights in 82 languages: one is wrongly refused (an
Azerbaijani sentence, as Turkish). Of 592 real English answers of 200 letters or more 580 are known not to be in a
language of another script, and 451 not to be in one of Latin script.
"""

import re
import unicodedata
from functools import cache
from itertools import pairwise
from typing import Any

import polars as pl

from plugdata import languages
from plugdata.checks.lid import MIN_P, PREFIX, READ_CHARS, Model
from plugdata.checks.prose import prose_of
from plugdata.languages import Language

LONG = 80
"""Letters of plain prose below which nothing is judged: a sentence or two."""
MIN_SHARE = 0.1
"""Share of letters in the language's scripts, weighed as in checks/script.py, below which an answer is in another
script: a third of what `filter` asks for, whose default is 0.3."""
SURE = 0.9
"""Probability from which the identifier is believed that a text is in another language …"""
RULED_OUT = 0.05
"""… if it gives the language itself less than this."""

GLANCE_CHARS = 100
"""Characters that are looked at first, by the count of letters and by the identifier: what is in another language is so
from the beginning, and nothing is held against a text that was not read further."""

_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"\w+")
_CODE = re.compile(r"[={}\[\]<>;_\\]|\w\(|^[ \t]*(?:#|//|--|\$|\"\"\"|''')")
"""What hardly a line of prose holds, and most lines of code do."""


def wrong_language(model: "Ahead | None", text: str, language: Language, pivot: Language) -> str | None:
    """In words, why a text is beyond doubt not in `language`; None where it is, or may be, or is too short to tell.

    Without a model scripts alone are asked. A language without labels of the identifier's is known by not being the
    pivot. Reads more than the beginning only where that looks wrong.
    """
    if len(text) < LONG:
        return None
    asked = model if _shares_scripts(language.scripts, language.lid) else None
    head = _head(text)
    if (asked is None or _other(asked, head, language, pivot) is None) and _share(head, language) >= MIN_SHARE:
        return None
    plain = _plain(text)
    if len(_LETTER.findall(plain)) < LONG:
        return None
    if (share := _share(plain, language)) < MIN_SHARE:
        return f"{share:.0%} of its letters are {' or '.join(language.scripts)}"
    other = _other(asked, plain[:READ_CHARS], language, pivot) if asked else None
    return f"the identifier names {other}" if other else None


def _plain(text: str) -> str:
    """The prose of a text without lines that look like code and words with a capital."""
    lines = (line for line in prose_of(text).splitlines() if not _CODE.search(line))
    return " ".join(_WORD.sub(lambda word: " " if word[0][0].isupper() else word[0], line) for line in lines)


def _share(text: str, language: Language) -> float:
    """The share of a text's letters that are in the language's scripts, by weight; 1 if there are none."""
    rest = _characters(language.scripts).sub("", text)
    ours = (len(text) - len(rest)) * max(1.0, 1 / (2 * language.ratio[0]))
    others = len(_LETTER.findall(rest))
    return ours / (ours + others) if others else 1.0


class Ahead:
    """A model that may be told of texts before it is asked about them, one by one: it reads all of those at once. That
    takes 17 µs a text in place of 29 (a hundred at once, benchmarks/replay.py): its tables are in the processor's
    caches then."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._coming: list[str] = []
        self._said: dict[str, tuple[list[str], Any]] = {}

    def expect(self, text: str, language: Language) -> None:
        """Note what `wrong_language` will ask about a text, if anything."""
        if len(text) >= LONG and _shares_scripts(language.scripts, language.lid):
            self._coming.append(_head(text))

    def predict(self, text: str) -> tuple[list[str], Any]:
        """The labels of a text, the most probable first, and their probabilities."""
        if text not in self._said:
            texts = list({*self._coming, text})
            said = self._model.predict(texts, k=-1, threshold=MIN_P)
            self._said = dict(zip(texts, zip(*said, strict=True), strict=True))
            self._coming.clear()
        return self._said[text]


def _head(text: str) -> str:
    return text[:GLANCE_CHARS].replace("\n", " ")


def _other(model: Ahead, text: str, language: Language, pivot: Language) -> str | None:
    """The label of another language that the identifier is sure of, with its probability."""
    labels, p = model.predict(text.replace("\n", " "))
    if not labels or float(p[0]) < SURE or (top := labels[0].removeprefix(PREFIX)) in language.lid:
        return None
    found = {label.removeprefix(PREFIX): float(q) for label, q in zip(labels, p, strict=True)}
    if sum(found.get(label, 0.0) for label in language.lid) >= RULED_OUT:
        return None
    if not language.lid and top not in pivot.lid:
        return None
    return f"{top} (p = {min(found[top], 1.0):.2f})"


@cache
def _shares_scripts(scripts: tuple[str, ...], lid: tuple[str, ...]) -> bool:
    """Whether a language that the identifier tells from one of these labels is written in one of these scripts."""
    return any(
        not set(other.scripts).isdisjoint(scripts) and set(other.lid) != set(lid)
        for other in languages.table().values()
    )


@cache
def _characters(scripts: tuple[str, ...]) -> re.Pattern[str]:
    """Runs of the letters and marks of some scripts, which `re` knows no names for: read off Polars' tables."""
    every = "".join(map(chr, filter(lambda n: unicodedata.category(chr(n))[0] in "LM", range(_END))))
    names = "".join(rf"\p{{{name}}}" for name in scripts)
    codes = [*map(ord, pl.Series([every]).str.replace_all(f"[^{names}]+", "")[0]), _END]
    starts = [codes[0], *(code for before, code in pairwise(codes) if code != before + 1)]
    ends = [before for before, code in pairwise(codes) if code != before + 1]
    return re.compile(f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in zip(starts, ends, strict=False))}]+")


_END = 0x323B0
"""The first code point behind all letters (Unicode 16: CJK Extension H)."""
