"""Rows asked for once more: which they are, and the recipe that says so.

What is asked again stands in the corpus's recipe (`translate.again`), so that a rerun comes to the same rows without a
call. Rows that translate itself took out are named by their reason. Rows that a later stage took out are named one by
one, in a file beside the recipe, for no task can know what a filter thinks of its answer.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from plugdata import recipe as recipes
from plugdata import stages
from plugdata.corpus import Corpus, stage_key
from plugdata.errors import InputError
from plugdata.recipe import Again, Model, Recipe
from plugdata.review import chosen
from plugdata.rows import Reason, Status

FILE = "again-{n}.txt"


def asking_again(
    corpus: Corpus, recipe: Recipe, reasons: Sequence[Reason], model: Model | None, repair: int
) -> tuple[Recipe, int]:
    """The recipe that asks again for the rows with one of these reasons, and how many there are.

    The same asked for twice, where calls of the first time failed, is the rest of the first time.
    Raises InputError if there are no such rows, or if asking in this way could do nothing for them.
    """
    named = ", ".join(reasons)
    try:
        again = Again(reasons=tuple(reasons), model=model, repair=repair)
    except ValidationError as error:
        told = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"cannot ask again for {named}: {told}") from None
    found = {lang: _taken_out(corpus, lang) for lang in recipe.asked}
    before = recipe.translate.again
    if before and before[-1].model_copy(update={"rows": None}) == again:
        n_failed = sum(frame.filter(pl.col("status") == Status.FAILED).height for frame in found.values())
        if n_failed:
            return recipe, n_failed
    asked = pl.col("reason").is_in(reasons) & (pl.col("status") != Status.FAILED)
    found = {lang: frame.filter(asked) for lang, frame in found.items()}
    n_rows = sum(frame.height for frame in found.values())
    if not n_rows:
        raise InputError(
            f"no row of {corpus.path} was asked for and taken out for {named}",
            f"`plugdata status {corpus.path}` shows for what rows were; translations that were given are not asked for",
        )
    if model and {by for frame in found.values() for by in frame["model"]} == {stages.served_as(model)}:
        raise InputError(
            f"{model.model} gave these answers, and would give them again",
            "leave --model out, to ask it with more repairs; or name another one",
        )
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
    again = again.model_copy(update={"rows": _listed(corpus, len(before) + 1, later)})
    return _with(recipe, (*before, again)), n_rows


def keeping(recipe: Recipe, corpus: Corpus) -> Recipe:
    """A recipe with what its corpus was asked again, unless it has its own word on that."""
    if "again" in recipe.translate.model_fields_set or not corpus.recipe.is_file():
        return recipe
    return _with(recipe, recipes.load(corpus.recipe).translate.again)


def note(corpus: Corpus, recipe: Recipe) -> None:
    """See that the corpus's recipe says what its translations were asked again, whatever becomes of later stages."""
    made_by = recipes.load(corpus.recipe)
    if made_by.translate.again != recipe.translate.again:
        corpus.write_text("recipe.yaml", recipes.dump(_with(made_by, recipe.translate.again)))


def reached(corpus: Corpus) -> str:
    """The last stage that any language of a corpus has finished."""
    manifest = corpus.manifest()
    done = {key.partition("/")[0] for key in manifest.stages} if manifest else set()
    return next((stage for stage in reversed(chosen.BY_LANGUAGE) if stage in done), "translate")


def together(corpus: Corpus, parts: Sequence[Recipe]) -> tuple[Again, ...]:
    """What the parts of a corpus were asked again, with the rows that were named one by one in files of the corpus."""
    most = max((part.translate.again for part in parts), key=len)
    merged = []
    for at, again in enumerate(most):
        files = {a.rows for part in parts for a in part.translate.again[at : at + 1] if a.rows}
        lines = {f"{lang} {id}" for file in files for lang in parts[0].asked for id in stages.chosen(file, lang)}
        merged.append(again.model_copy(update={"rows": _listed(corpus, at + 1, sorted(lines))}))
    return tuple(merged)


def _listed(corpus: Corpus, n: int, lines: Sequence[str]) -> Path | None:
    """The file of the n-th time, with these `LANG ID` lines; None without any."""
    if not lines:
        return None
    path = corpus.path / FILE.format(n=n)
    corpus.write_text(path.name, "".join(f"{line}\n" for line in lines))
    return path.resolve()


def _with(recipe: Recipe, again: tuple[Again, ...]) -> Recipe:
    return recipe.model_copy(update={"translate": recipe.translate.model_copy(update={"again": again})})


def _taken_out(corpus: Corpus, lang: str) -> pl.DataFrame:
    """id, stage, status, reason, model of the rows of a language that were asked for and then taken out."""
    columns = {name: pl.String() for name in ("id", "stage", "status", "reason", "model")}
    manifest = corpus.manifest()
    stage = manifest and next((s for s in reversed(chosen.BY_LANGUAGE) if stage_key(s, lang) in manifest.stages), None)
    if not stage:
        return pl.DataFrame(schema=columns)
    return (
        corpus.scan(stage, lang)
        .filter(pl.col("stage").is_in(chosen.BY_LANGUAGE) & (pl.col("status") != Status.KEPT))
        .select(*columns)
        .collect(engine="streaming")
    )
