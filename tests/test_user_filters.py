"""Filters of a recipe's own: SQL expressions and Python functions, and what is told when one is wrong."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import pipeline, rows
from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.curate.filters import decide, tokens, user
from plugdata.errors import InputError, RecipeError
from plugdata.recipe import Filter, UserFilter
from tests.servers.llm import LlmServer
from tests.test_filters import batch, measured, pair
from tests.test_pipeline import _news, _recipe

KEEP = """
def keep_polite(row):
    return None if row["instruction"] is None else "세요" in row["instruction"]

def broken(row):
    return row["instruction"]["nothing"]

def wordy(row):
    return "yes"
"""


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    path = tmp_path / "my_filters.py"
    path.write_text(KEEP, encoding="utf-8")
    return path


def judged(*filters: dict[str, str], made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    settings = Filter.model_validate({"user": filters})
    bounds = {"lid_min": 0.2} | {f"ratio_{f}_{end}": v for f in rows.FIELDS for end, v in (("min", 0), ("max", 9))}
    return decide(pl.DataFrame(made, schema=rows.MEASURE), settings, bounds).to_dicts()


def test_rows_for_which_an_expression_is_false_are_dropped_by_its_name() -> None:
    short, long, empty = (
        measured(id="b2:a"),
        measured(id="b2:b", response="강" * 90),
        measured(id="b2:c", response=None),
    )
    done = judged({"name": "short", "sql": "length(response) < 90 -- in characters"}, made=[short, long, empty])
    assert [row["status"] for row in done] == ["kept", "dropped", "kept"], "null abstains"
    assert (done[1]["reason"], done[1]["detail"], done[1]["stage"]) == ("user-filter", "short", "filter")


def test_an_expression_sees_measurements_and_lists() -> None:
    rich = measured(pii=["email"], n_words_response=3)
    done = judged(
        {"name": "clean", "sql": "not list_contains(pii, 'email')"},
        {"name": "wordy", "sql": "n_words_response >= 10 and lang = 'ko'"},
        made=[rich],
    )
    assert done[0]["detail"] == "clean, wordy"


def test_rows_for_which_a_function_is_false_are_dropped(functions: Path) -> None:
    polite, blunt = measured(instruction="다리를 설명해 주세요."), measured(instruction="다리를 설명하라.")
    done = judged(
        {"name": "polite", "python": f"{functions}:keep_polite"}, made=[polite, blunt, measured(instruction=None)]
    )
    assert [row["status"] for row in done] == ["kept", "dropped", "kept"]


def test_rows_that_are_not_kept_are_not_asked_about(functions: Path) -> None:
    gone = measured(status="quarantined", stage="pair", reason="pivot", instruction=None)
    done = judged({"name": "b", "python": f"{functions}:broken"}, {"name": "s", "sql": "false"}, made=[gone])
    assert done[0]["reason"] == "pivot"
    assert judged({"name": "s", "sql": "false"}, made=[]) == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("length(respnse) < 9", "respnse"),
        ("length(response <", "syntax error"),
        ("count(*) > 1", "one row at a time"),
        ("row_number() over () < 3", "one row at a time"),
        ("unnest([true, false])", "one row at a time"),
        ("cast(response as integer) > 3", "Conversion Error"),
        ("exists(select 1 from read_csv('x.csv'))", "disabled"),
    ],
)
def test_an_expression_that_is_wrong_is_told_in_one_line_with_its_name(sql: str, told: str) -> None:
    with pytest.raises(InputError, match=r"^filter\.user 'mine': ") as caught:
        judged({"name": "mine", "sql": sql}, made=[measured(), measured()])
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken", "TypeError: .* in row b2:0$"),
        ("wordy", "gave 'yes' for row b2:0, not True, False or None"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_a_function_that_fails_is_told_with_the_row(functions: Path, name: str, told: str) -> None:
    with pytest.raises(InputError, match=f"^filter.user 'mine': .*{told}"):
        judged({"name": "mine", "python": f"{functions}:{name}"}, made=[measured()])


def test_faults_are_found_before_a_row_is_judged(tmp_path: Path, functions: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_the_kind")
    for wrong in (
        {"name": "f", "sql": "length(respnse) < 9"},
        {"name": "f", "python": f"{functions}:absent"},
        {"name": "f", "python": f"{tmp_path}/bad.py:f"},
        {"name": "f", "python": f"{tmp_path}/none.py:f"},
    ):
        with pytest.raises(InputError, match=r"^filter\.user 'f': "):
            user.identity([UserFilter.model_validate(wrong)])


def test_a_changed_file_is_another_filter_and_a_moved_one_is_not(tmp_path: Path, functions: Path) -> None:
    def identity(path: Path) -> list[list[str]]:
        return user.identity([UserFilter(name="p", python=f"{path}:keep_polite")])

    first = identity(functions)
    moved = tmp_path / "elsewhere.py"
    moved.write_text(KEEP, encoding="utf-8")
    assert identity(moved) == first
    functions.write_text(KEEP + "\n# more", encoding="utf-8")
    assert identity(functions) != first


def test_a_file_that_changes_during_a_session_is_loaded_anew(functions: Path) -> None:
    asked = {"name": "p", "python": f"{functions}:keep_polite"}
    assert judged(asked, made=[measured(instruction="하라")])[0]["status"] == "dropped"
    functions.write_text("def keep_polite(row): return True")
    assert judged(asked, made=[measured(instruction="하라")])[0]["status"] == "kept"


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"name": "a"}, "wants either sql or python"),
        ({"name": "a", "sql": "true", "python": "a.py:f"}, "wants either sql or python"),
        ({"name": "a", "python": "a.py"}, "FILE.py:FUNCTION"),
        ({"name": "a", "python": "a.txt:f"}, "FILE.py:FUNCTION"),
    ],
)
def test_a_filter_that_names_neither_or_both_is_refused(block: dict[str, str], told: str) -> None:
    whole = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"], "filter": {"user": [block]}}
    with pytest.raises(RecipeError, match=told):
        recipes.resolve(whole)


def test_paths_are_those_beside_the_recipe(tmp_path: Path) -> None:
    asked = {"user": [{"name": "p", "python": "my_filters.py:keep"}], "length": {"tokenizer": "tok/tokenizer.json"}}
    whole = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"], "filter": asked}
    found = recipes.resolve(whole, folder=tmp_path).filter
    assert found.user[0].python == f"{tmp_path.resolve()}/my_filters.py:keep"
    assert found.length.tokenizer == str(tmp_path.resolve() / "tok/tokenizer.json")
    asked["length"] = {"tokenizer": "org/model-1.5B"}
    assert recipes.resolve(whole, folder=tmp_path).filter.length.tokenizer == "org/model-1.5B"


def test_bare_off_in_yaml_is_the_action_off() -> None:
    assert Filter.model_validate({"pii": {"action": False}}).pii.action == "off"


def test_a_tokenizer_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        tokens.fetch(str(tmp_path / "tokenizer.json"))


def test_a_tokenizer_of_the_hub_is_had_from_the_cache_where_the_hub_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"no tokenizer\.json of 'org/tok': 127\.0\.0\.1 cannot"):
        tokens.fetch("org/tok")
    held = tmp_path / "models--org--tok/snapshots/0123/tokenizer.json"
    for path, content in ((held, "{}"), (tmp_path / "models--org--tok/refs/main", "0123")):
        path.parent.mkdir(parents=True)
        path.write_text(content)
    assert tokens.fetch("org/tok") == held


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"model": {}}', '{"version": "1.0", "model": {"type": "BPE"}}', "\ufeff"]
)
def test_a_file_that_is_no_tokenizer_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"^filter\.length\.tokenizer: \S+ is no tokenizer\.json: [^\n]+$"):
        tokens.load(tmp_path / "tokenizer.json")


@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is not None, reason="tokenizers is installed")
def test_without_the_library_one_line_says_what_to_install(tmp_path: Path) -> None:
    assert "tokenizers" not in sys.modules
    with pytest.raises(InputError, match=r"^filter\.length\.tokenizer wants the package tokenizers$") as caught:
        tokens.load(tmp_path / "tokenizer.json")
    assert "pip install" in caught.value.hint


def test_tokens_are_counted_by_a_real_tokenizer(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    made = library.Tokenizer(library.models.WordLevel({"[UNK]": 0, "다리": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    asked = batch(pair(instruction="다리 위의 다리", response=None))
    columns = tokens.measured(asked, tokens.load(tmp_path / "tokenizer.json"))
    assert [column.to_list() for column in columns] == [[3], [None]]


def test_without_a_tokenizer_tokens_are_null_and_bounds_want_one() -> None:
    assert [column.to_list() for column in tokens.measured(batch(pair()), None)] == [[None], [None]]
    whole = {"corpus": "c", "sources": [{"path": "a.json"}], "languages": ["ko"]}
    with pytest.raises(RecipeError, match="want a tokenizer"):
        recipes.resolve({**whole, "filter": {"length": {"max_tokens": 100}}})
    with pytest.raises(RecipeError, match="min_words 9 is above max_words 3"):
        recipes.resolve({**whole, "filter": {"length": {"min_words": 9, "max_words": 3}}})


def test_filters_of_ones_own_and_masks_move_without_measuring_again(tmp_path: Path) -> None:
    with LlmServer() as server:
        pipeline.run(_recipe(tmp_path, server, languages=["ko"]), until="dedup")
        mine = {"user": [{"name": "none", "sql": "lang <> 'ko'"}], "pii": {"action": "mask"}}
        stricter = _recipe(tmp_path, server, languages=["ko"], filter=mine)
        assert _news(stricter, until="dedup") == ["filter/ko", "dedup/ko"]
        taken = Corpus(stricter.corpus).rows("filter", "ko")
        assert set(taken["reason"]) == {"user-filter"}
        off = _recipe(tmp_path, server, languages=["ko"], filter={"pii": {"action": "off"}})
        assert "measure/ko" in _news(off, until="dedup")
        assert Corpus(off.corpus).rows("measure", "ko")["pii"].null_count() == 8


def test_a_filter_that_cannot_be_used_stops_a_run_before_a_call_is_paid(tmp_path: Path) -> None:
    with LlmServer() as server:
        wrong = _recipe(tmp_path, server, filter={"user": [{"name": "typo", "sql": "length(respnse) > 3"}]})
        with pytest.raises(InputError, match="'typo'"):
            pipeline.run(wrong)
        assert server.requests == []
