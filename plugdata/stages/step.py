"""What a stage of a corpus is: its inputs, its settings, and the function that makes its rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import polars as pl

from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member
from plugdata.corpus import Corpus, stage_key

Say = Callable[[str], None]
Apply = Callable[[pl.DataFrame], pl.DataFrame]
Map = Callable[[Apply, Iterable[pl.DataFrame]], Iterable[pl.DataFrame]]
"""The built-in `map`, or one that gives the same."""


@dataclass(frozen=True)
class Step:
    """One file of rows. The rows of the first input, and no others, come out of `frames`; `source` has no input."""

    stage: str
    lang: str | None
    inputs: tuple[str, ...]
    settings: Any
    version: Any
    contract: Mapping[str, pl.DataType]
    frames: Callable[[], Iterable[pl.DataFrame]]
    fitted: Callable[[], Mapping[str, float]] = dict
    """What it took from all rows before it judged any; asked for when its rows are made."""
    n_failed: Callable[[], int] = int
    """Once its rows are made, how many failed in part, without its showing in their status: the next run makes
    them again."""

    @property
    def key(self) -> str:
        return stage_key(self.stage, self.lang)


class Ask(NamedTuple):
    """What is asked of a pool: so many jobs, which may be gone through several times."""

    jobs: Callable[[], Iterable[Job]]
    pool: Sequence[Member]
    total: int


class Asking(Protocol):
    """A stage whose rows are made of answers."""

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterable[Ask]:
        """What some languages ask, one after the other: a later round may go by the answers to an earlier one."""

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""


def row_wise(
    corpus: Corpus,
    stage: str,
    before: str,
    lang: str,
    settings: Any,
    version: int,
    contract: Mapping[str, pl.DataType],
    apply: Callable[[], Apply],
    fitted: Callable[[], Mapping[str, float]] = dict,
    map: Map = map,
) -> Step:
    """A Step whose rows follow, batch by batch, from those of the stage before it in the same language.

    `apply` is asked for when its rows are made; `map` says where it is at work (`corpus.Workers`: it is pickled).
    """

    def frames() -> Iterable[pl.DataFrame]:
        return map(apply(), corpus.batches(before, lang))

    return Step(stage, lang, (stage_key(before, lang),), settings, version, contract, frames, fitted)
