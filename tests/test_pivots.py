"""English rows for a model that is to think in Spanish: two translations of each, both kept."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.errors import RecipeError
from plugdata.rows import Status
from tests import commands
from tests.commands import Run, kept, records, write_recipe
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")

THROUGH_SPANISH: dict[str, Any] = {"pivot": "es", "source_lang": "en", "languages": ["ko"]}


def _made(run: Run, folder: Path, server: LlmServer, **settings: Any) -> Corpus:
    assert run("run", write_recipe(folder, server, **{**THROUGH_SPANISH, **settings}), "-q")[0] == 0
    return Corpus(folder / str(settings.get("corpus", "corpus")))


def test_both_translations_are_of_the_source_and_both_are_kept(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = _made(run, tmp_path, server)
        asked = [(llm.target_language(request), request.text) for request in server.requests]
    assert sorted(lang or "" for lang, _ in asked) == ["es"] * 6 + ["ko"] * 6
    assert all("Tell me about" in text for _, text in asked)
    pairs = corpus.rows("dedup", "ko").sort("ordinal")
    assert set(pairs["pivot_lang"]) == {"es"}
    assert set(pairs["lang"]) == {"ko"}
    for pair, record in zip(pairs.iter_rows(named=True), records(6), strict=True):
        assert pair["source_instruction"] == "\n\n".join(filter(None, [record["instruction"], record["input"]]))
        assert pair["source_response"] == record["output"]
        assert pair["pivot_response"] == llm.translate(f"\n{record['output']}\n", "es").strip()
        assert pair["response"] == llm.translate(f"\n{record['output']}\n", "ko").strip()
    assert kept(run) == {"ko": 6}


def test_ids_are_those_of_the_corpus_through_english(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        spanish = _made(run, tmp_path, server)
        english = _made(run, tmp_path, server, corpus="english", pivot="en", source_lang=None)
    here, there = (corpus.rows("dedup", "ko").sort("id") for corpus in (spanish, english))
    assert here["id"].to_list() == there["id"].to_list()
    assert here["response"].to_list() == there["response"].to_list()
    assert there["source_response"].null_count() == there.height


def test_a_row_whose_pivot_came_to_nothing_is_no_pair_and_a_retry_mends_it(run: Run, tmp_path: Path) -> None:
    lost = llm.when(lambda r: "the 2th kind" in r.text and llm.target_language(r) == "es", llm.echo())
    with LlmServer([lost]) as server:
        corpus = _made(run, tmp_path, server)
        (row,) = corpus.rows("dedup", "ko").filter(pl.col("status") != Status.KEPT).iter_rows(named=True)
        assert (row["status"], row["stage"], row["reason"]) == ("quarantined", "pair", "pivot")
        assert row["detail"] == "into the pivot: echo"
        state = json.loads(run("status", "corpus", "--json")[1])
        assert (state["rows"], state["kept"], state["until"]) == ({"ko": 6}, {"ko": 5}, {"ko": "dedup"})
        assert [(line["reason"], line["n"]) for line in state["taken_out"]] == [("pivot", {"ko": 1})]
        code, _, err = run("retry", "corpus", "--reason", "pivot")
        assert (code, "the reason for which the translation into the pivot was taken out" in err) == (2, True)
        server.faults, before = [], len(server.requests)
        assert run("retry", "corpus", "--reason", "echo", "-q")[0] == 0
        assert [llm.target_language(request) for request in server.requests[before:]] == ["es"]
    assert kept(run) == {"ko": 6}


def test_what_is_published_is_of_that_pivot(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        corpus = _made(run, tmp_path, server)
    published = pl.read_parquet(corpus.dist / "ko" / "train-00000-of-00001.parquet")
    assert set(published["pivot_lang"]) == {"es"}
    assert published["messages"][0][0]["content"] == (
        "Please interpret the instruction in Spanish, and then respond both in Spanish and in Korean."
    )
    layouts = json.loads((corpus.dist / "layouts.json").read_text())
    assert layouts["plug-v1"]["pivot"] == "es"
    stages = json.loads((corpus.dist / "manifest.json").read_text())["stages"]
    assert {"translate/es", "translate/ko", "pair/ko"} <= set(stages)
    assert "translate/es" in stages["pair/ko"]["inputs"]
    assert "each beside its Spanish translation" in (corpus.dist / "README.md").read_text()


def test_plan_status_and_sample_speak_of_both(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, **THROUGH_SPANISH)
        made = json.loads(run("plan", recipe, "--json", "-q")[1])
        assert [(share["lang"], share["rows"]) for share in made["shares"]] == [("es", 6), ("ko", 6)]
        assert run("run", recipe, "-q", "--until", "translate")[0] == 0
        made = json.loads(run("plan", recipe, "--json", "-q")[1])
        assert [(share["lang"], share["paid"]) for share in made["shares"]] == [("es", 6), ("ko", 6)]
    shown = json.loads(run("sample", "corpus", "-n", 1, "--json")[1])
    assert (shown["pivot_lang"], shown["lang"]) == ("es", "ko")
    of_row = records(6)[shown["ordinal"]]
    assert shown["pivot_response"] == llm.translate(f"\n{of_row['output']}\n", "es").strip()
    assert shown["source_response"] == of_row["output"]
    code, out, _ = run("sample", "corpus", "-n", 1)
    assert (code, "español" in out, "한국어" in out) == (0, True, True)


def test_a_language_more_asks_for_that_language_alone(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        _made(run, tmp_path, server)
        _made(run, tmp_path, server, languages=["ko", "fr"])
        assert [llm.target_language(request) for request in server.requests[12:]] == ["fr"] * 6
    assert kept(run) == {"ko": 6, "fr": 6}


def test_a_translation_into_the_pivot_that_one_has_is_asked_of_nobody(run: Run, tmp_path: Path) -> None:
    given = [{**record, "output": llm.translate(record["output"], "es")} for record in records(6)]
    for record in given:
        record |= {name: llm.translate(record[name], "es") for name in ("instruction", "input")}
    (tmp_path / "es.json").write_text(json.dumps(given, ensure_ascii=False))
    with LlmServer() as server:
        corpus = _made(run, tmp_path, server, translations=[{"lang": "es", "path": "es.json"}])
        assert {llm.target_language(request) for request in server.requests} == {"ko"}
    assert kept(run) == {"ko": 6}
    assert corpus.rows("dedup", "ko").sort("ordinal")["pivot_response"][0] == given[0]["output"]


def test_the_command_line_says_both_languages(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        write_recipe(tmp_path, server)
        asked = ["--to", "ko", "--pivot", "es", "--source-lang", "en", "--model", "m", "--base-url", server.base_url]
        assert run("translate", "rows.json", "corpus", *asked, "-q")[0] == 0
        assert len(server.requests) == 12
    assert recipes.load(Path("corpus/recipe.yaml")).source_lang == "en"


def test_trees_in_another_language_are_read_when_the_sources_are_said_to_be_in_it(run: Run, tmp_path: Path) -> None:
    of_lang = {"en": ("Name a river.", "The Ebro."), "fr": ("Nommez un fleuve.", "La Seine.")}
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, **THROUGH_SPANISH)
        trees = [
            {"message_id": f"{lang}{n}", "parent_id": n and f"{lang}0", "role": role, "text": text, "lang": lang}
            for lang, texts in of_lang.items()
            for n, (role, text) in enumerate(zip(("prompter", "assistant"), texts, strict=True))
        ]
        (tmp_path / "rows.json").write_text(json.dumps([{**m, "parent_id": m["parent_id"] or None} for m in trees]))
        for lang in of_lang:
            assert run("run", recipe, "--until", "screen", "--set", f"source_lang={lang}", "-q")[0] == 0
            assert Corpus(tmp_path / "corpus").rows("source")["instruction"].to_list() == [of_lang[lang][0]]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"pivot": "es", "source_lang": "es"},
            "the language of the sources is the pivot 'es': leave `source_lang` out",
        ),
        ({"pivot": "es", "source_lang": "ko"}, "the language of the sources 'ko' is also in `languages`"),
        ({"pivot": "ko", "source_lang": "en"}, "the pivot 'ko' is also in `languages`"),
    ],
)
def test_languages_that_do_not_differ_are_refused(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    asked = {"corpus": "c", "sources": [{"path": "rows.json"}], "languages": ["ko"], **settings}
    with pytest.raises(RecipeError) as caught:
        recipes.resolve(asked)
    assert [told in problem for problem in caught.value.problems] == [True]
