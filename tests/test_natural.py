"""A corpus of natural text from a folder to dist/, by the commands that people type."""

import json
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from plugdata.corpus import Corpus
from plugdata.publish import dist
from tests import commands
from tests.commands import Run, kept
from tests.instructing import TEXTS, saying
from tests.servers.llm import LlmServer, Request, contents
from tests.servers.llm.replies import pseudo_translation
from tests.test_passages import article

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")

N = 8
TOPICS = ("mending boats", "old clocks", "a letter home", "baskets", "lamps at sea", "maps", "umbrellas", "coats")


def _instruction(request: Request) -> str:
    """Another one for every passage, by the number that its article is written with."""
    text = request.text
    if TEXTS["th"][1][:40] in text:
        return TEXTS["th"][0]
    seed = next(n for n in range(N) if f"jo {n * 100}. kerran" in text)
    return f"Tell me a short story about {TOPICS[seed]} and the people who care for such things."


def _mark(request: Request) -> str:
    return "2" if "umbrellas" in request.text else "no mark" if "coats" in request.text else "5"


def answer(request: Request) -> str:
    told = contents(request.json, "system")
    if told and told[0].startswith(("You write instructions", "You judge", "You prepare")):
        return saying(instruction=_instruction, mark=_mark)(request)
    return pseudo_translation(request)


def write(folder: Path, server: LlmServer, **more: Any) -> Path:
    """A recipe for eight articles in Finnish and a text in Thai."""
    articles = [{"text": article(n), "url": f"https://lehti.example/{n}", "id": f"doc-{n}"} for n in range(N)]
    (folder / "fi.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in articles))
    (folder / "th.txt").write_text(TEXTS["th"][1], encoding="utf-8")
    asked = {
        "kind": "x-instruction",
        "corpus": "corpus",
        "texts": [
            {"lang": "fi", "path": "fi.jsonl", "license": "cc-by-4.0"},
            {"lang": "th", "path": "th.txt", "license": "cc0-1.0"},
        ],
        "languages": ["fi", "th"],
        "models": [{"model": "cheap", "base_url": server.base_url, "limits": {"concurrency": 4}}],
        "passages": {"min_chars": 150},
        "diversify": {"clusters": 2, "news": None},
        **more,
    }
    path = folder / "natural.yaml"
    path.write_text(json.dumps(asked))
    return path


def test_a_folder_of_texts_becomes_a_corpus_and_a_rerun_asks_nothing(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server)
        code, out, err = run("run", recipe, "-q")
        assert code == 0, err
        n_asked = len(server.requests)
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == n_asked
    assert "rated fi: 6 at 5, 1 at 2, 1 abstained" in out
    assert kept(run) == {"fi": 6, "th": 1}
    state = json.loads(run("status", "corpus", "--json")[1])
    reasons = {(line["stage"], line["reason"]): line["n"] for line in state["taken_out"]}
    assert reasons == {("rate", "rating"): {"fi": 1}, ("rate", "unrated"): {"fi": 1}}
    assert dist.check(Path("corpus/dist").resolve()) == {"fi": {"train": 6}, "th": {"train": 1}}
    rows = datasets.load_dataset("corpus/dist", "fi", split="train", cache_dir=str(tmp_path / "cache"))
    by_url = {row["source_id"]: row for row in rows}
    boats = by_url["https://lehti.example/0"]
    assert boats["response"] == article(0) and boats["license"] == "cc-by-4.0" and boats["layout"] == "x-instruct"
    assert boats["instruction"] is None and boats["pivot_response"] is None
    assert [turn["role"] for turn in boats["messages"]] == ["system", "user", "assistant"]
    assert "mending boats" in boats["messages"][1]["content"] and boats["messages"][2]["content"] == article(0)
    assert '<th scope="row">passages<' in Path("corpus/dist/report.html").read_text()
    card = Path("corpus/dist/README.md").read_text()
    for told in ("natural text", "2405.19744", "| generation |", "| rating |", "each beside its English instruction"):
        assert told in card
    assert "translated by a machine" not in card and "machine-translated" not in Path("corpus/dist/LICENSE").read_text()


def test_what_other_layouts_need_is_translated_and_nothing_else(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server, layouts=["x-instruct"])
        assert run("run", recipe, "-q")[0] == 0
        before = len(server.requests)
        assert run("run", recipe, "--set", "layouts=[x-instruct, mono]", "-q")[0] == 0
        between = len(server.requests)
        assert run("run", recipe, "--set", "layouts=[plug, mono]", "-q")[0] == 0
        after = len(server.requests)
    n = sum(kept(run).values())
    assert between - before == n and after - between == n  # the instructions; then the passages
    row = Corpus(Path("corpus")).rows("dedup", "fi").filter(pl.col("status") == "kept").row(0, named=True)
    assert (
        row["instruction"] and row["pivot_response"] and row["response"].startswith(("Vanha", "Nuori", *"ABCDEFGHIJ"))
    )
    assert set(dist.check(Path("corpus/dist").resolve())) == {"fi", "fi-mono", "th", "th-mono"}


def test_a_plan_counts_what_an_endpoint_embeds(run: Run, tmp_path: Path) -> None:
    embedder = {"model": "small", "base_url": "http://127.0.0.1:9/v1", "price": {"input": 2, "output": 0}}
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server, diversify={"embedder": "openai", "model": embedder})
        planned = json.loads(run("plan", recipe, "--json", "-q")[1])
        assert not server.requests
    shares = {share["lang"]: share for share in planned["shares"] if share["task"] == "diversify"}
    assert sum(share["rows"] for share in shares.values()) == planned["screened"]
    assert {share["calls"] for share in shares.values()} == {1}
    tokens = sum(share["prompt_tokens"] for share in shares.values())
    spent = sum(share["online_usd"]["expected"] for share in shares.values())
    assert spent == pytest.approx(tokens * 2e-6, rel=0.01) and spent > 0


def test_a_plan_follows_each_passage_as_far_as_answers_lead(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server, layouts=["x-instruct", "mono"])

        def planned() -> dict[str, tuple[int, int]]:
            """Rows to ask and paid, of each stage."""
            shares = json.loads(run("plan", recipe, "--json", "-q")[1])["shares"]
            of = {share["task"]: [one for one in shares if one["task"] == share["task"]] for share in shares}
            return {task: (sum(s["rows"] for s in some), sum(s["paid"] for s in some)) for task, some in of.items()}

        assert planned() == dict.fromkeys(("generate", "rate", "translate"), (N + 1, 0))
        assert run("rate", recipe, "-q")[0] == 0
        assert planned() == {"generate": (0, N + 1), "rate": (0, N + 1), "translate": (N - 1, 0)}
        assert run("run", recipe, "-q")[0] == 0
        assert planned()["translate"] == (0, N - 1)
        assert run("plan", recipe, "--set", "edit={}", "-q")[1].count("edit") == 2
        n_asked = len(server.requests)
        assert run("run", recipe, "--set", "edit={}", "--until", "rate", "-q")[0] == 0
        assert len(server.requests) - n_asked == N - 1


def test_each_stage_has_a_command_and_each_goes_on_where_the_last_one_stopped(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server)
        planned = json.loads(run("plan", recipe, "--json", "-q")[1])
        assert {share["task"] for share in planned["shares"]} == {"generate", "rate"}
        assert planned["read"] == planned["screened"] == N + 1
        assert not server.requests
        assert run("generate", recipe, "-q")[0] == 0
        assert len(server.requests) == N + 1 == sum(s["calls"] for s in planned["shares"] if s["task"] == "generate")
        shown = run("sample", "corpus", "--lang", "th", "-n", "1")[1]
        assert TEXTS["th"][0] in shown.replace("\n", " ") or "sticky rice" in shown
        code, out, _ = run("rate", "corpus", "--round", "round", "-q")
        assert code == 0 and out.endswith("round: 7 examples for the generator, 2 examples for the rater\n")
        n_rated = len(server.requests)
        code, out, _ = run("diversify", "corpus", "--set", "diversify.rows=4", "-q")
        assert code == 0 and "diversity fi" in out and "self" not in out
        assert len(server.requests) == n_rated
    assert kept(run) == {"fi": 4, "th": 1}
    assert json.loads(Path("round/layouts.json").read_text())


def test_without_rating_and_sampling_all_is_kept_from_the_same_answers(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server)
        assert run("run", recipe, "-q")[0] == 0
        n_asked = len(server.requests)
        ledger = tmp_path / "corpus" / "ledger.sqlite"
        flags = ["--set", "rate=null", "--set", "diversify=null", "--set", "corpus=plain", "--ledger", ledger]
        assert run("run", recipe, *flags, "-q")[0] == 0
        assert len(server.requests) == n_asked
    assert kept(run, "plain") == {"fi": N, "th": 1}


def test_a_language_may_be_added_and_its_texts_are_read_alone(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server)
        assert run("run", recipe, "--set", "languages=[th]", "--until", "generate", "-q")[0] == 0
        assert [len(server.requests)] == [1]
        assert run("run", recipe, "--until", "generate", "-q")[0] == 0
        assert len(server.requests) == 1 + N


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"texts": []}, "`texts` has none in 'fi'"),
        ({"sources": [{"path": "rows.json"}]}, "`sources` is not for kind x-instruction"),
        ({"parallel": True}, "the languages of kind x-instruction have no row in common"),
        ({"translate": {"fields": "instruction"}}, "`layouts` say what is translated"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_told_in_a_line(
    run: Run, tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    with LlmServer(answer=answer) as server:
        code, _, err = run("run", write(tmp_path, server, **more), "-q")
    assert code == 2 and told in err


def test_commands_of_the_other_kind_say_so(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server:
        assert run("run", write(tmp_path, server), "--until", "generate", "-q")[0] == 0
        assert (
            "`plugdata run` makes a corpus of either kind"
            in run("generate", commands.write_recipe(tmp_path, server))[2]
        )
    code, _, err = run("retry", "corpus", "--reason", "bad-tags")
    assert code == 2 and "retry is for kind plug" in err
    code, _, err = run("run", "natural.yaml", "--until", "screen")
    assert code == 2 and "the stages of kind x-instruction are passages, generate" in err


def test_a_shard_is_not_sampled_and_the_parts_of_one_corpus_are_merged(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=answer) as server, LlmServer(answer=answer) as elsewhere:
        recipe = write(tmp_path, server, rate={"model": {"model": "rater", "base_url": server.base_url}})
        code, _, err = run("run", recipe, "--shard", "1/2", "--set", "corpus=part1", "-q")
        assert code == 2 and "a shard cannot be sampled" in err and not server.requests
        flags = ["--until", "rate", "-q"]
        assert run("run", recipe, "--shard", "1/2", "--set", "corpus=part1", *flags)[0] == 0
        at = ["--set", f"rate.model.base_url={elsewhere.base_url}"]
        assert run("run", recipe, "--shard", "2/2", "--set", "corpus=part2", *at, *flags)[0] == 0
        n_asked = len(server.requests) + len(elsewhere.requests)
        code, _, err = run("merge", "part1", "part2", "-o", "whole", "-q")
        assert code == 0, err
        assert len(server.requests) + len(elsewhere.requests) == n_asked
    assert kept(run, "whole") == {"fi": 6, "th": 1}


def test_a_round_that_cannot_be_written_costs_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "round").mkdir()
    (tmp_path / "round/mine.txt").write_text("mine")
    with LlmServer(answer=answer) as server:
        recipe = write(tmp_path, server)
        assert "is there already" in run("rate", recipe, "--round", "round", "-q")[2]
        assert "nothing is rated" in run("rate", recipe, "--set", "rate=null", "--round", "new", "-q")[2]
        assert not server.requests
