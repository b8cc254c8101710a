"""Rows of our own writing with translations by hand (tests/labelled/pairs.toml), and a translator that knows them.

It owns neither damage (tests/servers/llm/damage.py) nor checks. What it needs of plugdata is which spans of a row are
sent as marks, since whoever translates the row meets those.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from plugdata.checks import mask
from tests.servers.llm import Request, render, segments, target_language

LANGS = ("es", "ko", "zh", "ar")
NAMES = ("instruction", "input", "response")


class Pair(NamedTuple):
    """A row and its translation, both by segment name; segments that are empty are left out. `about`: what is in it."""

    about: str
    lang: str
    source: Mapping[str, str]
    target: Mapping[str, str]

    @property
    def masked(self) -> tuple[dict[str, str], dict[str, str]]:
        """Both sides with marks in place of what is protected, numbered through the row."""
        ours: dict[str, str] = {}
        theirs: dict[str, str] = {}
        n = 0
        for name, text in self.source.items():
            found = mask.mask(text, first=n)
            ours[name], theirs[name] = found.text, self.target[name]
            for span in found.spans:
                theirs[name] = theirs[name].replace(span, f"⟦{n}⟧", 1)
                n += 1
        return ours, theirs


def pairs(n_variants: int, langs: Iterable[str] = LANGS) -> list[Pair]:
    """So many variants of each record, that differ by their numbers, in each language."""
    return [
        Pair(about, lang, _filled(texts["en"], variant), _filled(texts[lang], variant))
        for variant in range(n_variants)
        for about, texts in _records().items()
        for lang in langs
    ]


class Translator:
    """Answers requests of protocol tags with the translations that some pairs have."""

    def __init__(self, known: Iterable[Pair]) -> None:
        self._known = {
            (pair.lang, text): translated
            for pair in known
            for text, translated in zip(*(side.values() for side in pair.masked), strict=True)
        }

    def __call__(self, request: Request) -> str:
        lang = target_language(request) or ""
        return render([(tag, self._known[lang, text.strip()]) for tag, text in segments(request)])


@cache
def _records() -> dict[str, dict[str, dict[str, str]]]:
    path = Path(__file__).parent / "labelled" / "pairs.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _filled(texts: Mapping[str, str], variant: int) -> dict[str, str]:
    first, second = 127 + 34 * variant, 842 - 23 * variant  # never the same, never round
    return {name: texts[name].replace("%1", str(first)).replace("%2", str(second)) for name in NAMES if name in texts}
