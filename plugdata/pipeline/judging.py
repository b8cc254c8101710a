"""`plugdata judge`: answers files in, verdicts and figures out.

What is asked and what it comes to is evaluate/'s, what happens to DIR is verdicts.py's; here each mode is put together.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plugdata import assets
from plugdata.checks import lid
from plugdata.errors import InputError
from plugdata.evaluate import agreement, asking, free, pairs, single, sums
from plugdata.evaluate.asking import Rubric
from plugdata.evaluate.free import Checked, Lengths
from plugdata.evaluate.replies import NAMED, Reply, join, read
from plugdata.pipeline import verdicts
from plugdata.pipeline.verdicts import Asking, File, Judged
from plugdata.pipeline.watching import SILENT, Watch
from plugdata.recipe import Model
from plugdata.sources import files

PARAMS: Mapping[str, Any] = {"temperature": 0, "max_tokens": 2048}
"""What a judge is asked with, as in MT-bench (FastChat, llm_judge/common.py)."""


@dataclass(frozen=True)
class Checks:
    """What files show of themselves, and how long the second's answers are beside the first's."""

    files: tuple[File, ...]
    checked: tuple[tuple[Checked, ...], ...]
    lengths: tuple[Lengths, ...]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def judge_of(model: Model | None, params: Mapping[str, Any]) -> Model:
    """The model as a judge: PARAMS, and `params` over them; None takes one out. Raises InputError."""
    if model is None:
        raise InputError(
            "no model to judge with", "give --model NAME (what your endpoint serves, or `local`) or PLUGDATA_MODEL"
        )
    asked = {name: value for name, value in {**PARAMS, **params}.items() if value is not None}
    try:
        return Model.model_validate({**model.model_dump(exclude_unset=True), "params": asked})
    except ValidationError as error:
        raise InputError(f"--param: {error.errors()[0]['msg']}") from None


def judge_pairs(
    a: Path, b: Path, folder: Path, by: Asking, rubric: Path | None = None, watch: Watch = SILENT
) -> Judged:
    """Which of two models' answers a judge prefers, in both orders; written to `folder`.

    Raises InputError for files that cannot be joined; what a run of a corpus raises for calls, money and disk.
    """
    (file_a, ours), (file_b, theirs) = (_replies(path) for path in (a, b))
    joined = join(ours, theirs)
    for name, alone in ((a, joined.only_a), (b, joined.only_b)):
        if alone:
            told = ", ".join(f"{id} ({lang})" for id, lang in alone[:NAMED]) + (", …" if len(alone) > NAMED else "")
            watch.say(f"only {name} has {len(alone):,} of the questions: {told}")
    asked, words = joined.pairs[: by.limit], _rubric(rubric)
    return verdicts.judge(
        folder,
        "pairs",
        [file_a, file_b],
        [ask for pair in asked for ask in pairs.asks(pair, words)],
        lambda said: pairs.verdicts(asked, said),
        pairs.compared,
        by,
        watch,
        joined,
    )


def judge_score(a: Path, folder: Path, by: Asking, rubric: Path | None = None, watch: Watch = SILENT) -> Judged:
    """A mark from 1 to 10 for each answer; written to `folder`. Raises as `judge_pairs`."""
    file, replies = _replies(a)
    asked, words = replies[: by.limit], _rubric(rubric)
    asks = [ask for reply in asked for ask in single.score_asks(reply, words)]
    return verdicts.judge(
        folder, "score", [file], asks, lambda said: single.scores(asked, said), single.scored, by, watch
    )


def judge_truthful(a: Path, folder: Path, by: Asking, watch: Watch = SILENT) -> Judged:
    """Whether each answer is truthful and informative; written to `folder`. Raises as `judge_pairs`."""
    file, replies = _replies(a)
    asked = replies[: by.limit]
    asks = [ask for reply in asked for ask in single.truthful_asks(reply)]
    return verdicts.judge(
        folder, "truthful", [file], asks, lambda said: single.truthful(asked, said), single.truths, by, watch
    )


def judge_math(a: Path, folder: Path | None = None) -> Judged:
    """Whether each answer ends in the right number; written to `folder` if one is given. No model is asked."""
    file, replies = _replies(a)
    found = sums.sums(replies)
    judged = Judged("math", (file,), groups=sums.counted(found))
    if folder:
        verdicts.keep(folder, found, judged)
    return judged


def check(a: Path, b: Path | None = None, watch: Watch = SILENT) -> Checks:
    """What one or two answers files show of themselves. No model is asked; the identifier is fetched once."""
    found = [_replies(path) for path in ([a, b] if b else [a])]
    model = lid.load(assets.fetch(assets.LID176, say=watch.say))
    lengths = free.lengths(join(found[0][1], found[1][1]).pairs) if b else ()
    return Checks(tuple(file for file, _ in found), tuple(free.check(replies, model) for _, replies in found), lengths)


@dataclass(frozen=True)
class Agreement:
    """How far two judges agree."""

    judges: tuple[str | None, str | None]
    groups: tuple[agreement.Agreed, ...]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def agree(one: Path, other: Path) -> Agreement:
    """How far the verdicts in two folders agree. Raises InputError where they are not of the same answers."""
    mine, theirs = verdicts.subject(one), verdicts.subject(other)
    if mine.mode != theirs.mode:
        raise InputError(
            f"{one} holds verdicts of `judge {mine.mode}`, {other} of `judge {theirs.mode}`",
            "have the same files judged twice by one command, by two models",
        )
    if mine.mode not in agreement.COLUMNS:
        raise InputError(f"`judge {mine.mode}` asks no judge: there is nothing to agree on")
    if mine.files != theirs.files:
        raise InputError(
            f"{one} and {other} hold verdicts on different answers files (or on two in another order)",
            "have the same files judged twice, by two models",
        )
    found = agreement.agreed(verdicts.kept(one), verdicts.kept(other), mine.mode)
    return Agreement((mine.judge, theirs.judge), found)


def _replies(path: Path) -> tuple[File, list[Reply]]:
    """An answers file and its replies. Raises SourceError."""
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}", "name an answers file, as train_ref/generate.py writes it")
    files.listed(path)  # refuses what is of no type that can be read
    found = read(((str(path.parent / r.place), r.value, r.fault) for r in files.records(path)), str(path))
    with files.reading(path), open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    models, templates = (
        tuple(sorted({name for reply in found if (name := getattr(reply, field))})) for field in ("model", "template")
    )
    return File(path.name, digest, len(found), models, templates), found


def _rubric(path: Path | None) -> Rubric:
    if path is None:
        return asking.default_rubric()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--rubric {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not text.strip():
        raise InputError(f"--rubric {path} is empty", "say in it what makes an answer good")
    return asking.own_rubric(text)
