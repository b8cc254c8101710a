"""Commands that make a corpus, from a plan to the Hub."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugdata.cli.options import (
    PATH,
    assigned,
    corpus_argument,
    first,
    json_option,
    limit_option,
    model_options,
    money_options,
    quiet_option,
    reason_of,
    recipe_of,
    recipe_options,
    set_option,
    typed,
)
from plugdata.cli.showing import console, funnel_of, watching

if TYPE_CHECKING:
    from plugdata.recipe import Recipe


@click.command(short_help="A small corpus, no key, no account.")
@click.argument("corpus", type=PATH, default=Path("corpora/demo"))
@quiet_option
def demo(corpus: Path, quiet: bool) -> None:
    """A whole small corpus in two languages with the embedded model: no key, no account.

    Needs `pip install 'plugdata[local]'`; fetches the model once. Some minutes on two cores.
    """
    from plugdata import pipeline
    from plugdata import recipe as recipes
    from plugdata.review.closing import closing

    asked = recipes.load(recipes.packaged("quickstart.yaml"), [f"corpus={json.dumps(str(corpus))}"])
    with watching(quiet) as watch:
        made = pipeline.run(asked, watch=watch)
    console().print(closing(made))


@click.command(short_help="What a run would ask, cost and take. Sends nothing.")
@recipe_options
@json_option
def plan(asked: "Recipe", limit: int | None, as_json: bool, quiet: bool) -> None:
    """Rows, calls already paid, calls to make, tokens, money and hours of a RECIPE. Sends nothing.

    \b
    plugdata plan recipes/plug-zh-ko-it-es.yaml --model gpt-4o-mini
    """
    from plugdata import pipeline
    from plugdata.review.plan import screen

    with watching(quiet) as watch:
        made = pipeline.plan(first(asked, limit), watch=watch)
    if as_json:
        click.echo(json.dumps(made.as_json(), ensure_ascii=False, indent=2))
    else:
        console().print(screen(made))


@click.command(short_help="Make or bring up to date the corpus of a recipe.")
@recipe_options
@click.option(
    "--until",
    type=click.Choice(
        [
            "screen",
            "passages",
            "generate",
            "rate",
            "diversify",
            "translate",
            "pair",
            "filter",
            "dedup",
            "quality",
            "dist",
        ]
    ),
    default="dist",
)
def run(asked: "Recipe", limit: int | None, until: str, quiet: bool) -> None:
    """Make or bring up to date the corpus of a RECIPE: translate, pair, filter, dedup, dist/, and push if it says so.

    With --limit it is a look: the pairs are shown, and what all rows would cost; nothing is pushed.

    \b
    plugdata run recipes/quickstart.yaml
    plugdata run recipes/plug-zh-ko-it-es.yaml --model gpt-4o-mini --limit 5
    plugdata run my.yaml --until filter --set filter.lid.min=0.6
    """
    from plugdata import pipeline

    if until not in asked.stages:
        raise click.UsageError(f"--until {until}: the stages of kind {asked.kind} are {', '.join(asked.stages)}")
    look = limit is not None and until != "screen"
    with funnel_of(asked.corpus, asked if look else None), watching(quiet) as watch:
        pipeline.run(first(asked, limit), until=until, watch=watch)
    if until == "dist" and asked.publish.repo:
        with watching(quiet) as watch:
            if limit is None:
                click.echo(pipeline.push(asked, watch=watch).url)
            else:
                watch.say(
                    f"not pushed to {asked.publish.repo}: --limit is for a look (`plugdata push` pushes as it is)"
                )


@click.command(short_help="Translate a file or a Hub data set, row by row.")
@click.argument("source")
@corpus_argument
@click.option("--to", "languages", required=True, metavar="CODES", help="Target languages, e.g. ko,sw.")
@click.option("--pivot", help="Language in which the model will think. Default: en.")
@click.option("--source-lang", help="Language of the source. Default: the pivot; another is translated into it too.")
@click.option("--split", help="Split of a Hub data set. Default: train.")
@click.option("--config", help="Configuration of a Hub data set.")
@click.option("--map", "columns", multiple=True, metavar="OURS=THEIRS", help="Column, e.g. response=output.")
@click.option("--fields", type=click.Choice(["all", "instruction"]), help="instruction: prompts alone (a benchmark).")
@click.option("--license", help="Licence of the source, e.g. cc-by-nc-4.0.")
@click.option(
    "--protocol",
    type=click.Choice(["tags", "json_schema", "plain", "plug-paper"]),
    help="Default: tags. plain: one text a call, for weak models.",
)
@limit_option
@model_options
@money_options
@set_option
@quiet_option
def translate(
    source: str,
    corpus: Path,
    languages: str,
    budget: float | None,
    ledger: Path | None,
    assignments: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Translate SOURCE (a file, a folder or a Hub id) into languages, row by row, in CORPUS.

    \b
    plugdata translate alpaca.json corpora/alpaca --to ko,sw --model gpt-4o-mini --rpm 500
    plugdata translate vicgalle/alpaca-gpt4 corpora/gpt4 --to es --model qwen --base-url http://127.0.0.1:8000/v1
    """
    from plugdata import pipeline
    from plugdata import recipe as recipes

    assignments = assigned(assignments, budget=budget, ledger=ledger)
    asked = recipes.for_translation(source, corpus, languages, assignments, **options)
    with funnel_of(corpus), watching(quiet) as watch:
        pipeline.run(asked, until="translate", watch=watch)


@click.command(short_help="Join pivot and target, from answers or from files.")
@corpus_argument
@click.option("--pivot", type=PATH, help="The originals of translations one already has.")
@click.option("--target", "targets", type=PATH, multiple=True, help="Translations, in the same format; or several.")
@click.option("--to", help="Language of the translations. Default: the file's name, as in ko.json.")
@click.option("--by", type=click.Choice(["auto", "id", "order"]), default="auto", help="How records are matched.")
@click.option("--license", help="Licence of the originals, e.g. cc-by-nc-4.0.")
@set_option
@quiet_option
def pair(
    corpus: Path,
    pivot: Path | None,
    targets: tuple[Path, ...],
    to: str | None,
    by: str,
    license: str | None,
    assignments: tuple[str, ...],
    quiet: bool,
) -> None:
    """Join pivot and target of every translated row of CORPUS; or bring in translations that one already has.

    \b
    plugdata pair corpora/plug
    plugdata pair --pivot en.json --target ko.json corpora/plug-ko
    """
    from plugdata import pipeline
    from plugdata import recipe as recipes

    if (pivot is None) == bool(targets):
        raise click.UsageError("--pivot and --target go together")
    if not pivot and (to or license or by != "auto"):
        raise click.UsageError("--to, --by and --license are of translations that are brought in, with --pivot")
    with funnel_of(corpus), watching(quiet) as watch:
        if pivot:
            asked = recipes.for_pairs(pivot, targets, corpus, to, by, license, assignments)
            pipeline.run(asked, until="pair", watch=watch)
        else:
            pipeline.run(recipe_of(corpus, assignments), first="pair", until="pair", watch=watch)


@click.command(short_help="Ask again for rows that came to nothing.")
@corpus_argument
@click.option("--reason", "reasons", multiple=True, required=True, metavar="R", help="E.g. echo; several may be given.")
@click.option("--repair", type=click.IntRange(0, 5), default=2, show_default=True, help="Repairs for each row.")
@model_options
@money_options
@set_option
@quiet_option
def retry(
    corpus: Path,
    reasons: tuple[str, ...],
    repair: int,
    budget: float | None,
    ledger: Path | None,
    assignments: tuple[str, ...],
    quiet: bool,
    **flags: Any,
) -> None:
    """Ask again for the rows of CORPUS that were taken out for a reason: by the same model, with more repairs; or by
    a stronger one from the beginning. All other rows stay as they are.

    \b
    plugdata retry corpora/plug --reason bad-tags --reason marks
    plugdata retry corpora/plug --reason echo --model gpt-5
    """
    from plugdata import pipeline
    from plugdata import recipe as recipes

    asked = [reason_of(reason) for given in reasons for reason in given.split(",")]
    stronger = recipes.model(**typed(flags))
    recipe = recipe_of(corpus, assigned(assignments, budget=budget, ledger=ledger))
    with funnel_of(corpus), watching(quiet) as watch:
        pipeline.retry(recipe, asked, model=stronger, repair=repair, watch=watch)


@click.command(short_help="One corpus from parts made on several machines.")
@click.argument("parts", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", "target", required=True, type=PATH, help="The new corpus.")
@set_option
@quiet_option
def merge(parts: tuple[Path, ...], target: Path, assignments: tuple[str, ...], quiet: bool) -> None:
    """One corpus from PARTS that were made apart with --shard, in a new directory. No call is sent.

    \b
    plugdata run my.yaml --shard 1/2 --set corpus=part1        on one machine
    plugdata run my.yaml --shard 2/2 --set corpus=part2        on another
    plugdata merge part1 part2 -o corpora/whole
    """
    from plugdata import pipeline

    with funnel_of(target), watching(quiet) as watch:
        pipeline.merge(parts, target, assignments=assignments, watch=watch)
