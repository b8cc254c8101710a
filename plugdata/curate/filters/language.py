"""In which language a field is: what is measured of it, and the filters that read it."""

import polars as pl

from plugdata import languages, recipe
from plugdata.checks import lid, script
from plugdata.checks.quoted import without_quoted
from plugdata.checks.spans import without_code
from plugdata.curate.filters.check import WHOLE, Bounds, Check, of_fields
from plugdata.languages import Language
from plugdata.rows import FIELDS, Reason, kept

FLOOR = 0.1
"""p(lang) below which no language's own rows may take its threshold. Of the English texts of benchmarks/lid.py one
reaches it: 0.13, in Spanish."""

CEILING = 0.5
"""The same upwards: from here on no other language is more probable than the one asked for."""

MIN_ROWS = 200
"""Rows named as their language that a fit needs: the quantile below then stands on four of them."""

FIT_SHARE = 0.5
"""Share of the judged fields that must be named as their language, or the corpus is not one to learn from."""

FIT_QUANTILE = 0.02

OWN_SCRIPT = 0.8
"""Share of the script below which what a field quotes is looked for. With 0.5, 1 of 40 answers whose last paragraph was
left in English passed in Korean, in Urdu and in Chinese."""

SHORT_CHARS = 100
"""Characters of an instruction for which its response may speak: a sentence or two, of which the identifier knows
little. Longer ones are judged by themselves."""

SPEAKS_CHARS, SPEAKS_P = 150, 0.8
"""Of a response that speaks for its instruction: it is long, surely in the language, and nothing in it is another's.

Of 985 real rows in gist-quality Catalan (Apertium's) 12 were dropped for their instruction, of which it keeps 9: "Crea
un poema sobre una alba" sounds like Spanish. Of the 747 short English instructions before the same responses 738 are
found with it as without (the others are too short to be judged): none that sounds like the pivot, or of which p(lang)
is below FLOOR, is spoken for."""


def measured(
    proses: pl.DataFrame, language: Language, pivot: Language, model: lid.Model, candidates: tuple[str, ...] = ()
) -> list[pl.Series]:
    """lid_*, lid_*_top, lid_*_mixed and script_* of both fields.

    Needs: both fields and the pivot's as prose (checks.prose). Where a field is in doubt (p below CEILING, the
    highest bound that is fitted), it is read again without bare code and without what it quotes of the pivot's, and
    that counts.
    """

    def judged(texts: pl.Series) -> pl.DataFrame:
        p, top, mixed = lid.scores(model, texts, language, pivot, candidates)
        return pl.DataFrame([p, top, mixed, script.share(texts, language).alias("script")])

    texts = pl.concat([proses[field] for field in FIELDS], rechunk=True)
    found = judged(texts)
    doubted = (pl.col("p") < CEILING) | (pl.col("mixed") > 0) | (pl.col("script") < OWN_SCRIPT)
    places = found.select(pl.arg_where(doubted)).to_series()
    asked = texts.gather(places)
    pivots = proses.select(f"pivot_{of}" for of in FIELDS)[places % proses.height]
    left = without_quoted(_without_code(asked), pivots.get_columns())
    changed = left != asked
    again, places = judged(left.filter(changed)), places.filter(changed)
    columns = [column.scatter(places, new) for column, new in zip(found, again, strict=True)]
    names = ("lid_{}", "lid_{}_top", "lid_{}_mixed", "script_{}")
    return [
        column.slice(n * proses.height, proses.height).alias(name.format(field))
        for n, field in enumerate(FIELDS)
        for column, name in zip(columns, names, strict=True)
    ]


def _without_code(texts: pl.Series) -> pl.Series:
    places = texts.str.contains(r"[=(\[{]").fill_null(False).arg_true()
    left = [without_code(text) for text in texts.gather(places)]
    return texts.clone().scatter(places, pl.Series(left, dtype=pl.String))


def fit_lid(measured: pl.LazyFrame, settings: recipe.Filter, lang: str) -> dict[str, float]:
    """lid_min: the recipe's threshold, else half of what all but FIT_QUANTILE of a language's rows reach.

    Half, since those are right rows: they show how far down the identifier goes where nothing is wrong. Fields named
    as another language have no say; where they are many, or the rows few, it is that of languages.toml. What is fitted
    lies from FLOOR to CEILING.
    Needs: rows.MEASURE of one language.
    """
    if settings.lid.min is not None:
        return {"lid_min": settings.lid.min}
    fields = [
        measured.filter(kept()).select("lang", p=f"lid_{field}", top=f"lid_{field}_top").drop_nulls()
        for field in FIELDS
    ]
    named = pl.col("p").filter(pl.col("top") == pl.col("lang"))
    found = (
        pl.concat(fields)
        .select(n=pl.len(), n_named=named.len(), low=named.quantile(FIT_QUANTILE))
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if found["n_named"] < max(MIN_ROWS, FIT_SHARE * found["n"]):
        return {"lid_min": languages.get(lang).lid_min}
    return {"lid_min": min(max(found["low"] / 2, FLOOR), CEILING)}


def by_lid(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that is not in its language, or of which a part is in another beyond doubt."""
    least, most = bounds["lid_min"], settings.lid.mixed

    def doubted(field: str) -> pl.Expr:
        doubt = pl.col(f"lid_{field}") < least
        return doubt & ~_spoken_for() if field == "instruction" else doubt

    def detail(field: str) -> pl.Expr:
        p = pl.format(f"p({{}}) {{}} < {least:.3g} in {field}", "lang", pl.col(f"lid_{field}").round(3))
        looks_like = pl.format("; looks like '{}'", pl.col(f"lid_{field}_top"))
        part = pl.format(f"{{}} > {most} of {field} in another language", pl.col(f"lid_{field}_mixed").round(3))
        return pl.when(doubted(field)).then(p + looks_like).otherwise(part)

    def condition(field: str) -> pl.Expr:
        return (doubted(field) | (pl.col(f"lid_{field}_mixed") > pl.lit(most, pl.Float64))) & WHOLE

    return of_fields(Reason.LID, condition, detail)


def _spoken_for() -> pl.Expr:
    """Whether a short instruction that sounds like a language which its own is confused with has a sure response.

    Never one that sounds like the pivot, which is what a translator leaves.
    """
    confused = [f"{code} {rival}" for code, of in languages.table().items() for rival in of.confused]
    top = pl.col("lid_instruction_top")
    doubtful = (
        (pl.col("n_chars_instruction") <= SHORT_CHARS)
        & (pl.col("lid_instruction") >= FLOOR)
        & (top != pl.col("pivot_lang"))
        & pl.concat_str("lang", top, separator=" ").is_in(confused)
    )
    sure = (
        (pl.col("n_chars_response") >= SPEAKS_CHARS)
        & (pl.col("lid_response") >= SPEAKS_P)
        & (pl.col("lid_response_mixed") == 0)
        & (pl.col("lid_response_top") == pl.col("lang"))
    )
    return (doubtful & sure).fill_null(False)


def by_script(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field whose letters are of other scripts."""
    least = settings.script.min

    def detail(field: str) -> pl.Expr:
        return pl.format(
            f"{{}} < {least} of letters in the script of {{}} in {field}", pl.col(f"script_{field}").round(3), "lang"
        )

    return of_fields(Reason.SCRIPT, lambda field: (pl.col(f"script_{field}") < least) & WHOLE, detail)
