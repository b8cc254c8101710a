"""What the estimates come to, language by language, for people to read. Pure."""

from typing import NamedTuple

import polars as pl


class Summary(NamedTuple):
    """The estimates of one language. None where there is nothing to measure."""

    lang: str
    n_back: int  # rows that were translated back, abstentions included
    back_abstained_share: float | None
    chrf_instruction_mean: float | None
    chrf_instruction_median: float | None
    chrf_response_mean: float | None
    chrf_response_median: float | None
    n_judged: int  # rows that were judged, abstentions included
    judge_abstained_share: float | None
    accuracy_mean: float | None
    fluency_mean: float | None
    chrf_accuracy_correlation: float | None  # Spearman's, chrF of the response and accuracy, of rows that have both


def summary(rows: pl.DataFrame) -> list[Summary]:
    """One Summary for each language, in the order of their codes, over all rows that were measured, dropped or not.

    Needs, of rows.QUALITY: lang and the columns that quality adds, less back_response and judge_errors.
    """
    back, judged = pl.col("back_model").is_not_null(), pl.col("judge_model").is_not_null()
    unscored = pl.all_horizontal(pl.col("chrf_instruction", "chrf_response").is_null())
    both = pl.col("chrf_response").is_not_null() & pl.col("judge_accuracy").is_not_null()
    paired = pl.corr(pl.col("chrf_response").filter(both), pl.col("judge_accuracy").filter(both), method="spearman")
    found = rows.group_by("lang").agg(
        n_back=back.sum(),
        back_abstained_share=unscored.filter(back).mean(),
        chrf_instruction_mean=pl.col("chrf_instruction").mean(),
        chrf_instruction_median=pl.col("chrf_instruction").median(),
        chrf_response_mean=pl.col("chrf_response").mean(),
        chrf_response_median=pl.col("chrf_response").median(),
        n_judged=judged.sum(),
        judge_abstained_share=pl.col("judge_accuracy").is_null().filter(judged).mean(),
        accuracy_mean=pl.col("judge_accuracy").mean(),
        fluency_mean=pl.col("judge_fluency").mean(),
        chrf_accuracy_correlation=paired.fill_nan(None),  # of fewer than two rows, or where one never changes
    )
    return [Summary(**row) for row in found.sort("lang").iter_rows(named=True)]
