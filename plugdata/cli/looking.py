"""Commands that look on: a corpus as it stands, and what plugdata knows. They write nothing."""

import json
from pathlib import Path

import click

from plugdata.cli.options import corpus_argument, json_option, reason_of
from plugdata.cli.showing import console


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
        out.print(screen.funnel(state.funnel), *screen.mending(state.mending), *screen.quality(state.quality), sep="\n")
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
    "-n", "n", type=click.IntRange(1), metavar="N", default=5, show_default=True, help="Rows of each language."
)
@click.option("--seed", default=0, show_default=True, help="Another seed, other rows.")
@json_option
def sample(
    corpus: Path, lang: str | None, status: str | None, reason: str | None, n: int, seed: int, as_json: bool
) -> None:
    """Rows of CORPUS as they stand, pivot and target side by side.

    \b
    plugdata sample corpora/plug --lang ko --status dropped --reason lid
    """
    from plugdata.corpus import Corpus
    from plugdata.languages import get as known
    from plugdata.review import screen, stats

    named = reason_of(reason) if reason else None
    opened = Corpus.open(corpus)
    manifest = opened.manifest()
    for code in [known(lang).code] if lang else stats.languages_of(manifest) if manifest else []:
        found = stats.sample(opened, code, n, status=status, reason=named, seed=seed)
        if as_json:
            click.echo(found.write_ndjson(), nl=False)
        elif found.is_empty():
            click.echo(f"{code}: no such row", err=True)
        else:
            console().print(screen.sample(found.iter_rows(named=True)))


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
