"""Two judges of the same answers: how far their verdicts agree.

Only questions that both decided by a verdict count: what was missing, failed or unparsable at either says nothing of
the other, and is counted. Knows the frames of verdicts, no file.
"""

from dataclasses import dataclass

import polars as pl

from plugdata.evaluate import estimates, pairs, single
from plugdata.evaluate.estimates import Estimate, Group

COLUMNS = {"pairs": pairs.TALLIES, "score": ("score",), "truthful": tuple(single.TRUTHFUL_PROMPTS)}
"""Of each mode, the columns in which two judges are compared."""

_OTHER = "_other"


@dataclass(frozen=True)
class Agreed:
    """How far two judges agree in one column. `agreement`: the share of equal verdicts; `kappa`: Cohen's; `spearman` of
    marks, in place of kappa. `said`: "win/tie" → questions of which the judges said so, in this order."""

    group: Group
    column: str
    n_shared: int
    n: int  # of those, decided by a verdict of both
    agreement: Estimate
    kappa: float | None
    spearman: float | None
    said: dict[str, int]


def agreed(one: pl.DataFrame, other: pl.DataFrame, mode: str) -> tuple[Agreed, ...]:
    """The agreement of two frames of verdicts of one mode, in each column, of all questions and of each group."""
    both = one.join(other, on=["id", "lang"], suffix=_OTHER)
    return tuple(
        _agreed(group, rows, column, by_rank=mode == "score")
        for group, rows in estimates.groups(both)
        for column in COLUMNS[mode]
    )


def _agreed(group: Group, rows: pl.DataFrame, column: str, *, by_rank: bool) -> Agreed:
    judged = (pl.col("how") == "judged") & (pl.col(f"how{_OTHER}") == "judged")
    decided = rows.filter(judged).select("id", one=column, other=f"{column}{_OTHER}").drop_nulls()
    decided = decided.filter(pl.all_horizontal(pl.col("one", "other").cast(pl.String) != pairs.Came.ERROR))
    said = decided.group_by("one", "other").len().sort("one", "other")
    return Agreed(
        group,
        column,
        rows.height,
        decided.height,
        estimates.mean(decided.select("id", value=pl.col("one") == pl.col("other"))),
        None if by_rank else estimates.kappa(decided),
        estimates.spearman(decided) if by_rank else None,
        {} if by_rank else {f"{mine}/{theirs}": n for mine, theirs, n in said.iter_rows()},
    )
