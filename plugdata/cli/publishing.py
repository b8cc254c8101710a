"""Commands that hand a finished corpus on: to the Hub, to a folder, to a trainer."""

from pathlib import Path
from typing import Literal

import click

from plugdata.cli.options import PATH, corpus_argument, quiet_option, recipe_of, set_option
from plugdata.cli.showing import funnel_of, watching


@click.command(short_help="Publish on the Hub, load back, compare.")
@corpus_argument
@click.option("--repo", metavar="ORG/NAME", help="Where to. Default: `publish.repo` of the recipe.")
@click.option("--to", "folder", metavar="DIR", type=PATH, help="Into a folder instead, as the Hub would hold it.")
@click.option("--dry-run", is_flag=True, help="Print what would change: files, and lines of the card. Sends nothing.")
@click.option("--public", is_flag=True, help="Create the repo public. Default: private.")
@click.option("--revision", metavar="BRANCH", default="main", show_default=True, help="Created if absent.")
@click.option("--tag", metavar="NAME", help="Tag what is published.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to main.")
@click.option("--allow-schema-change", "schema_change", is_flag=True, help="Though configs or columns go away.")
@click.option("--force", is_flag=True, help="Move a tag; replace a card that cannot be read.")
@set_option
@quiet_option
def push(
    corpus: Path,
    repo: str | None,
    folder: Path | None,
    dry_run: bool,
    public: bool,
    revision: str,
    tag: str | None,
    create_pr: bool,
    schema_change: bool,
    force: bool,
    assignments: tuple[str, ...],
    quiet: bool,
) -> None:
    """Build dist/ of CORPUS, check it, upload it in one commit, load it back and compare.

    \b
    plugdata push corpora/plug --repo me/plug-ko --dry-run
    plugdata push corpora/plug --repo me/plug-ko --tag v1
    plugdata push corpora/plug --to ../plug-ko
    """
    from plugdata import pipeline
    from plugdata.publish import hub
    from plugdata.publish.hub.changes import told

    if folder and (repo or public or tag or create_pr or revision != "main"):
        raise click.UsageError("--to DIR takes none of --repo, --public, --revision, --tag, --create-pr")
    asked = recipe_of(corpus, (*assignments, *([f"publish.repo={repo}"] if repo else [])))
    with watching(quiet) as watch:
        if folder:
            seen = pipeline.push_to(
                asked, folder, schema_change=schema_change, force=force, dry_run=dry_run, watch=watch
            )
            pushed = told(seen.changes) if seen.changes else f"{folder} already holds exactly this"
        else:
            to = hub.Target(pipeline.repo_of(asked), public, revision, tag, create_pr, schema_change, force)
            if dry_run:
                seen = pipeline.preview(asked, to, watch=watch)
            else:
                pushed = pipeline.push(asked, to, watch=watch).url
    click.echo("\n\n".join(filter(None, [told(seen.changes), seen.card.rstrip("\n")])) if dry_run else pushed)


@click.command(short_help="A published corpus as a corpus again.")
@click.argument("corpus", type=PATH)
@click.option("--repo", metavar="ORG/NAME", required=True, help="A data set that plugdata published.")
@click.option("--revision", metavar="NAME", help="Branch, tag or commit. Default: main.")
@quiet_option
def pull(corpus: Path, repo: str, revision: str | None, quiet: bool) -> None:
    """Fetch a published corpus into CORPUS, a new folder, so that a language can be added: the ids stay the same.

    \b
    plugdata pull --repo me/plug-ko corpora/plug-ko
    plugdata run corpora/plug-ko/recipe.yaml --set languages=[ko,sw] --model gpt-4o-mini
    """
    from plugdata import pipeline

    with funnel_of(corpus), watching(quiet) as watch:
        pipeline.pull(repo, corpus, revision=revision, watch=watch)


FORMATS = ("trl", "messages", "axolotl", "llama-factory", "torchtune", "openai", "sharegpt", "alpaca")
"""Those of publish/export/formats.py, which would be slow to import for `--help`; a test compares them."""


@click.command(short_help="Files that a trainer reads, with the config that trains on them.")
@click.argument("source", metavar="CORPUS", type=PATH)
@click.option("--format", "format", type=click.Choice(FORMATS), required=True, help="Who reads it.")
@click.option("--layout", help="E.g. plug, mono. Default: the corpus's first.")
@click.option("--lang", help="Languages, e.g. ko,sw. Default: all.")
@click.option("--split", help="Splits, e.g. train. Default: all.")
@click.option(
    "--system",
    type=click.Choice(["turn", "inline"]),
    default="turn",
    show_default=True,
    help="The system's line: a turn, or at the head of the user's.",
)
@click.option("--tokenizer", "tokenizers", multiple=True, metavar="PATH|ID", help="Count tokens by it; again for more.")
@click.option("-o", "--output", "target", required=True, type=PATH, help="The new folder.")
@quiet_option
def export(
    source: Path,
    format: str,
    layout: str | None,
    lang: str | None,
    split: str | None,
    system: Literal["turn", "inline"],
    tokenizers: tuple[str, ...],
    target: Path,
    quiet: bool,
) -> None:
    """Write what a trainer reads: data, the config that trains on it, and a README that says which tokens get loss.

    CORPUS is a corpus, whose dist/ is brought up to date first, or a folder as it is published. docs/training.md tells
    each trainer's pitfalls.

    \b
    plugdata export corpora/plug --format trl -o export
    plugdata export corpora/plug --format axolotl --layout mono --lang ko --tokenizer ORG/MODEL -o export
    """
    from plugdata.publish import export as exports
    from plugdata.publish.export.readme import lengths

    with watching(quiet) as watch:
        published = source
        if not exports.is_published(source):
            from plugdata import pipeline

            published = pipeline.run(recipe_of(source), first="pair", watch=watch).dist
        done = exports.write(
            published,
            target,
            format,
            layout=layout,
            langs=lang.split(",") if lang else (),
            splits=split.split(",") if split else (),
            system=system,
            tokenizers=tokenizers,
        )
    for one in done.files:
        click.echo(f"{target / one.path}: {one.n_rows:,} rows")
    if done.lengths:
        click.echo(f"\n{lengths(done.lengths)}")
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
