"""`plugdata judge`: how good the answers of trained models are, by a judge's word and without one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugdata.cli.options import (
    MODEL_FLAGS,
    PATH,
    json_option,
    limit_option,
    model_options,
    quiet_option,
    together,
)
from plugdata.cli.showing import console, watching

if TYPE_CHECKING:
    from plugdata.pipeline.verdicts import Asking, Judged


def _params(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE as a call has it: JSON, else text."""
    found: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, e.g. max_tokens=1024")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


a_argument = click.argument("a", type=PATH, metavar="A.jsonl")
output_option = click.option(
    "-o", "--output", type=PATH, metavar="DIR", required=True, help="Verdicts, and the ledger."
)
rubric_option = click.option("--rubric", type=PATH, metavar="FILE", help="What makes an answer good, in your words.")
asking_options = together(
    output_option,
    model_options,
    click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_params,
        help="Of each call. Default: temperature=0, max_tokens=2048; null takes one out.",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(0, min_open=True),
        metavar="USD",
        help="Never spend more than this, in all runs together.",
    ),
    click.option("--ledger", type=PATH, help="A ledger shared with others. Default: the one in DIR."),
    limit_option,
    json_option,
    quiet_option,
)


@click.group(short_help="Are the answers of a trained model better? By a judge, and without.")
def judge() -> None:
    """How good the answers of trained models are: two beside each other, or one by itself.

    Answers are JSON Lines as `train_ref/generate.py` writes them. docs/evaluation.md says what each command asks, and
    what a result means.

    \b
    plugdata judge check plug.jsonl mono.jsonl
    plugdata judge pairs plug.jsonl mono.jsonl -o judged/alpaca --model gpt-4o --budget 5
    """


@judge.command(short_help="Which of two models answers better, in both orders.")
@a_argument
@click.argument("b", type=PATH, metavar="B.jsonl")
@rubric_option
@asking_options
def pairs(a: Path, b: Path, output: Path, rubric: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Which of two models answers better: each pair is judged in both orders, and tallied by PLUG's rule and by a
    strict one. The same command again asks for nothing that was answered.

    \b
    plugdata judge pairs plug.jsonl mono.jsonl -o judged/alpaca --model gpt-4o --budget 5
    plugdata judge pairs plug.jsonl mono.jsonl -o judged/qwen --model qwen --base-url http://127.0.0.1:8000/v1
    """
    from plugdata.pipeline import judging

    with watching(quiet) as watch:
        judged = judging.judge_pairs(a, b, output, _asking(flags), rubric, watch)
    _show(judged, as_json)


@judge.command(short_help="A mark from 1 to 10 for each answer.")
@a_argument
@rubric_option
@asking_options
def score(a: Path, output: Path, rubric: Path | None, as_json: bool, quiet: bool, **flags: Any) -> None:
    """A mark from 1 to 10 for each answer of a model.

    \b
    plugdata judge score plug.jsonl -o judged/scores --model gpt-4o
    """
    from plugdata.pipeline import judging

    with watching(quiet) as watch:
        judged = judging.judge_score(a, output, _asking(flags), rubric, watch)
    _show(judged, as_json)


@judge.command(short_help="X-TruthfulQA: truthful, informative, both.")
@a_argument
@asking_options
def truthful(a: Path, output: Path, as_json: bool, quiet: bool, **flags: Any) -> None:
    """Whether each answer is truthful and informative, by the correct and incorrect answers of its question.

    \b
    plugdata judge truthful plug-truthfulqa.jsonl -o judged/truthful --model gpt-4o
    """
    from plugdata.pipeline import judging

    with watching(quiet) as watch:
        judged = judging.judge_truthful(a, output, _asking(flags), watch)
    _show(judged, as_json)


@judge.command(short_help="X-SVAMP: is the last number right? No model is asked.")
@a_argument
@click.option("-o", "--output", type=PATH, metavar="DIR", help="Where the verdicts go, if anywhere.")
@json_option
def math(a: Path, output: Path | None, as_json: bool) -> None:
    """Whether the last number of each answer is the right one. No model is asked.

    \b
    plugdata judge math plug-svamp.jsonl
    """
    from plugdata.pipeline import judging

    _show(judging.judge_math(a, output), as_json)


@judge.command(short_help="Language, length, loops of answers. No model is asked.")
@a_argument
@click.argument("b", type=PATH, metavar="[B.jsonl]", required=False)
@json_option
@quiet_option
def check(a: Path, b: Path | None, as_json: bool, quiet: bool) -> None:
    """What answers show of themselves: whether they are in their language, how long they are, loops and repetitions,
    unclosed code, and what became of each question. No model is asked.

    \b
    plugdata judge check plug.jsonl mono.jsonl
    """
    from plugdata.pipeline import judging
    from plugdata.review import judged as screen

    with watching(quiet) as watch:
        found = judging.check(a, b, watch)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        named = [str(path) for path in (a, b) if path]
        console().print(*screen.checks(named, found.checked, found.lengths), sep="\n")


@judge.command(short_help="How far two judges agree.")
@click.argument("dir1", type=PATH)
@click.argument("dir2", type=PATH)
@json_option
def agree(dir1: Path, dir2: Path, as_json: bool) -> None:
    """How far the verdicts in DIR1 and DIR2 agree, which two judges gave on the same answers.

    \b
    plugdata judge agree judged/gpt judged/qwen
    """
    from plugdata.pipeline import judging
    from plugdata.review import judged as screen

    found = judging.agree(dir1, dir2)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        console().print(*screen.agreement(found.judges, found.groups), sep="\n")


def _asking(flags: dict[str, Any]) -> "Asking":
    """Who is asked, by the command's options."""
    from plugdata import recipe as recipes
    from plugdata.pipeline.judging import judge_of
    from plugdata.pipeline.verdicts import Asking

    model = recipes.model(**{name: flags[name] for name in MODEL_FLAGS})
    return Asking(judge_of(model, flags["params"]), flags["budget"], flags["ledger"], flags["limit"])


def _show(judged: "Judged", as_json: bool) -> None:
    """The figures, of a partial run too."""
    from plugdata.review import judged as screen

    if as_json:
        click.echo(json.dumps(judged.as_json(), ensure_ascii=False, indent=2))
    else:
        console().print(*screen.judged(judged.mode, judged.groups, judged.cost), sep="\n")
    judged.raise_if_failed()
