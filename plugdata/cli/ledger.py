"""`plugdata ledger`: what was asked, answered and paid, and what can be done with a ledger."""

import json
from pathlib import Path

import click

from plugdata.cli.options import PATH, corpus_argument, json_option, quiet_option, recipe_of
from plugdata.cli.showing import console, watching
from plugdata.errors import PartialError


class _Ledger(click.Group):
    """`plugdata ledger CORPUS` is the summary; a first word that is a command's name is that command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Ledger, short_help="What was asked, answered and paid; merge, export, import.")
def ledger() -> None:
    """Calls, tokens and money of a ledger, by model, language and stage; and what can be done with one.

    PATH is a corpus or a ledger file.

    \b
    plugdata ledger corpora/plug
    plugdata ledger verify corpora/plug
    plugdata ledger merge part1 part2 -o whole.sqlite
    plugdata ledger export corpora/plug answers.parquet
    plugdata ledger import corpora/plug answers.jsonl --origin people
    plugdata ledger cancel corpora/plug
    """


@ledger.command()
@click.argument("path", type=PATH)
@json_option
def show(path: Path, as_json: bool) -> None:
    """Calls, tokens and money by model, language and stage; what failed, what is in flight."""
    from plugdata.calls.ledger import archive
    from plugdata.review import ledger as screen

    found = archive.summary(_ledger_of(path))
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        console().print(screen.summary(found))


@ledger.command()
@click.argument("path", type=PATH)
def verify(path: Path) -> None:
    """Read every page, hash every request and answer again, add the money up anew."""
    from plugdata.calls.ledger import archive
    from plugdata.errors import CorpusError

    where = _ledger_of(path)
    problems = archive.verify(where)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise CorpusError(
            f"{where} is damaged", "the answers that can be read: `plugdata ledger export`, then `import`"
        )
    click.echo(f"{where}: whole")


@ledger.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", "target", required=True, type=PATH, help="The new ledger.")
def merge(paths: tuple[Path, ...], target: Path) -> None:
    """One ledger from several, the same in whatever order they are named."""
    from plugdata.calls.ledger import merge as merging
    from plugdata.calls.money import usd

    merged = merging.merge([_ledger_of(path) for path in paths], target)
    click.echo(f"{target}: {merged.n_answers} answers, {merged.n_twice} paid twice, {usd(merged.nano_usd)} in all")
    if merged.n_left:
        click.echo(f"{merged.n_left} calls in flight or in batches stay with their own ledgers", err=True)


@ledger.command()
@click.argument("path", type=PATH)
@click.argument("out", type=PATH)
def export(path: Path, out: Path) -> None:
    """Write all answers to a Parquet file."""
    from plugdata.calls.ledger import transfer

    click.echo(f"{out}: {transfer.export(_ledger_of(path), out)} answers")


@ledger.command("import")
@click.argument("path", type=PATH)
@click.argument("source", type=PATH)
@click.option("--origin", default="import", show_default=True, help="What the ledger calls these answers.")
@click.option("--requests", type=PATH, help="The input file of a batch whose output SOURCE is.")
@click.option("--served-as", help="What answered, where SOURCE does not say.")
def import_(path: Path, source: Path, origin: str, requests: Path | None, served_as: str | None) -> None:
    """Add answers had elsewhere (another engine, a batch run by hand, people): Parquet or JSON Lines."""
    from plugdata.calls.ledger import transfer

    done = transfer.import_(_ledger_of(path), source, origin, requests=requests, served_as=served_as)
    click.echo(f"{done.n_added} answers added, {done.n_there} were there, {done.n_bad} lines cannot be used")
    for problem in done.problems:
        click.echo(f"  {problem}", err=True)
    if done.n_bad:
        raise PartialError(f"{done.n_bad} lines of {source} cannot be used", "mend them and import again")


@ledger.command()
@corpus_argument
@quiet_option
def cancel(corpus: Path, quiet: bool) -> None:
    """Cancel the batches that CORPUS has at its providers, and collect what they have answered. Some minutes."""
    from plugdata import stages
    from plugdata.calls.batch.run import cancel_all
    from plugdata.calls.ledger.store import Ledger
    from plugdata.corpus import Corpus

    asked = recipe_of(corpus)
    opened = Corpus.open(corpus)
    with opened.lock(), Ledger(stages.ledger_path(opened, asked)) as found, watching(quiet) as watch:
        done = cancel_all(stages.pool(asked), found, asked.translate.retries, watch.say)
    click.echo(f"{done.answered} answers collected, {done.failed} calls failed; no batch is open any more")


def _ledger_of(path: Path) -> Path:
    """The ledger that a path means: its own, or that of the corpus there."""
    if not path.is_dir():
        return path
    from plugdata import stages
    from plugdata.corpus import Corpus

    return stages.ledger_path(Corpus.open(path), recipe_of(path))
