"""In which language a field is: what is measured of it, and the filters that read it."""

import polars as pl

from plugdata import recipe
from plugdata.checks import lid, script
from plugdata.curate.filters.check import WHOLE, Bounds, Check, of_fields
from plugdata.languages import Language
from plugdata.rows import FIELDS, Reason


def measured(proses: pl.DataFrame, language: Language, model: lid.Model) -> list[pl.Series]:
    """lid_*, lid_*_top and script_* of both fields. Needs: the fields' prose (checks.prose)."""
    columns = []
    for field in FIELDS:
        p, top = lid.scores(model, proses[field], language)
        columns += [
            p.alias(f"lid_{field}"),
            top.alias(f"lid_{field}_top"),
            script.share(proses[field], language).alias(f"script_{field}"),
        ]
    return columns


def by_lid(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field that the identifier doubts *and* would call another language.

    Both, because it doubts right texts of the languages it knows least: of real Swahili passages of 100 to 300
    letters 33 % score below 0.5, and none of those is called another language; of Spanish translations 6.4 % score
    below, half of them called Spanish all the same. English left in place is called English.
    """
    least = settings.lid.min

    def detail(field: str) -> pl.Expr:
        looks_like = pl.format("; looks like '{}'", pl.col(f"lid_{field}_top"))
        return pl.format(f"p({{}}) {{}} < {least} in {field}", "lang", pl.col(f"lid_{field}").round(3)) + looks_like

    def condition(field: str) -> pl.Expr:
        doubted = (pl.col(f"lid_{field}") < least) & (pl.col(f"lid_{field}_top") != pl.col("lang"))
        return doubted & WHOLE

    return of_fields(Reason.LID, condition, detail)


def by_script(settings: recipe.Filter, bounds: Bounds) -> Check:
    """A field whose letters are of other scripts."""
    least = settings.script.min

    def detail(field: str) -> pl.Expr:
        return pl.format(
            f"{{}} < {least} of letters in the script of {{}} in {field}", pl.col(f"script_{field}").round(3), "lang"
        )

    return of_fields(Reason.SCRIPT, lambda field: (pl.col(f"script_{field}") < least) & WHOLE, detail)
