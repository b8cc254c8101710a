"""What a stage of a corpus is: its inputs, its settings, and the function that makes its rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

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

    @property
    def key(self) -> str:
        return stage_key(self.stage, self.lang)


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
