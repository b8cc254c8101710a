"""Commands that look on: a corpus as it stands, and what plugdata knows. They write nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from plugdata.cli.options import PATH, corpus_argument, json_option, reason_of, recipe_of
from plugdata.cli.showing import console, drawn, ledger_of, paged


@click.command(short_help="Each stage's counts, while a run goes on too.")
@corpus_argument
@json_option
def status(corpus: Path, as_json: bool) -> None:
    """Each stage's counts in CORPUS, while a run is going on too."""
    from plugdata.corpus import Corpus
    from plugdata.review import screen, stats

    state = stats.state(Corpus.open(corpus))
    if as_json:
        click.echo(json.dumps(state.as_json(), ensure_ascii=False, indent=2))
        return
    out = console()
    if state.funnel.until:
        out.print(screen.state(state))
    if state.progress:
        out.print(*screen.progress(state.progress, state.running), sep="\n")
    elif not state.funnel.until:
        out.print("nothing finished yet" + (", a run is at work" if state.running else ""))


@click.command(short_help="Rows as they stand, pivot and target side by side.")
@corpus_argument
@click.option("--lang", help="One language. Default: all.")
@click.option("--status", type=click.Choice(["kept", "dropped", "quarantined", "failed"]))
@click.option("--reason", help="E.g. lid, echo, duplicate-near.")
@click.option(
    "--by",
    metavar="ORDER",
    default="random",
    show_default=True,
    help="Or what is nearest to its bound first: lid, ratio, numbers …; threshold: to any bound.",
)
@click.option(
    "-n", "n", type=click.IntRange(1), metavar="N", default=5, show_default=True, help="Rows of each language."
)
@click.option("--seed", default=0, show_default=True, help="Another seed, other rows.")
@json_option
def sample(
    corpus: Path, lang: str | None, status: str | None, reason: str | None, by: str, n: int, seed: int, as_json: bool
) -> None:
    """Rows of CORPUS as they stand, pivot and target side by side; through a pager on a terminal.

    \b
    plugdata sample corpora/plug --lang ko --status dropped --reason lid
    plugdata sample corpora/plug --status kept --by ratio -n 20
    """
    from plugdata.corpus import Corpus
    from plugdata.errors import InputError
    from plugdata.languages import get as known
    from plugdata.review import chosen, screen, stats

    named = reason_of(reason) if reason else None
    opened = Corpus.open(corpus)
    recipe = recipe_of(corpus)
    manifest = opened.manifest()
    codes = [known(lang).code] if lang else stats.languages_of(manifest) if manifest else []
    if not codes:
        raise InputError(f"{corpus} holds no rows of a language yet", "`plugdata status` shows what it holds")

    def shown() -> Iterator[str]:
        for code in codes:
            order = None if by == chosen.CHANCE else chosen.order(chosen.view(opened, code), recipe, by)
            found = chosen.sample(opened, code, n, status=status, reason=named, seed=seed, by=order)
            if found.is_empty():
                click.echo(f"{code}: no such row", err=True)
            for row in found.iter_slices(1):
                yield row.write_ndjson() if as_json else drawn(screen.side_by_side(row.row(0, named=True)))

    paged(shown(), as_json)


@click.command(short_help="Every measurement in numbers, with its bounds.")
@corpus_argument
@json_option
def stats(corpus: Path, as_json: bool) -> None:
    """What CORPUS holds in numbers: of each language the rows, why they were taken out, and the quantiles, thresholds
    and fitted bounds of all that was measured; calls, tokens and money of each model."""
    from plugdata.corpus import Corpus
    from plugdata.review import screen
    from plugdata.review import stats as numbers

    opened, recipe = Corpus.open(corpus), recipe_of(corpus)
    found = numbers.numbers(opened, recipe)
    uses = numbers.used(ledger_of(opened, recipe), recipe)
    if as_json:
        told = {
            "running": opened.is_locked(),
            "languages": {lang: one.as_json() for lang, one in found.items()},
            "models": [use.as_json() for use in uses],
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    state = numbers.state(opened)
    if not state.funnel.until:
        click.echo("nothing finished yet" + (", a run is at work" if state.running else ""))
        return
    console().print(screen.funnel(state.funnel), *screen.numbers(found), *screen.models(uses), sep="\n")


@click.command(short_help="One HTML page: funnel, charts, and the rows themselves.")
@corpus_argument
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Default: CORPUS/report.html.")
def report(corpus: Path, output: Path | None) -> None:
    """One HTML file on CORPUS that needs no network: what became of every row and why, what was measured, what it cost,
    and rows side by side to search and filter, nearest to a threshold first.

    \b
    plugdata report corpora/plug
    """
    from plugdata.corpus import Corpus
    from plugdata.review import report as page

    opened, recipe = Corpus.open(corpus), recipe_of(corpus)
    path = output or opened.path / "report.html"
    n_bytes = page.write(path, opened, recipe, ledger_of(opened, recipe))
    click.echo(f"{path} ({n_bytes / 1000:,.0f} kB)")


@click.command(short_help="The languages that plugdata knows.")
@json_option
def languages(as_json: bool) -> None:
    """The languages that plugdata knows: what a recipe calls them, their scripts, what they call themselves.

    --json gives every field, a language a line.
    """
    from dataclasses import asdict

    from plugdata.languages import table

    known = table().values()
    if as_json:
        for language in known:
            click.echo(json.dumps(asdict(language), ensure_ascii=False))
        return
    from rich import box
    from rich.table import Table

    # The endonym last: what follows a word that runs from right to left, or that a terminal draws wider, is displaced.
    shown = Table("code", "name", "scripts", "endonym", box=box.SIMPLE_HEAD, pad_edge=False)
    for language in known:
        shown.add_row(language.code, language.name, ", ".join(language.scripts), language.endonym)
    console().print(shown)


@click.command(short_help="JSON Schema of a recipe, of rows, of a manifest.")
@click.argument("name", type=click.Choice(["recipe", "rows", "manifest"]))
def schema(name: str) -> None:
    """JSON Schema of a recipe, of the rows of each stage, or of manifest.json."""
    from plugdata import schema as schemas

    click.echo(schemas.text(name), nl=False)
