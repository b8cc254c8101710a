"""Commands that hand a finished corpus on: to the Hub, to a folder, to a trainer."""

from pathlib import Path

import click

from plugdata.cli.options import corpus_argument, quiet_option, recipe_of, set_option
from plugdata.cli.showing import watching


@click.command(short_help="Publish on the Hub, load back, compare.")
@corpus_argument
@click.option("--repo", metavar="ORG/NAME", help="Where to. Default: `publish.repo` of the recipe.")
@click.option("--public", is_flag=True, help="Create the repo public. Default: private.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to main.")
@set_option
@quiet_option
def push(
    corpus: Path, repo: str | None, public: bool, create_pr: bool, assignments: tuple[str, ...], quiet: bool
) -> None:
    """Build dist/ of CORPUS, check it, upload it in one commit, load it back and compare.

    \b
    plugdata push corpora/plug --repo me/plug-ko
    """
    from plugdata import pipeline

    asked = recipe_of(corpus, (*assignments, *([f"publish.repo={repo}"] if repo else [])))
    with watching(quiet) as watch:
        pushed = pipeline.push(asked, public=public, create_pr=create_pr, watch=watch)
    click.echo(pushed.url)
