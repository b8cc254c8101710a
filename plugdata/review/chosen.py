"""Which rows to look at, and those rows as pairs: by chance (seeded), or nearest to a bound first.

Rows are chosen by their numbers alone and read afterwards, so that the texts of a corpus are never held: memory is
that of the rows asked for. Chance is the id, a hash already, seen through the seed: no order of files changes it, and
no release of a library.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from plugdata import pair
from plugdata.corpus import Corpus, Manifest, stage_key
from plugdata.errors import InputError
from plugdata.hashing import tagged_hash
from plugdata.recipe import Recipe, did_you_mean
from plugdata.review import measured
from plugdata.review.measured import Bounds
from plugdata.rows import CONTRACTS, NATURAL, PAIR, SHARED, VERDICT, Status

BY_LANGUAGE = tuple(stage for stage in CONTRACTS if stage not in SHARED)
CHANCE, THRESHOLD = "random", "threshold"
"""Orders that any corpus has: by chance, and nearest to whichever bound is next."""


@dataclass(frozen=True)
class View:
    """The rows of a language's last finished stage; `lang` None: those of all, before a language has a stage."""

    corpus: Corpus
    manifest: Manifest
    stage: str
    lang: str | None

    def scan(self) -> pl.LazyFrame:
        return self.corpus.scan(self.stage, self.lang)

    def bounds(self, recipe: Recipe) -> dict[str, Bounds]:
        """What the recipe and the fitted bounds ask of each measurement that these rows have."""
        return measured.bounds(recipe, self.fitted(), measured.columns(self.scan().collect_schema()))

    def fitted(self) -> dict[str, float]:
        """The bounds that this language's stages took from its rows."""
        keys = (stage_key(stage, self.lang) for stage in BY_LANGUAGE if self.lang)
        records = [self.manifest.stages[key] for key in keys if key in self.manifest.stages]
        return {name: value for record in records for name, value in record.fitted.items()}

    def read(self, ordinals: list[int]) -> pl.DataFrame:
        """These rows in this order, as rows.PAIR or more columns, with the verdicts they have now."""
        wanted = pl.DataFrame({"ordinal": ordinals}, schema={"ordinal": pl.Int64})
        rows = _these(self.scan(), ordinals)
        if self.stage in SHARED:
            rows = _untranslated(rows, self.manifest.pivot)
        elif self.stage in NATURAL:
            rows = _natural(rows, self.manifest.pivot)
        elif self.stage == "translate":
            in_pivot = stage_key("translate", self.manifest.pivot) in self.manifest.stages  # not the sources' language
            pivots = _these(self.corpus.scan("translate", self.manifest.pivot), ordinals) if in_pivot else None
            pairs = pair.apply(rows, self.manifest.pivot, pivots)
            rows = pairs.with_columns(rows.select(*VERDICT))  # what pair would say stands in no funnel yet
        return wanted.join(rows, on="ordinal", how="inner", maintain_order="left")


def view(corpus: Corpus, lang: str | None) -> View:
    """The last finished stage of a language, or of all. Raises InputError if there is none."""
    manifest = corpus.manifest()
    stages = BY_LANGUAGE if lang else SHARED
    stage = next((s for s in reversed(stages) if manifest and stage_key(s, lang) in manifest.stages), None)
    if manifest is None or stage is None:
        what = f"translated {lang}" if lang else "finished stage"
        raise InputError(f"{corpus.path} holds no {what} yet", "`plugdata status` shows what it holds")
    return View(corpus, manifest, stage, lang)


def sample(
    corpus: Corpus,
    lang: str,
    n: int,
    *,
    status: str | None = None,
    reason: str | None = None,
    seed: int = 0,
    by: pl.Expr | None = None,
) -> pl.DataFrame:
    """`n` rows of a language from its last finished stage, by chance, or of the least `by` first; rows.PAIR or more
    columns.

    `reason`: any that its stage gave. Raises InputError if the language has no finished stage.
    """
    found = view(corpus, lang)
    asked = [pl.lit(True)]
    if status:
        asked.append(pl.col("status") == status)
    if reason:
        asked.append(pl.col("reasons").list.contains(reason))
    chosen = pick(found.scan(), pl.all_horizontal(asked), n, by=by, seed=seed)
    return found.read(chosen.collect(engine="streaming")["ordinal"].to_list())


def pick(rows: pl.LazyFrame, which: pl.Expr, n: int, *, by: pl.Expr | None = None, seed: int = 0) -> pl.LazyFrame:
    """The ordinals of `n` rows: those of the least `by`, where it is not null; without one, by chance."""
    chance = _chance(seed)
    asked = rows.filter(which).select("ordinal", by=chance if by is None else by, chance=chance)
    # ties by chance; of rows with one id (twins) the first
    keys = ["by", "chance", "ordinal"]
    return asked.filter(pl.col("by").is_not_null()).bottom_k(n, by=keys).sort(keys).select("ordinal")


def taken_out(corpus: Corpus, lang: str) -> pl.DataFrame:
    """Every row of a language that is not kept, in source order; columns as `sample`."""
    found = view(corpus, lang)
    out = found.scan().filter(pl.col("status") != Status.KEPT).select("ordinal").sort("ordinal")
    return found.read(out.collect(engine="streaming")["ordinal"].to_list())


def order(view: View, recipe: Recipe, by: str) -> pl.Expr:
    """How far a row is from its bound, of the measurement `by` or, with THRESHOLD, of any.

    Raises InputError, naming what there is, if the language has no such measurement.
    """
    bounds = view.bounds(recipe)
    if (found := nearest(by, bounds)) is not None:
        return found
    if not bounds:
        raise InputError(f"nothing is measured of {view.lang} yet", "`plugdata filter` measures")
    known = [CHANCE, THRESHOLD, *dict.fromkeys(map(measured.base, bounds))]
    raise InputError(
        f"--by: no bound of {by!r} in {view.lang}{did_you_mean(by, known)}", f"there are {', '.join(known)}"
    )


def nearest(of: str, bounds: Mapping[str, Bounds]) -> pl.Expr | None:
    """How far a row is from a bound of the measurement `of`, the least of its fields; THRESHOLD: of any but counts,
    that are of another scale. None if nothing of it is bounded."""
    asked = [
        measured.distance(column, limits)
        for column, limits in bounds.items()
        if (measured.base(column) == of if of != THRESHOLD else measured.is_share(column))
    ]
    return pl.min_horizontal(asked) if asked else None


def _chance(seed: int) -> pl.Expr:
    """A number that is each row's own, and another one with another seed."""
    mask = int(tagged_hash(seed)[len("b2:") :][:15], 16)
    return pl.col("id").str.slice(len("b2:"), 15).str.to_integer(base=16) ^ mask


def _these(rows: pl.LazyFrame, ordinals: list[int]) -> pl.DataFrame:
    found = rows.filter(pl.col("ordinal").is_in(ordinals)).collect(engine="streaming")
    return found.sort("id", "ordinal")  # as the stages have them


def _untranslated(rows: pl.DataFrame, pivot: str) -> pl.DataFrame:
    """Rows of the shared stages as pairs that lack their target."""
    texts = pl.concat_str("instruction", pl.col("input").replace("", None), separator="\n\n", ignore_nulls=True)
    halves = {"pivot_instruction": texts, "pivot_response": pl.col("response"), "pivot_lang": pl.lit(pivot)}
    lacking = {name: pl.lit(None, dtype) for name, dtype in PAIR.items() if name not in rows.columns}
    empty = {"instruction": pl.lit(None, pl.String), "response": pl.lit(None, pl.String)}
    return rows.with_columns(**{**lacking, **halves, **empty}).select(*PAIR)


def _natural(rows: pl.DataFrame, pivot: str) -> pl.DataFrame:
    """Passages as pairs: the instruction in the pivot as far as there is one, and what it is answered with."""
    has = rows.columns
    made = pl.col("candidates").list.first().struct.field("text") if "candidates" in has else pl.lit(None, pl.String)
    halves = {
        "pivot_instruction": pl.coalesce("instruction", made) if "instruction" in has else made,
        "response": pl.coalesce("edited", "passage") if "edited" in has else pl.col("passage"),
        "instruction": pl.lit(None, pl.String),
        "pivot_lang": pl.lit(pivot),
    }
    lacking = {name: pl.lit(None, dtype) for name, dtype in PAIR.items() if name not in has}
    return rows.with_columns(**{**lacking, **halves}).select(*PAIR)
