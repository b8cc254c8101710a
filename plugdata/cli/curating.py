"""Commands that decide which rows are kept: of a corpus, or of a file that is none."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugdata.cli.options import PATH, quiet_option, recipe_of, set_option, together
from plugdata.cli.showing import console, ended_by_signals, funnel_of, watching

if TYPE_CHECKING:
    from plugdata.pipeline.plain import Stage

plain_options = together(
    click.argument("source", type=PATH, metavar="CORPUS|FILE"),
    click.option("-o", "--output", type=PATH, help="Of a FILE: where kept records go (.parquet .jsonl .json .csv)."),
    click.option("--dropped", type=PATH, help="Of a FILE: where the others go, with status, reason and detail."),
    click.option("--all", "everything", is_flag=True, help="Of a FILE: all records go to -o, with their verdicts."),
    click.option("--measurements", is_flag=True, help="Of a FILE: write what was measured beside each record."),
    click.option("--lang", help="Language of a FILE. Default: that of each record, in its column `lang`."),
    click.option("--pivot", help="Language of a FILE's pivot_instruction and pivot_response. Default: en."),
    click.option("--map", "columns", multiple=True, metavar="OURS=THEIRS", help="Column, e.g. response=answer."),
)


@click.command(short_help="Measure pairs and apply the thresholds. No call is sent.")
@plain_options
@set_option
@quiet_option
def filter(source: Path, assignments: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Measure the pairs of CORPUS, or the records of FILE, and apply the thresholds. No call is sent.

    A FILE holds pairs (pivot_instruction, pivot_response, instruction, response), or texts in one language in any
    format that sources have; what compares with a pivot then says nothing. Records come through as they are.

    \b
    plugdata filter corpora/alpaca --set filter.lid.min=0.3
    plugdata filter pairs.jsonl --lang ko -o kept.parquet --dropped dropped.jsonl
    """
    if not _is_plain(source, options):
        _bring_up(source, "filter", assignments, quiet)
    else:
        _curate("filter", source, assignments, quiet, **options)


@click.command(short_help="Take duplicates out. No call is sent.")
@plain_options
@click.option("--per-language", is_flag=True, help="Decide in each language by itself: more rows, not parallel ones.")
@click.option(
    "--against", multiple=True, metavar="PATH|HUB_ID", help="No row may repeat one of these; may be repeated."
)
@set_option
@quiet_option
def dedup(
    source: Path,
    per_language: bool,
    against: tuple[str, ...],
    assignments: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Take duplicates out of CORPUS, in every language alike, or out of FILE; and what other data sets have. No call
    is sent.

    \b
    plugdata dedup corpora/alpaca --set dedup.near=0.7
    plugdata dedup corpora/alpaca --against corpora/dolly --against me/plug-ko
    plugdata dedup pairs.jsonl --lang ko -o unique.jsonl
    """
    flags = [*(["dedup.per_language=true"] if per_language else [])]
    named = [str(Path(name).resolve()) if Path(name).exists() else name for name in against]  # a path before a Hub id
    flags += [f"dedup.against={json.dumps(named)}"] if named else []
    if not _is_plain(source, options):
        _bring_up(source, "dedup", (*flags, *assignments), quiet)
    else:
        _curate("dedup", source, (*flags, *assignments), quiet, **options)


def _is_plain(source: Path, options: dict[str, Any]) -> bool:
    """Whether a file is meant. Raises UsageError where options and source do not go together."""
    if (source / "recipe.yaml").is_file() or not (options["output"] or source.is_file()):
        if given := [name for name, value in options.items() if value]:
            flag = {"everything": "all", "columns": "map"}.get(given[0], given[0])
            raise click.UsageError(f"--{flag} is for a file, and {source} is none; a corpus keeps its rows where it is")
        return False
    if not options["output"]:
        raise click.UsageError(f"{source} is no corpus but a file: say where to write what is kept, -o FILE")
    if options["everything"] and options["dropped"]:
        raise click.UsageError("--all writes what is taken out too: leave --dropped out")
    return True


def _bring_up(corpus: Path, stage: str, assignments: tuple[str, ...], quiet: bool) -> None:
    from plugdata import pipeline

    asked = recipe_of(corpus, assignments)
    with funnel_of(corpus), watching(quiet) as watch:
        pipeline.run(asked, first="pair", until=stage, watch=watch)


def _curate(
    stage: "Stage",
    source: Path,
    assignments: tuple[str, ...],
    quiet: bool,
    *,
    output: Path,
    lang: str | None,
    pivot: str | None,
    columns: tuple[str, ...],
    **written: Any,
) -> None:
    from plugdata.pipeline import plain
    from plugdata.review import screen
    from plugdata.sources.plain import Plain

    theirs = dict(pair.partition("=")[::2] for pair in columns)
    given = Plain(source, lang, pivot or "en", theirs)
    with ended_by_signals(), watching(quiet) as watch:
        found = plain.curate(stage, given, plain.Output(output, **written), assignments, watch=watch)
        watch.say(f"{output}: {sum((found.rows if written['everything'] else found.kept).values())} records")
    console().print(screen.funnel(found))
