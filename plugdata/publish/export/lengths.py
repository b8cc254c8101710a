"""How many tokens the rows of an export have, by tokenizers of the user's choice: what a trainer will drop or cut.

What is counted: all texts of a row, system, user and assistant, each tokenized by itself and without special tokens.
A chat template adds to that, some ten to thirty tokens a row.

Counts are kept as how many rows have how many tokens, so memory does not grow with rows. Must not know files.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from plugdata.errors import InputError

BOUNDS = (2_048, 4_096, 8_192)
"""Sequence lengths that people train with (issue 6)."""


class Spread(NamedTuple):
    """Token lengths of some rows. `over`: the share of rows with more tokens than each of BOUNDS."""

    tokenizer: str
    lang: str
    n_rows: int
    p50: int
    p95: int
    max: int
    over: tuple[float, ...]


@dataclass
class Lengths:
    """The lengths of all rows seen so far, by one tokenizer."""

    name: str
    tokenizer: Any
    of: dict[str, Counter[int]] = field(default_factory=dict)  # language → tokens → rows

    def add(self, lang: str, rows: Sequence[Sequence[str]]) -> None:
        """Count some rows, each a sequence of texts."""
        texts = [text for row in rows for text in row]
        encoded = iter(self.tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        found = self.of.setdefault(lang, Counter())
        found.update(sum(len(next(encoded)) for _ in row) for row in rows)

    def n_over(self, bound: int) -> int:
        """Rows with more tokens than that."""
        return sum(_n_over(found, bound) for found in self.of.values())

    def spreads(self) -> list[Spread]:
        """A spread for each language."""
        return [
            Spread(
                self.name,
                lang,
                n := found.total(),
                _quantile(found, 0.5),
                _quantile(found, 0.95),
                max(found),
                tuple(_n_over(found, bound) / n for bound in BOUNDS),
            )
            for lang, found in self.of.items()
        ]


def load(names: Iterable[str]) -> list[Lengths]:
    """A counter for each tokenizer: an existing tokenizer.json or folder with one, else a Hub id. Raises InputError."""
    return [_load(name) for name in dict.fromkeys(names)]


def _load(name: str) -> Lengths:
    from plugdata.curate.filters import tokens  # brings all filters along

    path = Path(name)
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        loaded = tokens.load(file if file.exists() else tokens.fetch(name))
    except InputError as error:  # its words are those of a recipe
        raise InputError(str(error).replace("filter.length.tokenizer", "--tokenizer", 1), error.hint) from error
    if not file.exists():
        return Lengths(name, loaded)
    whole = file.resolve()
    return Lengths(whole.parent.name if whole.name == "tokenizer.json" else whole.stem, loaded)  # no path of a machine


def _n_over(found: Counter[int], bound: int) -> int:
    return sum(n for length, n in found.items() if length > bound)


def _quantile(found: Counter[int], share: float) -> int:
    """The least length that this share of rows does not exceed."""
    left = share * found.total()
    for length, n in sorted(found.items()):
        left -= n
        if left <= 0:
            return length
    return max(found)
