"""What goes where: answers to stdout, progress to stderr, a corpus's funnel after the work on it."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from plugdata.calls.ledger.archive import Summary
    from plugdata.corpus import Corpus
    from plugdata.pipeline import Watch
    from plugdata.recipe import Recipe

PAIRS = 5
"""Pairs of a language that a run with --limit shows: what fits on a screen or two."""


@contextmanager
def watching(quiet: bool) -> Iterator["Watch"]:
    """Progress and news on stderr, unless quiet."""
    from plugdata.pipeline import Watch
    from plugdata.review.live import Live

    with Live(quiet) as live:
        yield Watch(live.say, live.show)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does: what is removed at its end is. The exit code is the signal's."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def console() -> Any:
    """Where answers are printed."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=int(os.environ.get("COLUMNS") or 160))  # no terminal: nothing to fit into


def drawn(shown: Any) -> str:
    """What the console would print, as text."""
    out = console()
    with out.capture() as captured:
        out.print(shown)
    return str(captured.get())


def paged(pieces: Iterable[str], plain: bool = False) -> None:
    """Print each piece as soon as it is there; on a terminal through the pager (PAGER), unless `plain`."""
    if plain or not sys.stdout.isatty():
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    os.environ.setdefault("LESS", "-FRX")  # as git has it: colours, and no pager for what fits on the screen
    click.echo_via_pager(pieces)


def ledger_of(corpus: "Corpus", recipe: "Recipe") -> "Summary | None":
    """What the ledger of a corpus holds, its own or a shared one; None where no model was asked."""
    from plugdata.calls.ledger import archive
    from plugdata.stages.models import ledger_path

    path = ledger_path(corpus, recipe)
    return archive.summary(path) if path.is_file() else None


@contextmanager
def funnel_of(corpus: Path, whole: "Recipe | None" = None) -> Iterator[None]:
    """The funnel of the corpus once the work is done, of a partial run too; with the recipe of the `whole` of which
    it holds the first rows, also pairs, and what the rest would cost."""
    from plugdata.errors import PartialError

    try:
        yield
    except PartialError:
        _print(corpus, whole)
        raise
    _print(corpus, whole)


def _print(path: Path, whole: "Recipe | None") -> None:
    from plugdata.corpus import Corpus
    from plugdata.review import chosen, plan, screen, stats

    corpus, out = Corpus(path), console()
    state = stats.state(corpus)
    funnel = state.funnel
    out.print(screen.state(state))
    if whole is None:
        return
    from plugdata import planning

    for lang in funnel.kept:
        out.print(screen.sample(chosen.sample(corpus, lang, PAIRS, status="kept").iter_rows(named=True)))
    if (found := planning.outlook(whole, corpus)) is not None:
        out.print(plan.outlook(found))
