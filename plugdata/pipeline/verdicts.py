"""A folder of verdicts: what has no answer yet is asked, then what all answers come to is written.

DIR holds ledger.sqlite (every answer of the judge, committed before it is read), verdicts.parquet (a row a question)
and result.json (every figure, written last). Both are made anew from the ledger each time, so that the same command
again sends what has no answer yet and nothing else, and a rule that changes costs nothing. Other
verdicts never take the place of these. Knows no mode: what is asked, and what it comes to, is given.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from plugdata.calls import client
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger import archive
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replays
from plugdata.corpus import Corpus, replacing
from plugdata.corpus.files import writing
from plugdata.errors import InputError, PartialError
from plugdata.evaluate import asking
from plugdata.evaluate.asking import Ask, Cost, Said
from plugdata.evaluate.pairs import Compared
from plugdata.evaluate.replies import Joined
from plugdata.evaluate.single import Measured
from plugdata.pipeline.watching import Watch, noted, telling
from plugdata.recipe import Model, Translate
from plugdata.stages.models import pool_of, serving

Mode = Literal["pairs", "score", "truthful", "math"]


@dataclass(frozen=True)
class Asking:
    """Who judges, and what it may cost (USD, of the ledger's lifetime). `limit`: the first N questions only."""

    model: Model
    budget: float | None = None
    ledger: Path | None = None
    limit: int | None = None


@dataclass(frozen=True)
class File:
    """An answers file, as a result names it."""

    name: str
    sha256: str
    n: int
    models: tuple[str, ...]
    templates: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """What stands in result.json. `only_a`, `only_b`: (id, lang) of questions that one file lacks."""

    mode: Mode
    files: tuple[File, ...]
    judge: str | None = None  # served_as
    params: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    only_a: tuple[tuple[str, str], ...] = ()
    only_b: tuple[tuple[str, str], ...] = ()
    n_failed: int = 0  # questions whose calls failed
    cost: Cost | None = None
    groups: tuple[Compared, ...] | tuple[Measured, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def raise_if_failed(self) -> None:
        """Raise PartialError if calls of some questions failed."""
        if self.n_failed:
            raise PartialError(
                f"{self.n_failed} question{'s' * (self.n_failed > 1)} without a verdict: the calls failed",
                "the same command again asks for these alone",
            )


class Subject(NamedTuple):
    """What verdicts are of: those of equal subjects may take each other's place."""

    mode: str
    judge: str | None
    params: Mapping[str, Any]
    prompts: frozenset[str]
    files: tuple[str, ...]  # by hash
    names: str


_DIFFERS = {"mode": "command", "judge": "judge", "params": "--param", "prompts": "rubric or prompt", "files": "answers"}


def _subject(told: Mapping[str, Any]) -> Subject:
    files = told["files"]
    return Subject(
        told["mode"],
        told["judge"],
        told["params"],
        frozenset(told["prompts"]),
        tuple(file["sha256"] for file in files),
        " and ".join(file["name"] for file in files),
    )


@contextmanager
def _opened(folder: Path, judged: Judged) -> Iterator[Corpus]:
    """A folder for verdicts, locked as a corpus is; never one that holds rows, or other verdicts."""
    if folder.is_file():
        raise InputError(f"{folder} is a file", "name a folder for the verdicts")
    corpus = Corpus.create(folder)
    if corpus.recipe.is_file():
        raise InputError(f"{folder} is a corpus", "name another folder for the verdicts")
    with corpus.lock():
        if (folder / "result.json").exists():
            _refuse_other(corpus, subject(folder), _subject(judged.as_json()))
        yield corpus


def _refuse_other(corpus: Corpus, has: Subject, wants: Subject) -> None:
    both = {said: (getattr(has, name), getattr(wants, name)) for name, said in _DIFFERS.items()}
    # where every answer is missing nobody was asked, and there is no prompt
    if differing := [said for said, (one, other) in both.items() if one and other and one != other]:
        by = f" by {has.judge}" if has.judge else ""
        raise InputError(
            f"{corpus.path} holds other verdicts, of `judge {has.mode}`{by} on {has.names}: not the same "
            + ", ".join(differing),
            "name another folder" + (f"; --ledger {corpus.ledger} keeps its answers" * corpus.ledger.exists()),
        )


def judge(
    folder: Path,
    mode: Mode,
    of: Sequence[File],
    asks: Sequence[Ask],
    read: Callable[[Said], pl.DataFrame],
    figures: Callable[[pl.DataFrame], tuple[Any, ...]],
    by: Asking,
    watch: Watch,
    joined: Joined | None = None,
) -> Judged:
    """Have all asked; then the verdicts (`read`) and their `figures` stand in a folder.

    Raises InputError for a folder that holds something else, and what a run of a corpus raises for calls and money.
    """
    pool = pool_of([by.model])
    judged = Judged(
        mode,
        tuple(of),
        judge=pool[0].served_as,
        params=by.model.params,
        prompts=tuple(sorted({ask.prompt for ask in asks})),
        only_a=tuple(joined.only_a) if joined else (),
        only_b=tuple(joined.only_b) if joined else (),
    )
    with _opened(folder, judged) as corpus, noted(corpus, watch) as watch:
        path = by.ledger or corpus.ledger
        found = read(_said(asks, by, pool, path, watch))
        judged = dataclasses.replace(
            judged,
            n_failed=int((found["how"] == "failed").sum()),
            cost=_cost(path, pool[0].served_as, judged.prompts),
            groups=figures(found),
        )
        _write(corpus, found, judged)
    return judged


def _said(asks: Sequence[Ask], by: Asking, pool: Sequence[Member], path: Path, watch: Watch) -> Said:
    """What the judge answers; asked is what the ledger has no answer to."""
    tasks = [asking.task(by.model.params)]
    rows = [ask._asdict() for ask in asks]
    with ExitStack() as opened:
        ledger = opened.enter_context(Ledger(path))
        missing = [
            row
            for row, (came, _) in zip(rows, replays(rows, tasks, pool, ledger), strict=True)
            if isinstance(came, Missing)
        ]
        if missing:
            client.key(by.model)
            members = opened.enter_context(serving(pool, watch.say))
            budget = None if by.budget is None else round(by.budget * 1e9)
            tell = telling(asking.STAGE, len(missing), ledger, budget, watch.show)
            jobs = ((row, tasks) for row in missing)
            tally = dispatch(jobs, members, ledger, Translate().retries, budget, tell, watch.say)
            watch.say(f"judge: {tally.done} verdicts, {tally.calls} calls, {tally.retries} retries")
        came_to = replays(rows, tasks, pool, ledger)
        return {
            ask.key: None if isinstance(came, Missing) else came.value
            for ask, (came, _) in zip(asks, came_to, strict=True)
        }


def _cost(ledger: Path, served_as: str, prompts: Iterable[str]) -> Cost:
    """What a judge's answers under some prompts have cost."""
    asked = {*prompts}
    uses = [
        use.sum
        for use in archive.summary(ledger).uses
        if (use.model, use.stage) == (served_as, asking.STAGE) and use.prompt in asked
    ]
    return Cost(
        sum(use.n_calls for use in uses),
        sum(use.prompt_tokens for use in uses),
        sum(use.completion_tokens for use in uses),
        sum(use.nano_usd for use in uses) / 1e9,
    )


def keep(folder: Path, verdicts: pl.DataFrame, judged: Judged) -> None:
    """Write verdicts that nobody was asked for. Raises as `judge`."""
    with _opened(folder, judged) as corpus:
        _write(corpus, verdicts, judged)


def _write(corpus: Corpus, verdicts: pl.DataFrame, judged: Judged) -> None:
    """Put verdicts and figures in their place; the figures are last, and never stand beside other verdicts."""
    with writing(corpus.path):
        (corpus.path / "result.json").unlink(missing_ok=True)
    with replacing(corpus.path / "verdicts.parquet") as handle:
        verdicts.write_parquet(handle)
    corpus.write_text("result.json", json.dumps(judged.as_json(), ensure_ascii=False, indent=2) + "\n")


def subject(folder: Path) -> Subject:
    """What a folder's verdicts are of."""
    with _reading(folder):
        return _subject(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def kept(folder: Path) -> pl.DataFrame:
    """A folder's verdicts."""
    with _reading(folder):
        return pl.read_parquet(folder / "verdicts.parquet", glob=False)


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} holds no verdicts", "`plugdata judge pairs … -o DIR` makes some") from None
    except (OSError, ValueError, LookupError, TypeError, pl.exceptions.PolarsError) as error:
        hint = "delete its result.json and judge anew: what the ledger holds is not asked for again"
        raise InputError(f"the verdicts in {folder} cannot be read: {str(error).partition(chr(10))[0]}", hint) from None
