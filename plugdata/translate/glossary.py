"""Terms that must be rendered as a user says: read from CSV, found in a source, looked for in its translation.

A glossary has the columns `source`, `target`, and `lang` where it serves several languages (a term of `es` also holds
for es-MX). `target` may name alternatives, for languages that inflect: "modelo|modelos". Must not know of calls.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from plugdata.errors import InputError


class Term(NamedTuple):
    """A term of the source, and what may stand for it."""

    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Glossary:
    """The terms of one target language."""

    terms: tuple[Term, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted((term.source for term in self.terms), key=len, reverse=True)
        return re.compile("|".join(_bounded(source) for source in longest_first), re.IGNORECASE)

    @cached_property
    def _by_source(self) -> Mapping[str, Term]:
        return {term.source.casefold(): term for term in self.terms}

    def found(self, texts: Iterable[str]) -> list[Term]:
        """The terms that stand in some texts, each once, in the order of the glossary; of overlapping ones the longest.

        Case does not matter.
        """
        if not self.terms:
            return []
        hits = {match[0].casefold() for text in texts for match in self._pattern.finditer(text)}
        return [term for source, term in self._by_source.items() if source in hits]

    def missed(self, source: str, said: str) -> str | None:
        """In words, the first term of a source text whose translation holds none of its renderings."""
        for term in self.found([source]):
            if not any(_begins(target).search(said) for target in term.targets):
                return f"{term.source!r} must be rendered as {' or '.join(map(repr, term.targets))}"
        return None


_ENDS = re.compile(r"[A-Za-zÀ-ɏͰ-Ͽ\u0400-\u04ff]")
"""Scripts whose words end where the letters do: Latin, Greek, Cyrillic. In others a particle or a word follows."""


def _bounded(term: str) -> str:
    """A pattern for a term as a word of its own, as far as its script knows words."""
    return _start(term) + re.escape(term) + (r"(?!\w)" if _is_apart(term[-1]) else "")


@cache
def _begins(term: str) -> re.Pattern[str]:
    """Finds a rendering where a word begins; endings may follow."""
    return re.compile(_start(term) + re.escape(term), re.IGNORECASE)


def _start(term: str) -> str:
    return r"(?<!\w)" if _is_apart(term[0]) else ""


def _is_apart(character: str) -> bool:
    """Whether no other word may join a term at this end of it."""
    return not character.isalpha() or _ENDS.match(character) is not None


def load(path: Path, lang: str) -> Glossary:
    """The terms of a file for a language. Raises InputError for a file that is no glossary."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or not {"source", "target"} <= set(reader.fieldnames):
                raise InputError(f"{path} lacks the columns source and target", "its first line must name them")
            terms = [_term(path, reader.line_num, line) for line in reader if _serves(line.get("lang"), lang)]
    except OSError as error:
        raise InputError(f"glossary {path}: {error.strerror}", "`translate.glossary` of the recipe names it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a glossary: {error}", "it must be CSV in UTF-8") from None
    doubled = {term.source.casefold(): term for term in reversed(terms)}
    return Glossary(tuple(term for term in terms if doubled[term.source.casefold()] is term))


def _term(path: Path, line: int, row: Mapping[str, str | None]) -> Term:
    source = (row["source"] or "").strip()
    targets = tuple(target.strip() for target in (row["target"] or "").split("|") if target.strip())
    if not source or not targets:
        raise InputError(f"{path}: line {line}: a term needs a source and a target")
    return Term(source, targets)


def _serves(stated: str | None, lang: str) -> bool:
    return not stated or lang == stated.strip() or lang.startswith(f"{stated.strip()}-")
