"""Commands of kind x-instruction, a stage further each: what is fresh is passed over, so each may be the first."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugdata.cli.options import PATH, first, recipe_options
from plugdata.cli.showing import console, funnel_of, watching

if TYPE_CHECKING:
    from plugdata.recipe import Recipe


@click.command(short_help="Instructions for passages of natural text.")
@recipe_options
def generate(asked: "Recipe", limit: int | None, quiet: bool) -> None:
    """Clean and divide the texts of a RECIPE (or its corpus), and make an instruction for each passage.

    \b
    plugdata generate recipes/x-instruction-sw.yaml --model gpt-4o-mini --limit 20
    """
    _bring_up(first(asked, limit), "generate", quiet)


@click.command(short_help="Rate instructions and passages, and keep the best.")
@recipe_options
@click.option(
    "--round",
    "folder",
    type=PATH,
    metavar="DIR",
    help="Write the sets that train the next round's generator and rater, as train_ref/ reads them.",
)
def rate(asked: "Recipe", limit: int | None, folder: Path | None, quiet: bool) -> None:
    """Rate the pairs of a RECIPE (or its corpus): how well each passage answers its instruction.

    \b
    plugdata rate corpora/x-sw --model gpt-4o-mini
    plugdata rate corpora/x-sw --round rounds/1
    """
    from plugdata import pipeline

    asked = first(asked, limit)
    if folder:
        pipeline.check_round(asked, folder)
    _bring_up(asked, "rate", quiet)
    if folder:
        made = pipeline.write_round(asked, folder)
        click.echo(f"{folder}: " + ", ".join(f"{n:,} examples for the {name}" for name, n in made.items()))


@click.command(short_help="Sample rows evenly from clusters of their instructions.")
@recipe_options
def diversify(asked: "Recipe", limit: int | None, quiet: bool) -> None:
    """Sample the rated rows of a RECIPE (or its corpus) by clusters of their instructions; before and after in numbers.

    \b
    plugdata diversify corpora/x-sw --set diversify.rows=32000
    """
    from plugdata import stages
    from plugdata.corpus import Corpus
    from plugdata.review import natural

    asked = first(asked, limit)
    _bring_up(asked, "diversify", quiet)
    corpus = Corpus.open(asked.corpus)
    listed = {lang: stages.verb_nouns(corpus, asked, lang) for lang in asked.languages}
    console().print(natural.diversity(natural.measured(corpus), listed))


def _bring_up(asked: "Recipe", stage: str, quiet: bool) -> None:
    from plugdata import pipeline
    from plugdata.errors import InputError

    if asked.kind != "x-instruction":
        raise InputError(
            f"`{stage}` is for natural text, and the recipe is of kind {asked.kind}",
            "see recipes/x-instruction-sw.yaml; `plugdata run` makes a corpus of either kind",
        )
    with funnel_of(asked.corpus), watching(quiet) as watch:
        pipeline.run(asked, until=stage, watch=watch)
