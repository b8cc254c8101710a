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
from functools import cache

from plugdata import languages
from plugdata.checks import script
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
from the beginning, and nothing is held against a text that was not read further. In a script as dense as the Latin one;
of one twice as dense or more, fewer say as much (script.weight)."""

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
    head = _head(text, language)
    if (asked is None or _other(asked, head, language, pivot) is None) and _reaches(head, language):
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


def _reaches(head: str, language: Language) -> bool:
    """Whether a text of GLANCE_CHARS at most has MIN_SHARE: its first letters nearly always tell."""
    return bool(_some(language.scripts).match(head)) or _share(head, language) >= MIN_SHARE


def _share(text: str, language: Language) -> float:
    """The share of a text's letters that are in the language's scripts, by weight; 1 if there are none."""
    rest = re.sub(f"[{_letters(language.scripts)}]+", "", text)
    ours = (len(text) - len(rest)) * script.weight(language)
    others = len(_LETTER.findall(rest))
    return ours / (ours + others) if others else 1.0


class Ahead:
    """A model that may be told of texts before it is asked about them, one by one: it reads all of those at once, while
    its tables are in the processor's caches, and says no more than what it is sure of, which is quickly found."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._coming: list[str] = []
        self._sure: dict[str, str | None] = {}

    def expect(self, text: str, language: Language) -> None:
        """Note what `wrong_language` will ask about a text, if anything."""
        if len(text) >= LONG and _shares_scripts(language.scripts, language.lid):
            self._coming.append(_head(text, language))

    def sure(self, text: str) -> str | None:
        """The label that a text has with a probability of SURE, if any."""
        if self._coming:
            self._sure = dict(zip(self._coming, self._read(self._coming), strict=True))
            self._coming = []
        return self._sure[text] if text in self._sure else self._read([text])[0]

    def _read(self, texts: list[str]) -> list[str | None]:
        labels, _ = self._model.predict(texts, k=1, threshold=SURE)
        return [of[0].removeprefix(PREFIX) if of else None for of in labels]

    def labels(self, text: str) -> dict[str, float]:
        """The labels of a text with their probabilities."""
        (labels,), (p,) = self._model.predict([text], k=-1, threshold=MIN_P)
        return {label.removeprefix(PREFIX): float(q) for label, q in zip(labels, p, strict=True)}


def _head(text: str, language: Language) -> str:
    return text[: GLANCE_CHARS // int(script.weight(language))].replace("\n", " ")


def _other(model: Ahead, text: str, language: Language, pivot: Language) -> str | None:
    """The label of another language that the identifier is sure of, with its probability."""
    text = text.replace("\n", " ")
    top = model.sure(text)
    if top is None or top in language.lid or (not language.lid and top not in pivot.lid):
        return None
    found = model.labels(text)
    if sum(found.get(label, 0.0) for label in language.lid) >= RULED_OUT:
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
def _letters(scripts: tuple[str, ...]) -> str:
    """The letters and marks of some scripts, as a class of `re`."""
    return script.characters(rf"[\p{{L}}\p{{M}}&&[{script.named(scripts)}]]")


@cache
def _some(scripts: tuple[str, ...]) -> re.Pattern[str]:
    """As many letters of some scripts as are MIN_SHARE of GLANCE_CHARS, whatever stands between them."""
    ours = _letters(scripts)
    return re.compile(f"(?:[^{ours}]*[{ours}]){{{round(GLANCE_CHARS * MIN_SHARE)}}}")
