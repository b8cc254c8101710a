"""The row-wise stage `apply`: pivot and target joined, and what could not be rendered unambiguously taken out."""

import polars as pl

from plugdata.errors import ContractError
from plugdata.pair.layouts import SPACE, all_labels, bare, check, label_line
from plugdata.rows import PAIR, TRANSLATE, Reason, Status, conform, take_out

VERSION = 2  # of `apply`


def fold(instruction: str, input: str | None) -> str:
    """Instruction, blank line, input, each with bare edges; one alone where the other is empty."""
    return "\n\n".join(filter(None, (instruction.strip(SPACE), (input or "").strip(SPACE))))


def apply(batch: pl.DataFrame, pivot: str, pivots: pl.DataFrame | None = None) -> pl.DataFrame:
    """Rows of contract PAIR from rows of contract TRANSLATE: pivot and target texts folded, edges stripped.

    `pivots`: the same rows translated into the pivot, where that is not the sources' language; a row whose translation
    into it is not kept is quarantined. Rows: all, same order. A kept one in which a line of any text starts with a
    label of any layout is quarantined (label-collision; detail: column and label). Others keep their verdict and the
    texts they have. What a row lacks is null, so that nothing measures it: both responses of a prompt alone, and what
    natural text has no translation of.
    Raises: ContractError for a missing column; LanguageError for a language that cannot be paired with the pivot.
    """
    batch = conform(batch, TRANSLATE)
    original = {"source_instruction": pl.lit(None, pl.String), "source_response": pl.lit(None, pl.String)}
    if pivots is not None:
        original = {f"source_{name}": pl.col(f"original_{name}") for name in ("instruction", "response")}
        batch = _in_pivot(batch, conform(pivots, TRANSLATE))
    pivot_response = pl.col("response").str.strip_chars(SPACE).replace("", None)
    response = pl.col("target_response").str.strip_chars(SPACE)
    pairs = batch.select(
        *(name for name in PAIR if name in TRANSLATE and name not in ("instruction", "response")),
        **original,
        pivot_lang=pl.lit(pivot),
        pivot_instruction=_fold("instruction", "input"),
        pivot_response=pivot_response,
        instruction=_fold("target_instruction", "target_input"),
        response=pl.when(pivot_response.is_not_null()).then(response).otherwise(response.replace("", None)),
    )
    by_language = pairs.with_row_index("at").partition_by("lang", maintain_order=True)
    if not by_language:
        return conform(pairs, PAIR)
    checked = [_check_collisions(rows, pivot, rows["lang"][0]) for rows in by_language]
    return conform(pl.concat(checked).sort("at"), PAIR)


def _in_pivot(batch: pl.DataFrame, pivots: pl.DataFrame) -> pl.DataFrame:
    """The rows with the pivot's translation in place of the source's texts, which become original_*, folded."""
    if batch["id"].to_list() != pivots["id"].to_list():
        raise ContractError("the rows in the pivot and in the target are not the same", "bring translate up again")
    texts = [pivots[f"target_{name}"].alias(name) for name in ("instruction", "input", "response")]
    original = batch.with_columns(
        original_instruction=_fold("instruction", "input"), original_response=pl.col("response").str.strip_chars(SPACE)
    ).with_columns(*texts, _lost=pivots["status"] != Status.KEPT, _why=pivots["reason"])
    why = pl.format("into the pivot: {}", pl.col("_why").fill_null(""))
    return take_out(original, "pair", Status.QUARANTINED, [(Reason.PIVOT, pl.col("_lost"), why)])


def _check_collisions(rows: pl.DataFrame, pivot: str, target: str) -> pl.DataFrame:
    check(pivot, target)
    pattern = label_line(all_labels(pivot, target))
    details = [
        pl.format(column + ": a line starts with '{}'", pl.col(column).str.extract(pattern, 1))
        for column in ("pivot_instruction", "pivot_response", "instruction", "response")
    ]
    detail = pl.coalesce(details)
    return take_out(rows, "pair", Status.QUARANTINED, [(Reason.LABEL_COLLISION, detail.is_not_null(), detail)])


def _fold(instruction: str, input: str) -> pl.Expr:
    """`fold`, of two columns; null where the instruction is null."""
    first, second = bare(instruction), bare(input).fill_null("")
    gap = pl.when((first == "") | (second == "")).then(pl.lit("")).otherwise(pl.lit("\n\n"))
    return pl.concat_str(first, gap, second)
