"""`--fields instruction`: a benchmark's questions in another language, without responses, and marked as such."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from plugdata.corpus import Corpus
from plugdata.publish import dist
from tests import commands
from tests.commands import Run, kept, records, write_rows
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")


def _questions(n: int = 6) -> list[dict[str, Any]]:
    return [{name: text for name, text in record.items() if name != "output"} for record in records(n)]


def _translated(run: Run, folder: Path, server: LlmServer, *more: str) -> tuple[int, str, str]:
    write_rows(folder / "questions.json", _questions())
    asked = ["--to", "ko", "--fields", "instruction", "--license", "mit", "--model", "m", "--base-url", server.base_url]
    return run("translate", "questions.json", "corpus", *asked, "-q", *more)


def test_questions_without_responses_become_a_data_set_of_questions(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        assert _translated(run, tmp_path, server)[0] == 0
        assert all("<response>" not in request.text for request in server.requests)
        assert run("run", "corpus/recipe.yaml", "-q")[0] == 0
        assert len(server.requests) == 6
    assert kept(run) == {"ko": 6}
    assert dist.check(Path("corpus/dist").resolve()) == {"ko": {"train": 6}}
    rows = pl.read_parquet("corpus/dist/ko/train-00000-of-00001.parquet").sort("source_id")
    assert set(rows["layout"]) == {"prompt"}
    assert rows["response"].null_count() == rows["pivot_response"].null_count() == 6
    for row, asked in zip(rows.iter_rows(named=True), _questions(), strict=True):
        parts = [
            llm.translate(f"\n{text}\n", "ko").strip() for name in ("instruction", "input") if (text := asked[name])
        ]
        assert row["messages"] == [{"role": "user", "content": "\n\n".join(parts)}]
    card = Path("corpus/dist/README.md").read_text()
    assert "Machine-translated instructions, no responses; not a professional translation." in card
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["annotations_creators"] == ["machine-generated"]
    assert "machine-translation" in metadata["tags"] and "plug" not in metadata["tags"]


def test_a_file_without_responses_is_refused_where_they_are_asked_for(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "questions.json", _questions())
    with LlmServer() as server:
        asked = ["--to", "ko", "--model", "m", "--base-url", server.base_url]
        code, _, err = run("translate", "questions.json", "corpus", *asked)
        assert (code, server.requests) == (2, [])
    assert "response" in err and "Traceback" not in err


def test_responses_that_a_file_has_are_left_alone(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.json", records(4))
    with LlmServer() as server:
        asked = ["--to", "ko", "--fields", "instruction", "--model", "m", "--base-url", server.base_url]
        assert run("translate", "rows.json", "corpus", *asked, "-q")[0] == 0
        assert all("on my list" not in request.text for request in server.requests)
        assert run("dedup", "corpus", "-q")[0] == 0
    pairs = Corpus(Path("corpus")).rows("dedup", "ko")
    assert pairs["response"].null_count() == pairs["pivot_response"].null_count() == 4


def test_a_question_that_came_to_nothing_can_be_asked_again(run: Run, tmp_path: Path) -> None:
    lost = llm.when(lambda request: "the 2th kind" in request.text, llm.echo())
    with LlmServer([lost]) as server:
        _translated(run, tmp_path, server)
        assert kept(run) == {"ko": 5}
        server.faults, before = [], len(server.requests)
        assert run("retry", "corpus", "--reason", "echo", "-q")[0] == 0
        assert len(server.requests) == before + 1
    assert kept(run) == {"ko": 6}
    shown = json.loads(run("sample", "corpus", "-n", 1, "--json")[1])
    assert shown["response"] is None
    assert run("sample", "corpus", "-n", 1)[0] == 0


def test_a_look_at_the_first_questions_says_what_all_would_take(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        write_rows(tmp_path / "questions.json", _questions())
        recipe = {
            "corpus": "corpus",
            "sources": [{"path": "questions.json", "license": "mit"}],
            "languages": ["ko"],
            "translate": {"fields": "instruction"},
            "models": [{"model": "m", "base_url": server.base_url}],
        }
        Path("my.yaml").write_text(json.dumps(recipe))
        made = json.loads(run("plan", "my.yaml", "--json", "-q")[1])
        assert [share["rows"] for share in made["shares"]] == [6]
        code, out, err = run("run", "my.yaml", "--limit", 2, "-q")
    assert (code, "all 6 rows in one language" in out) == (0, True), err


def test_questions_that_were_translated_by_people_are_not_called_machine_made(run: Run, tmp_path: Path) -> None:
    write_rows(tmp_path / "en.json", _questions())
    korean = [
        {**row, **{name: llm.translate(row[name], "ko") for name in ("instruction", "input")}} for row in _questions()
    ]
    write_rows(tmp_path / "ko.json", korean)
    files = ["--pivot", "en.json", "--target", "ko.json", "--set", "translate.fields=instruction"]
    assert run("pair", *files, "--set", "sources.0.license=mit", "corpus", "-q")[0] == 0
    assert run("run", "corpus/recipe.yaml", "-q")[0] == 0
    assert kept(run) == {"ko": 6}
    card = Path("corpus/dist/README.md").read_text()
    assert "Instructions, no responses; their translations were given." in card
