"""The commands: parse, call, print. No logic.

stdout is the answer, stderr the progress and the errors. A known error is one or two lines (where and what, then
what next) and its class's exit code; a traceback only with PLUGDATA_DEBUG=1. Everything heavy is imported inside
the command that needs it, so that `--help` answers at once.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plugdata import __version__
from plugdata.errors import PartialError, PlugdataError

if TYPE_CHECKING:
    from plugdata.pipeline import Watch
    from plugdata.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


class _Group(click.Group):
    """Commands listed in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="plugdata")
def cli() -> None:
    """Make PLUG corpora: instruction data that teaches a model to think in a strong language and answer in yours.

    \b
    plugdata demo                                    a small corpus, no key, no account
    plugdata run recipes/plug-zh-ko-it-es.yaml       a whole corpus from a recipe
    plugdata status corpora/plug                     how far it is, from any terminal
    """


def main() -> None:
    """Run the command line; every known error ends here."""
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except PlugdataError as error:
        if os.environ.get("PLUGDATA_DEBUG"):
            raise
        click.echo(f"plugdata: {error}", err=True)
        if error.hint:
            click.echo(f"  → {error.hint}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("plugdata: interrupted; what was answered is kept, the same command resumes", err=True)
        sys.exit(130)
    except OSError as error:  # stdout: a closed pipe, a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            click.echo(f"plugdata: cannot print: {error.strerror}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _price(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """`--price` as a recipe has it."""
    if value is None:
        return None
    from plugdata.calls.money import parse_price

    parsed = parse_price(value)
    return parsed if parsed == "free" else parsed.model_dump(exclude_unset=True)


def _assigned(assignments: tuple[str, ...], **flags: Any) -> tuple[str, ...]:
    """Flags that are keys of a recipe, as assignments before those of --set."""
    return (*(f"{key}={json.dumps(str(value))}" for key, value in flags.items() if value is not None), *assignments)


_model_options = _options(
    click.option("--model", envvar="PLUGDATA_MODEL", help="Model name at the endpoint, or `local`."),
    click.option("--base-url", envvar="PLUGDATA_BASE_URL", help="OpenAI-compatible endpoint. Default: OpenAI's."),
    click.option("--api-key-env", metavar="NAME", help="Variable that holds the key. Default: OPENAI_API_KEY."),
    click.option(
        "--rpm", type=click.IntRange(1), metavar="N", envvar="PLUGDATA_RPM", help="Requests a minute, at most."
    ),
    click.option("--tpm", type=click.IntRange(1), metavar="N", envvar="PLUGDATA_TPM", help="Tokens a minute, at most."),
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        envvar="PLUGDATA_CONCURRENCY",
        help="Requests in flight, at most. Default: 16.",
    ),
    click.option(
        "--price",
        metavar="free|IN,OUT",
        envvar="PLUGDATA_PRICE",
        callback=_price,
        help="USD per million tokens. Default: the price list; nothing on this machine.",
    ),
)
_money_options = _options(
    click.option(
        "--budget", type=float, metavar="USD", help="Never spend more than this, in all runs together that ask here."
    ),
    click.option("--ledger", type=PATH, help="A ledger shared with other corpora. Default: the corpus's own."),
)
_limit_option = click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="First N rows only; the same without it adds the rest."
)
_set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override a key, e.g. filter.lid.min=0.7."
)
_quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress, no news.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
_corpus_argument = click.argument("corpus", type=PATH)


@cli.command(short_help="Make or bring up to date the corpus of a recipe.")
@click.argument("recipe", type=PATH)
@_limit_option
@click.option("--until", type=click.Choice(["screen", "translate", "pair", "filter", "dedup", "dist"]), default="dist")
@_model_options
@_money_options
@click.option("--shard", metavar="I/N", help="The I-th of N parts of the rows, for one of N machines.")
@_set_option
@_quiet_option
def run(
    recipe: Path,
    limit: int | None,
    until: str,
    budget: float | None,
    ledger: Path | None,
    shard: str | None,
    assignments: tuple[str, ...],
    quiet: bool,
    **model: Any,
) -> None:
    """Make or bring up to date the corpus of a RECIPE: translate, pair, filter, dedup, dist/, and push if it says so.

    \b
    plugdata run recipes/quickstart.yaml
    plugdata run recipes/plug-zh-ko-it-es.yaml --model gpt-4o-mini --limit 50
    plugdata run my.yaml --until filter --set filter.lid.min=0.6
    """
    from plugdata import pipeline

    asked = _asked(recipe, limit, _assigned(assignments, budget=budget, ledger=ledger, shard=shard), model)
    with _watching(quiet) as watch:
        _bring_up(asked, until=until, watch=watch)
        if until == "dist" and asked.publish.repo:
            if limit is None:
                click.echo(pipeline.push(asked, watch=watch).url)
            else:
                watch.say(
                    f"not pushed to {asked.publish.repo}: --limit is for a look (`plugdata push` pushes as it is)"
                )


@cli.command(short_help="What a run would ask, cost and take. Sends nothing.")
@click.argument("recipe", type=PATH)
@_limit_option
@_model_options
@_money_options
@click.option("--shard", metavar="I/N", help="The I-th of N parts of the rows, for one of N machines.")
@_set_option
@_json_option
@_quiet_option
def plan(
    recipe: Path,
    limit: int | None,
    budget: float | None,
    ledger: Path | None,
    shard: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> None:
    """Rows, calls already paid, calls to make, tokens, money and hours of a RECIPE. Sends nothing.

    \b
    plugdata plan recipes/plug-zh-ko-it-es.yaml --model gpt-4o-mini
    """
    from plugdata import pipeline
    from plugdata.review.plan import screen

    asked = _asked(recipe, limit, _assigned(assignments, budget=budget, ledger=ledger, shard=shard), model)
    with _watching(quiet) as watch:
        made = pipeline.plan(asked, watch=watch)
    if as_json:
        click.echo(json.dumps(made.as_json(), ensure_ascii=False, indent=2))
    else:
        _console().print(screen(made))


@cli.command(short_help="Translate a file or a Hub data set, row by row.")
@click.argument("source")
@_corpus_argument
@click.option("--to", "languages", required=True, metavar="CODES", help="Target languages, e.g. ko,sw.")
@click.option("--pivot", help="Language of the source. Default: en.")
@click.option("--split", help="Split of a Hub data set. Default: train.")
@click.option("--config", help="Configuration of a Hub data set.")
@click.option("--map", "columns", multiple=True, metavar="OURS=THEIRS", help="Column, e.g. response=output.")
@click.option("--license", help="Licence of the source, e.g. cc-by-nc-4.0.")
@click.option("--protocol", type=click.Choice(["tags", "plain"]), help="plain: one text a call, for weak models.")
@_limit_option
@_model_options
@_money_options
@_set_option
@_quiet_option
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
    from plugdata import recipe as recipes

    assignments = _assigned(assignments, budget=budget, ledger=ledger)
    asked = recipes.for_translation(source, corpus, languages, assignments, **options)
    with _watching(quiet) as watch:
        _bring_up(asked, until="translate", watch=watch)


def _stage_command(name: str, until: str, summary: str) -> None:
    @cli.command(name, help=summary)
    @_corpus_argument
    @_set_option
    @_quiet_option
    def command(corpus: Path, assignments: tuple[str, ...], quiet: bool) -> None:
        with _watching(quiet) as watch:
            _bring_up(_of(corpus, assignments), first="pair", until=until, watch=watch)


_stage_command("pair", "pair", "Join pivot and target of every translated row of CORPUS.")
_stage_command("filter", "filter", "Measure the pairs of CORPUS and apply the thresholds. No call is sent.")
_stage_command("dedup", "dedup", "Take duplicates out of CORPUS, in every language alike. No call is sent.")


@cli.command(short_help="Publish on the Hub, load back, compare.")
@_corpus_argument
@click.option("--repo", metavar="ORG/NAME", help="Where to. Default: `publish.repo` of the recipe.")
@click.option("--public", is_flag=True, help="Create the repo public. Default: private.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to main.")
@_set_option
@_quiet_option
def push(
    corpus: Path, repo: str | None, public: bool, create_pr: bool, assignments: tuple[str, ...], quiet: bool
) -> None:
    """Build dist/ of CORPUS, check it, upload it in one commit, load it back and compare.

    \b
    plugdata push corpora/plug --repo me/plug-ko
    """
    from plugdata import pipeline

    asked = _of(corpus, (*assignments, *([f"publish.repo={repo}"] if repo else [])))
    with _watching(quiet) as watch:
        pushed = pipeline.push(asked, public=public, create_pr=create_pr, watch=watch)
    click.echo(pushed.url)


@cli.command(short_help="One corpus from parts made on several machines.")
@click.argument("parts", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", "target", required=True, type=PATH, help="The new corpus.")
@_set_option
@_quiet_option
def merge(parts: tuple[Path, ...], target: Path, assignments: tuple[str, ...], quiet: bool) -> None:
    """One corpus from PARTS that were made apart with --shard, in a new directory. No call is sent.

    \b
    plugdata run my.yaml --shard 1/2 --set corpus=part1        on one machine
    plugdata run my.yaml --shard 2/2 --set corpus=part2        on another
    plugdata merge part1 part2 -o corpora/whole
    """
    from plugdata import pipeline

    with _watching(quiet) as watch:
        _shown(target, lambda: pipeline.merge(parts, target, assignments=assignments, watch=watch))


@cli.command(short_help="Each stage's counts, while a run goes on too.")
@_corpus_argument
@_json_option
def status(corpus: Path, as_json: bool) -> None:
    """Each stage's counts in CORPUS, while a run is going on too."""
    from plugdata.corpus import Corpus
    from plugdata.review import screen, stats

    opened = Corpus.open(corpus)
    state = stats.state(opened)
    if as_json:
        click.echo(json.dumps(state.as_json(), ensure_ascii=False, indent=2))
        return
    console = _console()
    if state.funnel.until:
        console.print(screen.funnel(state.funnel))
    if state.progress:
        console.print(screen.progress(state.progress, state.running))
    elif not state.funnel.until:
        console.print("nothing finished yet" + (", a run is at work" if state.running else ""))


@cli.command(short_help="Rows as they stand, pivot and target side by side.")
@_corpus_argument
@click.option("--lang", help="One language. Default: all.")
@click.option("--status", type=click.Choice(["kept", "dropped", "quarantined", "failed"]))
@click.option("--reason", help="E.g. lid, echo, duplicate-near.")
@click.option(
    "-n", "n", type=click.IntRange(1), metavar="N", default=5, show_default=True, help="Rows of each language."
)
@click.option("--seed", default=0, show_default=True, help="Another seed, other rows.")
@_json_option
def sample(
    corpus: Path, lang: str | None, status: str | None, reason: str | None, n: int, seed: int, as_json: bool
) -> None:
    """Rows of CORPUS as they stand, pivot and target side by side.

    \b
    plugdata sample corpora/plug --lang ko --status dropped --reason lid
    """
    from plugdata.corpus import Corpus
    from plugdata.review import screen, stats
    from plugdata.rows import Reason

    if reason is not None and reason not in list(Reason):
        raise click.BadParameter(f"{reason!r} is none of: {', '.join(Reason)}", param_hint="--reason")
    opened = Corpus.open(corpus)
    manifest = opened.manifest()
    for code in [lang] if lang else stats.languages_of(manifest) if manifest else []:
        found = stats.sample(opened, code, n, status=status, reason=reason, seed=seed)
        if as_json:
            click.echo(found.write_ndjson(), nl=False)
        else:
            _console().print(screen.sample(found.iter_rows(named=True)))


class _Ledger(click.Group):
    """`plugdata ledger CORPUS` is the summary; a first word that is a command's name is that command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@cli.group(cls=_Ledger, short_help="What was asked, answered and paid; verify, merge, export, import.")
def ledger() -> None:
    """Calls, tokens and money of a ledger, by model, language and stage; and what can be done with one.

    PATH is a corpus or a ledger file.

    \b
    plugdata ledger corpora/plug
    plugdata ledger verify corpora/plug
    plugdata ledger merge part1 part2 -o whole.sqlite
    plugdata ledger export corpora/plug answers.parquet
    plugdata ledger import corpora/plug answers.jsonl --origin people
    """


@ledger.command("show")
@click.argument("path", type=PATH)
@_json_option
def show_ledger(path: Path, as_json: bool) -> None:
    """Calls, tokens and money by model, language and stage; what failed, what is in flight."""
    from plugdata.calls.ledger import archive
    from plugdata.review import ledger as screen

    found = archive.summary(_ledger_of(path))
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        _console().print(screen.summary(found))


@ledger.command("verify")
@click.argument("path", type=PATH)
def verify_ledger(path: Path) -> None:
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


@ledger.command("merge")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", "target", required=True, type=PATH, help="The new ledger.")
def merge_ledgers(paths: tuple[Path, ...], target: Path) -> None:
    """One ledger from several, the same in whatever order they are named."""
    from plugdata.calls.ledger.merge import merge
    from plugdata.calls.money import usd

    merged = merge([_ledger_of(path) for path in paths], target)
    click.echo(f"{target}: {merged.n_answers} answers, {merged.n_twice} paid twice, {usd(merged.nano_usd)} in all")
    if merged.n_left:
        click.echo(f"{merged.n_left} calls in flight or in batches stay with their own ledgers", err=True)


@ledger.command("export")
@click.argument("path", type=PATH)
@click.argument("out", type=PATH)
def export_ledger(path: Path, out: Path) -> None:
    """Write all answers to a Parquet file."""
    from plugdata.calls.ledger import transfer

    click.echo(f"{out}: {transfer.export(_ledger_of(path), out)} answers")


@ledger.command("import")
@click.argument("path", type=PATH)
@click.argument("source", type=PATH)
@click.option("--origin", default="import", show_default=True, help="What the ledger calls these answers.")
@click.option("--requests", type=PATH, help="The input file of a batch whose output SOURCE is.")
@click.option("--served-as", help="What answered, where SOURCE does not say.")
def import_ledger(path: Path, source: Path, origin: str, requests: Path | None, served_as: str | None) -> None:
    """Add answers had elsewhere (another engine, a batch run by hand, people): Parquet or JSON Lines."""
    from plugdata.calls.ledger import transfer

    done = transfer.import_(_ledger_of(path), source, origin, requests=requests, served_as=served_as)
    click.echo(f"{done.n_added} answers added, {done.n_there} were there, {done.n_bad} lines cannot be used")
    for problem in done.problems:
        click.echo(f"  {problem}", err=True)
    if done.n_bad:
        raise PartialError(f"{done.n_bad} lines of {source} cannot be used", "mend them and import again")


@cli.command()
@_json_option
def languages(as_json: bool) -> None:
    """The languages that plugdata knows."""
    from dataclasses import asdict

    from plugdata.languages import table

    for language in table().values():
        if as_json:
            click.echo(json.dumps(asdict(language), ensure_ascii=False))
        else:
            click.echo(f"{language.code:4} {language.name:12} {language.endonym}")


@cli.command(short_help="JSON Schema of a recipe, of rows, of a manifest.")
@click.argument("name", type=click.Choice(["recipe", "rows", "manifest"]))
def schema(name: str) -> None:
    """JSON Schema of a recipe, of the rows of each stage, or of manifest.json."""
    from plugdata import schema as schemas

    click.echo(schemas.text(name), nl=False)


@cli.command(short_help="A small corpus, no key, no account.")
@click.argument("corpus", type=PATH, default=Path("corpora/demo"))
@_quiet_option
def demo(corpus: Path, quiet: bool) -> None:
    """A whole small corpus in two languages with the embedded model: no key, no account.

    Needs `pip install 'plugdata[local]'`; fetches the model once. Some minutes on two cores.
    """
    from plugdata import pipeline
    from plugdata import recipe as recipes
    from plugdata.review.closing import closing

    asked = recipes.load(recipes.packaged("quickstart.yaml"), [f"corpus={json.dumps(str(corpus))}"])
    with _watching(quiet) as watch:
        made = pipeline.run(asked, watch=watch)
    _console().print(closing(made))


def _ledger_of(path: Path) -> Path:
    """The ledger that a path means: its own, or that of the corpus there."""
    if not path.is_dir():
        return path
    from plugdata import stages
    from plugdata.corpus import Corpus

    return stages.ledger_path(Corpus.open(path), _of(path, ()))


def _asked(recipe: Path, limit: int | None, assignments: tuple[str, ...], model: dict[str, Any]) -> "Recipe":
    """A recipe file with the command line's flags laid over it."""
    from plugdata import recipe as recipes

    asked = recipes.with_model(recipes.load(recipe, assignments), **model)
    return asked if limit is None else asked.model_copy(update={"limit": limit})


def _of(corpus: Path, assignments: tuple[str, ...]) -> "Recipe":
    """The recipe that a corpus was made by, with its own place as `corpus`."""
    from plugdata import recipe as recipes
    from plugdata.corpus import Corpus

    return recipes.load(Corpus.open(corpus).recipe, [*assignments, f"corpus={json.dumps(str(corpus))}"])


@contextmanager
def _watching(quiet: bool) -> Iterator["Watch"]:
    from plugdata.pipeline import Watch
    from plugdata.review.live import Live

    with Live(quiet) as live:
        yield Watch(live.say, live.show)


def _console() -> Any:
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS") or 160))  # no terminal: nothing to fit into


def _bring_up(recipe: "Recipe", **options: Any) -> None:
    """Run the pipeline and print the funnel."""
    from plugdata import pipeline

    _shown(recipe.corpus, lambda: pipeline.run(recipe, **options))


def _shown(corpus: Path, work: Callable[[], object]) -> None:
    """Do the work and print the funnel of the corpus, of a partial run too."""
    from plugdata.corpus import Corpus
    from plugdata.review import screen, stats

    try:
        work()
    except PartialError:
        _console().print(screen.funnel(stats.state(Corpus(corpus)).funnel))
        raise
    _console().print(screen.funnel(stats.state(Corpus(corpus)).funnel))
