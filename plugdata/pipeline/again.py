"""Rows asked for once more: which they are, and the recipe that says so.

What is asked again stands in the corpus's recipe (`translate.again`), so that a rerun comes to the same rows without a
call. Rows that translate itself took out are named by their reason. Rows that a later stage took out are named one by
one, in a file beside the recipe, for no task can know what a filter thinks of its answer.
"""

from collections.abc import Sequence

import polars as pl

from plugdata.corpus import Corpus, stage_key
from plugdata.errors import InputError
from plugdata.recipe import Again, Model, Recipe
from plugdata.review import stats
from plugdata.rows import Reason, Status

FILE = "again-{n}.txt"


def asking_again(
    corpus: Corpus, recipe: Recipe, reasons: Sequence[Reason], model: Model | None, repair: int
) -> tuple[Recipe, int]:
    """The recipe that asks again for the rows with one of these reasons, and how many there are.

    Raises InputError if there are none, or if the model that gave their answers could do nothing for them.
    """
    found = {lang: _taken_out(corpus, lang, reasons) for lang in recipe.languages}
    n_rows = sum(frame.height for frame in found.values())
    named = ", ".join(reasons)
    if not n_rows:
        raise InputError(f"no row of {corpus.path} was asked for and taken out for {named}", "`plugdata status` shows")
    later = [
        f"{lang} {id}"
        for lang, frame in found.items()
        for id in frame.filter(pl.col("stage") != "translate")["id"].to_list()
    ]
    if later and model is None:
        raise InputError(
            f"{len(later)} of {n_rows} rows ({named}) were taken out after translate, which has no fault to name",
            "give --model: another one translates them from the beginning",
        )
    rows = None
    if later:
        rows = corpus.path / FILE.format(n=len(recipe.translate.again) + 1)
        corpus.write_text(rows.name, "".join(f"{line}\n" for line in later))
        rows = rows.resolve()
    again = Again(reasons=tuple(reasons), rows=rows, model=model, repair=repair)
    return _with(recipe, (*recipe.translate.again, again)), n_rows


def keeping(recipe: Recipe, made_by: Recipe) -> Recipe:
    """A recipe with what its corpus was asked again, unless it has its own word on that."""
    return _with(recipe, made_by.translate.again) if not recipe.translate.again else recipe


def _with(recipe: Recipe, again: tuple[Again, ...]) -> Recipe:
    return recipe.model_copy(update={"translate": recipe.translate.model_copy(update={"again": again})})


def _taken_out(corpus: Corpus, lang: str, reasons: Sequence[Reason]) -> pl.DataFrame:
    """id, stage of the rows of a language that were translated and then taken out for a reason."""
    manifest = corpus.manifest()
    stage = manifest and next((s for s in reversed(stats.BY_LANGUAGE) if stage_key(s, lang) in manifest.stages), None)
    if not stage:
        return pl.DataFrame(schema={"id": pl.String(), "stage": pl.String()})
    return (
        pl.scan_parquet(corpus.part(stage, lang))
        .filter(pl.col("stage").is_in(stats.BY_LANGUAGE) & pl.col("status").is_in([Status.DROPPED, Status.QUARANTINED]))
        .filter(pl.col("reason").is_in(reasons))
        .select("id", "stage")
        .collect(engine="streaming")
    )
