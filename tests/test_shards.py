"""Rows shared out over machines and brought together again: the published bytes are those of one machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import llm
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
N_ROWS, N_SHARDS = 24, 3
PLACES = ["the harbour", "an old mill", "the weather station", "a mountain hut", "the reading room", "a salt lake"]

pytestmark = pytest.mark.usefixtures("lid_model_path")


def _recipe(folder: Path, server: LlmServer, languages: str = "ko, es", more: str = "") -> Path:
    """A recipe file; two of its rows are twins, one is a duplicate, one is not worth a call."""
    records = [
        {
            "instruction": f"Write {i + 2} sentences on {PLACES[i % 6]} for a visitor who comes in month {i % 12 + 1}.",
            "output": f"In that month {PLACES[i % 6]} is open from {i % 5 + 6} in the morning. Room {i * 11} has the "
            f"best view, and {i + 3} people at a time may climb the stairs to {PLACES[(i * 5 + 2) % 6]}.",
        }
        for i in range(N_ROWS)
    ]
    records += [records[3], {**records[5], "instruction": records[5]["instruction"].upper()}]
    records.append({"instruction": "Say what you see.", "output": "N/A"})
    (folder / "rows.json").write_text(json.dumps(records))
    path = folder / "asked.yaml"
    path.write_text(
        "corpus: whole/plug\n"
        "sources: [{path: rows.json, license: apache-2.0}]\n"
        f"languages: [{languages}]\n"
        f"models: [{{model: test, base_url: '{server.base_url}', limits: {{concurrency: 4}}}}]\n"
        "split: {validation: 0.2}\n" + more
    )
    return path


def _start(folder: Path, *args: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "plugdata", *map(str, args)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PLUGDATA_", "OPENAI_"))}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=-1, stderr=-1, text=True)


def _plugdata(folder: Path, *args: object) -> tuple[int, str, str]:
    with _start(folder, *args) as running:
        out, err = running.communicate(timeout=120)
    return running.returncode, out, err


def _made_in_parts(folder: Path, recipe: Path, until: str = "translate") -> list[str]:
    """The corpora of all shards, made side by side."""
    parts = [f"part{i}/plug" for i in range(1, N_SHARDS + 1)]
    running = [
        _start(folder, "run", recipe, "-q", "--shard", f"{i}/{N_SHARDS}", "--set", f"corpus={part}", "--until", until)
        for i, part in enumerate(parts, start=1)
    ]
    for process in running:
        with process:
            _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    return parts


def _published(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_three_shards_in_three_processes_publish_what_one_machine_does(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server)
        parts = _made_in_parts(tmp_path, recipe, until="dist")
        assert len(server.requests) == len({request.digest for request in server.requests}) == 2 * N_ROWS
        code, out, err = _plugdata(tmp_path, "merge", *parts, "-o", "merged/plug")
        assert (code, len(server.requests)) == (0, 2 * N_ROWS), err
        assert _plugdata(tmp_path, "run", recipe, "-q")[0] == 0
    assert "other-shard" not in out
    whole = _published(tmp_path / "whole/plug/dist")
    assert {"ko/train-00000-of-00001.parquet", "es/validation-00000-of-00001.parquet"} <= set(whole)
    assert _published(tmp_path / "merged/plug/dist") == whole


def test_every_row_is_of_one_shard_and_the_others_say_so(tmp_path: Path) -> None:
    with LlmServer() as server:
        parts = _made_in_parts(tmp_path, _recipe(tmp_path, server, "ko"))
        states = [json.loads(_plugdata(tmp_path, "status", part, "--json")[1]) for part in parts]
    kept = [state["kept"]["ko"] for state in states]
    others = [line["n"]["ko"] for state in states for line in state["taken_out"] if line["reason"] == "other-shard"]
    assert sum(kept) == N_ROWS
    assert [n + m for n, m in zip(kept, others, strict=True)] == [N_ROWS] * N_SHARDS
    assert min(kept) > 0


def test_a_lost_shard_leaves_failed_rows_that_a_later_run_asks_for(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server)
        parts = _made_in_parts(tmp_path, recipe)
        n_lost = 2 * json.loads(_plugdata(tmp_path, "status", parts[1], "--json")[1])["kept"]["ko"]
        code, out, err = _plugdata(tmp_path, "merge", parts[0], parts[2], "-o", "merged/plug")
        assert (code, f"{n_lost // 2} in ko, {n_lost // 2} in es" in err) == (3, True)
        assert "failed: call-failed" in out
        asked = len(server.requests)
        assert _plugdata(tmp_path, "run", "merged/plug/recipe.yaml", "-q")[0] == 0
        assert len(server.requests) == asked + n_lost
        assert _plugdata(tmp_path, "run", recipe, "-q")[0] == 0
    assert _published(tmp_path / "merged/plug/dist") == _published(tmp_path / "whole/plug/dist")


@pytest.mark.parametrize(
    ("key", "value"),
    [("languages", "[ko]"), ("translate.examples", "1"), ("models.0.model", "other"), ("screen.duplicates", "near")],
)
def test_parts_of_different_corpora_are_not_merged(tmp_path: Path, key: str, value: str) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server)
        for n, changed in ((1, []), (2, ["--set", f"{key}={value}"])):
            asked = ["--shard", f"{n}/2", "--set", f"corpus=part{n}", "--until", "screen", *changed]
            assert _plugdata(tmp_path, "run", recipe, "-q", *asked)[0] == 0
        code, out, err = _plugdata(tmp_path, "merge", "part1", "part2", "-o", "merged")
    assert (code, out) == (2, "")
    assert "no parts of one corpus" in err and key.partition(".")[0] in err
    assert not (tmp_path / "merged").exists()


def _other_numbers(request: llm.Request) -> str:
    """A translation that `filter` does not believe."""
    return re.sub(r"\d+", lambda match: str(int(match[0]) + 1000), llm.usual_answer(request))


def test_what_shards_were_asked_again_is_asked_again_of_the_whole(tmp_path: Path) -> None:
    def cheap(request: llm.Request) -> bool:
        return request.json["model"] == "test" and llm.target_language(request) == "ko"

    echoes = llm.when(lambda r: cheap(r) and "month 5." in r.text, llm.echo())
    wrong = llm.when(lambda r: cheap(r) and "the reading room for" in r.text, llm.answered(_other_numbers))
    (tmp_path / "terms.csv").write_text("source,target\nnothing that stands here,no\n")
    with LlmServer([echoes, wrong]) as server:
        recipe = _recipe(tmp_path, server, more="translate: {glossary: terms.csv}\n")
        parts = _made_in_parts(tmp_path, recipe, until="dedup")
        assert _plugdata(tmp_path, "run", recipe, "-q")[0] == 0
        strong = ["--model", "strong", "--base-url", server.base_url, "-q"]
        named = ["--reason", "echo", "--reason", "numbers"]
        codes = [_plugdata(tmp_path, "retry", part, *named, *strong)[0] for part in (*parts, "whole/plug")]
        assert codes[-1] == 0 and set(codes) <= {0, 2} and codes.count(0) >= 3  # 2: a part with no such row
        asked = len(server.requests)
        code, _, err = _plugdata(tmp_path, "merge", *parts, "-o", "merged/plug")
        assert code == 0, err
        assert len(server.requests) == asked
    states = [json.loads(_plugdata(tmp_path, "status", c, "--json")[1]) for c in ("merged/plug", "whole/plug")]
    assert states[0]["kept"] == states[1]["kept"] == {"ko": N_ROWS, "es": N_ROWS}
    assert _published(tmp_path / "merged/plug/dist") == _published(tmp_path / "whole/plug/dist")


def test_a_corpus_that_is_there_is_not_merged_over(tmp_path: Path) -> None:
    with LlmServer() as server:
        parts = _made_in_parts(tmp_path, _recipe(tmp_path, server), until="screen")
    before = _published(tmp_path / parts[0])
    code, _, err = _plugdata(tmp_path, "merge", *parts, "-o", parts[0])
    assert (code, "exists" in err) == (2, True)
    assert _published(tmp_path / parts[0]) == before
