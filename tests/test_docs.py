"""The docs on translation and filters say what the code does: tables, defaults, figures, recipes and commands."""

import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner

from plugdata import cli, languages
from plugdata import recipe as recipes
from plugdata.checks import answered, copying, mask, refusal, repetition, spoken
from plugdata.recipe import Filter, Route, Translate
from plugdata.recipe.translation import Policy
from plugdata.rows import Reason
from plugdata.translate import route, verify
from plugdata.translate.glossary import load
from plugdata.translate.protocols import PROTOCOLS
from tests import labelled
from tests.servers import llm
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
PAGE, FILTERS = ((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("translation", "filters"))

THRESHOLDS: dict[Reason, tuple[float, ...]] = {
    Reason.LOOP: (repetition.MIN_CHARS, repetition.MIN_TIMES, repetition.MAX_UNIT),
    Reason.REFUSAL: (len(refusal._lexicon()), refusal.READ_CHARS),
    Reason.ECHO: (copying.ECHO_MIN, copying.MIN_WORDS),
    Reason.ANSWERED: (answered.TOO_LONG, answered.LONG_CHARS, answered.ALIKE, answered.FURTHER, *answered.UNASKED),
    Reason.LID: (spoken.LONG, spoken.MIN_SHARE, spoken.SURE, spoken.RULED_OUT),
    Reason.TOO_LONG: (Translate().split_chars,),
    Reason.CALL_FAILED: (Translate().retries,),
}
"""The numbers of a hard check, in the order in which the page says them; of all others it says none."""


def _table(head: str, page: str = PAGE) -> dict[str, list[str]]:
    """The rows of the table whose first heading is `head`: the first cell without its backticks → the others."""
    lines = iter(page.splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            break
    next(lines)
    found: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            return found
        first, *others = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        found[first.strip("`")] = others
    raise AssertionError(f"no table with the heading {head!r}")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE + FILTERS, re.DOTALL)


def _given_by(stage: str) -> set[str]:
    """The reasons whose comment in rows/reasons.py names a stage."""
    found = re.findall(r'= "([a-z-]+)"  # \[([a-z, ]+)\]', inspect.getsource(Reason))
    assert len(found) == len(Reason)
    return {reason for reason, stages in found if stage in stages.split(", ")}


def test_every_reason_of_translate_stands_among_the_hard_checks() -> None:
    told = _table("reason")
    assert set(told) == _given_by("translate")
    asked = set(re.findall(r"\bReason\.([A-Z_]+)", inspect.getsource(verify)))
    assert asked and {str(Reason[name]) for name in asked} <= set(told)


@pytest.mark.parametrize("reason", sorted(_given_by("translate")))
def test_a_hard_check_is_told_with_the_numbers_of_the_code(reason: str) -> None:
    numbers = re.findall(r"\d+(?:[.,]\d+)*", _table("reason")[reason][1])
    assert numbers == [f"{number:,g}" for number in THRESHOLDS.get(Reason(reason), ())]


def test_every_filter_is_told_with_its_default() -> None:
    told = {name: cells[-1] for name, cells in _table("check", FILTERS).items()}
    assert told.pop("user") == "none" and Filter().user == ()
    filters = {name: block.model_dump() for name, block in Filter() if name != "user"}
    assert _given_by("filter") == {*filters, "user-filter"}
    defaults = {
        name: ", ".join(f"`{key}: {_shown(value)}`" for key, value in block.items() if value not in (None, ()))
        for name, block in filters.items()
    }
    assert told == {name: default or "measured only" for name, default in defaults.items()}


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def test_task_classes_are_told_with_their_policies_and_measured_figures() -> None:
    rows = labelled.route()

    def found(row: labelled.Labelled) -> str | None:
        hit = route.classify(row.instruction, row.input, row.response)
        return hit.task_class if hit else None

    tuned, held_out = (
        labelled.score([row for row in rows if row.held_out is part], found, route.CLASSES) for part in (False, True)
    )
    policies = Route().policies
    assert {name: cells[1:] for name, cells in _table("class").items()} == {
        name: [
            f"`{policies[name]}`",
            *(f"{one[name].precision:.0%}, {one[name].recall:.0%}" for one in (tuned, held_out)),
        ]
        for name in route.CLASSES
    }
    assert f"the rows are {len(rows)} of our own writing" in PAGE
    assert all(f"\n- `{policy}`: " in PAGE for policy in get_args(Policy))


@pytest.mark.parametrize("example", [cells[0].strip("`") for cells in _table("what").values()])
def test_what_the_page_calls_protected_is_not_shown(example: str) -> None:
    assert mask.mask(f"Look at this:\n{example}\nWhat is it?").text == "Look at this:\n⟦0⟧\nWhat is it?"


def test_protocols_locales_and_languages_are_those_of_the_code() -> None:
    assert set(_table("protocol")) == set(PROTOCOLS)
    table = languages.table()
    assert f"lists {len(table)} languages" in PAGE
    assert all(f"`{code}`" in PAGE for code, language in table.items() if language.base or not language.lid)


@pytest.mark.parametrize("setting", ["repair", "examples", "split_chars"])
def test_a_default_in_the_text_is_that_of_the_recipe(setting: str) -> None:
    assert f"`translate.{setting}: {getattr(Translate(), setting)}`" in PAGE


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "docs/translation.md", "docs/filters.md", "benchmarks/README.md"]
)
def test_every_link_into_the_project_leads_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_every_piece_of_a_recipe_on_the_page_is_valid(block: str) -> None:
    whole: dict[str, Any] = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"]}
    recipes.resolve({**whole, **yaml.safe_load(block)})


def test_the_glossaries_of_the_recipes_have_terms_for_each_of_their_languages() -> None:
    asked = [recipes.load(path) for path in recipes.packaged("").rglob("*.yaml")]
    terms = [load(one.translate.glossary, lang).terms for one in asked if one.translate.glossary for lang in one.asked]
    assert len(terms) == 2 and all(terms)


@pytest.mark.usefixtures("lid_model_path")
def test_every_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topics = ["an old bridge", "a quiet garden", "the night train"]
    records = [
        {
            "instruction": f"Describe {topic} to somebody who has never been there.",
            "output": f"When you come to {topic}, you hear voices first, and then you see colours between the trees.",
        }
        for topic in topics
    ]
    korean = {"instruction": "오래된 다리를 설명하세요.", "output": "나무 사이로 물소리가 먼저 들립니다."}
    files = {"alpaca.json": records, "prompts.jsonl": records[:1], "en.json": records[:1], "ko.json": [korean]}
    for name, content in files.items():
        lines = map(json.dumps, content)
        (tmp_path / name).write_text("\n".join(lines) if name.endswith("l") else json.dumps(content))
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line, comments=True) for block in _blocks("console") for line in block.splitlines()]
    assert [command[1] for command in commands] == [
        *("translate", "status", "sample", "retry", "retry", "filter", "filter"),
        *("translate", "pair", "filter"),
    ]
    is_lazy = llm.when(lambda request: request.json["model"] == "small" and "old bridge" in request.text, llm.echo())
    with LlmServer([is_lazy]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for command in commands:
            done = CliRunner().invoke(cli.cli, command[1:])
            assert done.exit_code == 0, (command, done.output)
        assert {request.json["model"] for request in server.requests} == {"small", "strong"}
