"""What the filters and estimates measured of the rows that are published: their known weaknesses, in numbers.

Owns which measurements a card tells. Reads columns of numbers only, never a text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from plugdata.rows import AGREEMENTS, FIELDS, kept

ESTIMATES = ("chrf_instruction", "chrf_response", "judge_accuracy", "judge_fluency")


class Share(NamedTuple):
    """Rows for which something holds, of those that could be judged."""

    n: int
    of: int


class Mean(NamedTuple):
    """A mean over so many rows."""

    value: float
    of: int


class Findings(NamedTuple):
    """Of the published rows of a language: those that a check finds fault with, and the means of the estimates."""

    shares: Mapping[str, Share]
    means: Mapping[str, Mean]


def find(path: Path, common: pl.Series | None) -> Findings:
    """What was measured of the kept rows of a stage's file, of those in `common` if that is given.

    shares: by soft check, rows in which either half is not as the pivot's (the measurement is below 1); `abstained`:
    language ID had too little prose to judge either half; `mixed`: a passage of either half is in another language;
    `pii`: personal data was seen. What nothing was measured of is left out.
    """
    rows = pl.scan_parquet(path, glob=False).filter(kept())
    if common is not None:
        rows = rows.join(common.to_frame().lazy(), on="id", how="semi")
    names = rows.collect_schema().names()
    asked: list[pl.Expr] = []

    def share(name: str, holds: pl.Expr, judged: pl.Expr) -> None:
        asked.extend([(holds & judged).sum().alias(f"{name}:n"), judged.sum().alias(f"{name}:of")])

    for check in AGREEMENTS:
        of = [pl.col(f"{check}_{field}") for field in FIELDS]
        share(check, pl.min_horizontal(of) < 1, pl.any_horizontal(column.is_not_null() for column in of))
    share("options", pl.col("options") < 1, pl.col("options").is_not_null())
    read = pl.any_horizontal(pl.col(f"n_chars_{field}").is_not_null() for field in FIELDS)
    share("abstained", pl.any_horizontal(pl.col(f"lid_{field}").is_null() for field in FIELDS), read)
    mixed = [pl.col(f"lid_{field}_mixed") for field in FIELDS]
    share("mixed", pl.max_horizontal(mixed) > 0, pl.any_horizontal(column.is_not_null() for column in mixed))
    share("pii", pl.col("pii").list.len() > 0, pl.col("pii").is_not_null())
    for name in ESTIMATES:
        if name in names:
            asked += [pl.col(name).mean().alias(f"{name}:n"), pl.col(name).count().alias(f"{name}:of")]
    [found] = rows.select(asked).collect(engine="streaming").to_dicts()
    shares = {name: Share(found[f"{name}:n"], of) for name, of in _judged(found) if name not in ESTIMATES and of}
    means = {name: Mean(found[f"{name}:n"], of) for name, of in _judged(found) if name in ESTIMATES and of}
    return Findings(shares, means)


def _judged(found: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(key.removesuffix(":of"), n) for key, n in found.items() if key.endswith(":of")]
