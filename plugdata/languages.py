"""THE table of languages: everything plugdata knows about a language stands in languages.toml, nothing elsewhere.

`get("ko")` gives a `Language`; an unknown code is a `LanguageError` with the nearest ones. Codes are BCP-47
(ISO 639-1 where it exists, with a script or region only where the table has it), and what `get` gives has the one
code that rows are published under, whichever alias was asked for. English names are no codes: rows, prompts and
file names would soon disagree about them. A new language is one block in the file. This module knows nothing of
rows, prompts or checks.
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

    code: BCP-47.  aliases: other codes of the same.  base: of a locale, the code whose block it is a variant of.
    name: English name, no brackets (it stands in the wire line and in PLUG's system lines).
    endonym: the language's own name for itself.  scripts: Unicode script names, as in `\\p{Script}`, any of which
    its letters may have.  rtl: written right to left.  spaced: words are separated by spaces.
    lid: labels of fastText's lid.176 that count as this language: their probabilities add up; none: it abstains.
    flores: the same, of identifiers with FLORES labels (NLLB, OpenLID, GlotLID).
    confused: codes of the languages that identifiers, or translators, take for it.
    lid_min: p(lang) of language ID below which a text is not in it, where a corpus has too few rows to tell.
    digits: the ten digits, 0 to 9, that its numbers commonly have beside 0-9, or "".
    formal, informal: what a prompt calls the register ("usted", "tú"), or "": no choice that a translator must make.
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
    flores: tuple[str, ...]
    rtl: bool = False
    spaced: bool = True
    digits: str = ""
    formal: str = ""
    informal: str = ""
    aliases: tuple[str, ...] = ()
    confused: tuple[str, ...] = ()
    lid_min: float = 0.2
    base: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """Codes whose texts read as this language's: its own, and a locale's base where both are written alike."""
        alike = self.base and get(self.base).response_label == self.response_label
        return (self.code, self.base) if alike else (self.code,)


@cache
def table() -> dict[str, Language]:
    """Every language by its code, in the order of the file."""
    text = resources.files("plugdata").joinpath("languages.toml").read_text(encoding="utf-8")
    blocks = tomllib.loads(text)
    return {code: _language(code, blocks.get(block.get("base"), {}), block) for code, block in blocks.items()}


def _language(code: str, base: dict[str, Any], block: dict[str, Any]) -> Language:
    own = {"aliases": (), **block}  # all else that is not given is the base's
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in (base | own).items()}
    return Language(code=code, **fields)


@cache
def _codes() -> dict[str, str]:
    """The code of every code and alias, in small letters."""
    return {asked.lower(): code for code, language in table().items() for asked in (code, *language.aliases)}


def get(code: str) -> Language:
    """The language of a code or an alias, in capitals or not, with "-" or "_".

    Raises LanguageError for one the table lacks, with the nearest codes.
    """
    languages = table()
    known = code if code in languages else _codes().get(_normal(code))
    if known:
        return languages[known]
    near = _nearest(code)
    hint = f"did you mean {' or '.join(repr(c) for c in near)}? " if near else ""
    raise LanguageError(f"unknown language {code!r}", hint + "`plugdata languages` lists them")


def _normal(code: str) -> str:
    return code.replace("_", "-").lower()


def _nearest(asked: str) -> list[str]:
    """Codes that may have been meant: the language of that name, of that region, of that variety, else by spelling."""
    if named := [c for c, la in table().items() if asked.lower() in (la.name.lower(), la.endonym.lower())]:
        return named
    codes, tag = _codes(), _normal(asked).split("-")[0]
    if tag in codes:
        return [codes[tag]]
    # yue, arz, sh: a variety or a neighbour that has no block, but counts as a language that has
    if kin := [c for c, la in table().items() if tag in la.lid or any(f.startswith(f"{tag}_") for f in la.flores)]:
        return kin
    return list(dict.fromkeys(codes[near] for near in difflib.get_close_matches(tag, codes, n=3)))


def ratio_band(pivot: str, target: str) -> tuple[float, float]:
    """(floor, ceiling) of the target's characters per character of the pivot, for whole texts.

    From English: the target's own `ratio`. Between two others their typical lengths (twice the floor) are divided,
    and the band is half to twice that, always with room for texts that are mostly code (0.8 to 1.2).
    """
    if get(pivot).code == "en":
        return get(target).ratio
    typical = get(target).ratio[0] / get(pivot).ratio[0]
    return min(typical / 2, 0.8), max(typical * 2, 1.2)
