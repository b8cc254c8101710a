"""THE table of languages: everything plugdata knows about a language stands in languages.toml, nothing elsewhere.

`get("ko")` gives a `Language`; an unknown code is a `LanguageError` with the nearest ones. Codes are BCP-47
(ISO 639-1 where it exists, with a script or region only where the table has it). A new language is one block
in the file. This module knows nothing of rows, prompts or checks.
"""

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from plugdata.errors import LanguageError


@dataclass(frozen=True)
class Language:
    """One block of languages.toml.

    code: BCP-47.  name: English name, no brackets (it stands in the wire line and in PLUG's system lines).
    endonym: the language's own name for itself.  scripts: Unicode script names, as in `\\p{Script}`, any of which
    its letters may have.  rtl: written right to left.  spaced: words are separated by spaces.
    lid: labels of fastText's lid.176 that count as this language: their probabilities add up.
    instruction_label, response_label: the line above a part written in this language; the response labels of
    en, zh, ko, it, es are PLUG's own, the rest follow their pattern.
    ratio: (floor, ceiling) of characters in this language per English character, for whole texts; outside it a
    pair is not a translation. Between two others: `ratio_band`.
    How each was chosen or measured: the head of languages.toml.
    """

    code: str
    name: str
    endonym: str
    scripts: tuple[str, ...]
    lid: tuple[str, ...]
    instruction_label: str
    response_label: str
    ratio: tuple[float, float]
    rtl: bool = False
    spaced: bool = True


@cache
def table() -> dict[str, Language]:
    """Every language by its code, in the order of the file."""
    text = resources.files("plugdata").joinpath("languages.toml").read_text(encoding="utf-8")
    return {code: _language(code, block) for code, block in tomllib.loads(text).items()}


def _language(code: str, block: dict[str, Any]) -> Language:
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in block.items()}
    return Language(code=code, **fields)


def get(code: str) -> Language:
    """The language of a code. Raises LanguageError for one the table lacks, with the nearest codes and names."""
    languages = table()
    if code in languages:
        return languages[code]
    by_name = {name.lower(): known for known, la in languages.items() for name in (la.name, la.endonym)}
    if code.lower() in by_name:
        near = [by_name[code.lower()]]
    else:
        near = difflib.get_close_matches(code.split("-")[0].lower(), languages, n=3)
    hint = f"did you mean {' or '.join(repr(c) for c in near)}? " if near else ""
    raise LanguageError(f"unknown language {code!r}", hint + "`plugdata languages` lists them")


def ratio_band(pivot: str, target: str) -> tuple[float, float]:
    """(floor, ceiling) of the target's characters per character of the pivot, for whole texts.

    From English: the target's own `ratio`. Between two others their typical lengths (twice the floor) are divided,
    and the band is half to twice that, always with room for texts that are mostly code (0.8 to 1.2).
    """
    if pivot == "en":
        return get(target).ratio
    typical = get(target).ratio[0] / get(pivot).ratio[0]
    return min(typical / 2, 0.8), max(typical * 2, 1.2)
