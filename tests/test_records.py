"""Records: formats told apart, first exchanges, system prompts, licences, trees; twins merged."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugdata import rows, sources
from plugdata.errors import SourceError
from plugdata.licenses import stricter
from plugdata.recipe import Source

GOOD = {"instruction": "Name a fruit.", "input": "", "output": "Apple."}
PAIR = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SYSTEM = {"role": "system", "content": "Be brief."}


def write(folder: Path, name: str, *records: Any) -> None:
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def load(folder: Path, *records: Any, **setting: Any) -> pl.DataFrame:
    """The rows of records written as lines; keywords are the Source's."""
    write(folder, "data.jsonl", *records)
    return pl.concat(sources.read(Source(path="data.jsonl", **setting), folder))


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        ({"instruction": "I", "input": "C", "output": "R"}, ("I", "C", "R")),
        ({"instruction": "I", "context": "C", "response": "R", "category": "x"}, ("I", "C", "R")),
        ({"instruction": "I", "input": "C", "response": "R"}, ("I", "C", "R")),
        ({"instruction": "I", "input": None, "output": "R"}, ("I", "", "R")),
        ({"instruction": "I", "output": "R"}, ("I", "", "R")),
        ({"instruction": "last", "output": "last", "history": [["I", "R"]]}, ("I", "", "R")),
        ({"conversations": [{"from": "human", "value": "I"}, {"from": "gpt", "value": "R"}]}, ("I", "", "R")),
        ({"messages": [{"role": "user", "content": "I"}, {"role": "assistant", "content": "R"}]}, ("I", "", "R")),
        (
            {"prompt": "x", "messages": [{"role": "user", "content": [{"type": "text", "text": "I"}]}, PAIR[1]]},
            ("I", "", "Hello"),
        ),
    ],
)
def test_the_format_is_told_from_the_columns(
    tmp_path: Path, record: dict[str, Any], texts: tuple[str, str, str]
) -> None:
    assert load(tmp_path, record).select("instruction", "input", "response").row(0) == texts


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        ({"id": 7, "instruction": "I", "dataset": "helpful"}, ("I", "")),
        ({"instruction": "I", "input": "C", "output": 5}, ("I", "C")),
        ({"instruction": "I", "context": "C"}, ("I", "C")),
        ({"messages": [SYSTEM, PAIR[0]]}, ("Hi", "")),
        ({"messages": [PAIR[0], {"role": "tool", "content": "x"}]}, ("Hi", "")),
        ({"instruction": "last", "output": "last", "history": [["I", "R"]]}, ("I", "")),
        ({"prompt": {"text": "Hi", "role": "prompter", "replies": []}}, ("Hi", "")),
    ],
)
def test_prompts_alone_are_read_with_or_without_responses(
    tmp_path: Path, record: dict[str, Any], texts: tuple[str, str]
) -> None:
    write(tmp_path, "data.jsonl", record)
    frame = pl.concat(sources.read(Source(path="data.jsonl", system="ignore"), tmp_path, responses=False))
    assert frame.select("instruction", "input", "response", "status").row(0) == (*texts, "", "kept")
    assert frame["id"][0] == rows.row_id(*texts, "")


def test_prompts_alone_need_a_column_of_instructions(tmp_path: Path) -> None:
    write(tmp_path, "data.jsonl", {"question": "I", "topic": "x"})
    with pytest.raises(SourceError, match=r"did you mean columns: \{instruction: question\}\?"):
        list(sources.read(Source(path="data.jsonl"), tmp_path, responses=False))
    with pytest.raises(SourceError, match="no column that is known to hold responses"):
        load(tmp_path, {"id": 7, "instruction": "I", "dataset": "helpful"})


def test_a_mapping_wins_over_detection_and_leaves_the_rest_to_it(tmp_path: Path) -> None:
    record = {**GOOD, "input": "C", "better": "Pear.", "key": 5}
    frame = load(tmp_path, record, columns={"response": "better", "source_id": "key"})
    assert frame.select("input", "response", "source_id").row(0) == ("C", "Pear.", "5")


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(any_json, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_json_values_as_turns_give_exactly_one_row_each(tmp_path: Path, values: list[Any]) -> None:
    turns = [*PAIR, {"role": "system", "content": "S"}, {"role": "tool", "content": "x"}]
    records = [{"messages": value} for value in values] + [{"messages": [*turns[:n], *values]} for n in range(5)]
    write(tmp_path, "any.jsonl", *records)
    assert sum(frame.height for frame in sources.read(Source(path="any.jsonl"), tmp_path)) == len(records)


@pytest.mark.parametrize("input", ["<noinput>", "No input.", "N/A", " n/a", "`< noinput >`", "None", "NoInput", None])
def test_an_input_that_says_there_is_none_makes_the_same_row_as_an_empty_one(tmp_path: Path, input: str | None) -> None:
    frame = load(tmp_path, GOOD, {**GOOD, "input": input})
    assert frame["input"].to_list() == ["", ""]
    assert frame["id"].n_unique() == 1


@pytest.mark.parametrize("input", ["none of these", "Nonesuch", "no inputs were lost", "n/a/b"])
def test_an_input_that_only_begins_like_one_is_left_alone(tmp_path: Path, input: str) -> None:
    assert load(tmp_path, {**GOOD, "input": input})["input"].to_list() == [input]


def test_texts_are_nfc_and_otherwise_untouched(tmp_path: Path) -> None:
    frame = load(tmp_path, {"instruction": " 하\r\n\u00a0", "output": "\ttab "})
    assert frame.select("instruction", "response").row(0) == (" 하\r\n\u00a0", "\ttab ")


@pytest.mark.parametrize(
    ("turns", "reason", "detail"),
    [
        ([], "no-response", "messages is empty"),
        (PAIR[:1], "no-response", "the conversation ends before the assistant's turn"),
        (PAIR[1:] + PAIR, "no-response", "turn 1 is by 'assistant', not the user"),
        ([PAIR[0], {"role": "tool", "content": "x"}, PAIR[1]], "no-response", "turn 2 is by 'tool', not the assistant"),
        (
            [PAIR[0], {"role": "assistant", "content": "", "tool_calls": [{}]}],
            "no-response",
            "turn 2 is by 'tool call', not the assistant",
        ),
        ("text", "bad-record", "messages is text, not a list of turns"),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}, PAIR[1]],
            "bad-record",
            "turn 1 holds a part of type 'image_url', not text",
        ),
        ([{"role": "user", "content": 5}, PAIR[1]], "bad-record", "turn 1 is a number, not text"),
    ],
)
def test_a_conversation_without_a_first_exchange_is_put_aside(
    tmp_path: Path, turns: Any, reason: str, detail: str
) -> None:
    frame = load(tmp_path, {"messages": turns})
    assert frame.select("status", "stage", "reason", "detail").row(0) == ("quarantined", "source", reason, detail)


@pytest.mark.parametrize(
    ("setting", "status", "instruction"),
    [("quarantine", "quarantined", "Hi"), ("fold", "kept", "Be brief.\n\nHi"), ("ignore", "kept", "Hi")],
)
def test_a_system_prompt_is_put_aside_folded_or_ignored(
    tmp_path: Path, setting: str, status: str, instruction: str
) -> None:
    for record in ({"messages": [SYSTEM, *PAIR]}, {"messages": PAIR, "system": "Be brief."}):
        row = load(tmp_path, record, system=setting).row(0, named=True)
        assert (row["status"], row["instruction"], row["system"]) == (status, instruction, "Be brief.")
        assert row["reason"] == ("system-prompt" if status == "quarantined" else None)


@pytest.mark.parametrize(("turns", "status"), [("first", "kept"), ("quarantine", "quarantined")])
def test_many_turns_give_the_first_exchange_or_are_put_aside(tmp_path: Path, turns: str, status: str) -> None:
    frame = load(tmp_path, {"messages": PAIR * 3}, turns=turns)
    assert frame.select("n_turns", "instruction", "response", "status").row(0) == (3, "Hi", "Hello", status)


def test_a_rows_own_licence_may_tighten_the_declared_one_but_never_loosen_it(tmp_path: Path) -> None:
    records = [{**GOOD, "license": said} for said in ("cc-by-nc-4.0", "MIT", "unknown", None)]
    assert load(tmp_path, *records, license="apache-2.0")["license"].to_list() == ["cc-by-nc-4.0", *["apache-2.0"] * 3]
    assert load(tmp_path, *records)["license"].to_list() == ["cc-by-nc-4.0", "mit", None, None]


def message(id: str, parent: str | None, text: str, rank: int | None = None, **more: Any) -> dict[str, Any]:
    role = "assistant" if len(id) % 2 == 0 else "prompter"
    return {"message_id": id, "parent_id": parent, "text": text, "role": role, "rank": rank, "lang": "en", **more}


FOREST = [
    message("b", None, "second tree", lang="de"),
    message("a", None, "prompt"),
    message("a1", "a", "worse", 1),
    message("a2", "a", "better", 0),
    message("a3", "a", "deleted", -1, deleted=True),
    message("a20", "a2", "more?"),
    message("a200", "a20", "yes", 0),
    message("c", None, "unanswered"),
]


def nested(id: str) -> dict[str, Any]:
    found = next(m for m in FOREST if m["message_id"] == id)
    return {**found, "replies": [nested(m["message_id"]) for m in FOREST if m["parent_id"] == id]}


@pytest.mark.parametrize("form", ["flat", "nested"])
def test_oasst_gives_the_best_first_exchange_of_each_tree_in_the_pivot(tmp_path: Path, form: str) -> None:
    trees = [{"message_tree_id": id, "prompt": nested(id)} for id in ("b", "a", "c")]
    frame = load(tmp_path, *(FOREST if form == "flat" else trees))
    assert frame.select("ordinal", "source_id", "instruction", "response", "n_turns", "reason").rows() == [
        (0, "a", "prompt", "better", 2, None),
        (1, "c", "unanswered", "", 0, "no-response"),
    ]


def test_oasst_messages_out_of_order_bad_or_in_a_ring_do_no_harm(tmp_path: Path) -> None:
    ring = message("a", "a2", "ring", 0)
    frame = load(tmp_path, *reversed(FOREST), {"text": "nobody's"}, 5, ring)
    assert frame["detail"].to_list()[2:] == ["no message with a 'message_id'"] * 2
    assert frame["response"][1] == "better"


def test_merged_twins_leave_one_kept_row_that_knows_them_all(tmp_path: Path) -> None:
    other = {"instruction": "Other", "output": "row"}
    write(tmp_path, "a.jsonl", GOOD, other, 1)
    write(tmp_path, "b.jsonl", GOOD, GOOD, 1)
    first = next(sources.read(Source(path="a.jsonl", license="mit"), tmp_path))
    second = next(sources.read(Source(path="b.jsonl", license="cc-by-sa-4.0"), tmp_path, ordinal=3))
    given_rows = pl.concat([second, first])
    merged = sources.merge_twins(given_rows, "source", stricter)
    assert merged["ordinal"].to_list() == given_rows["ordinal"].to_list()
    assert merged.schema == given_rows.schema
    kept = merged.filter(rows.kept()).sort("ordinal")
    assert kept.select("place", "license").rows() == [("a.jsonl:1", "cc-by-sa-4.0"), ("a.jsonl:2", "mit")]
    assert [[p["source"] + p["source_id"] for p in ps] for ps in kept["provenance"]] == [["a0", "b0", "b1"], ["a1"]]
    dropped = merged.filter(pl.col("reason") == "duplicate-id")
    assert dropped.select("status", "stage", "detail").unique().rows() == [
        ("dropped", "source", "the same texts as a.jsonl:1")
    ]
    assert merged.filter(pl.col("reason") == "bad-record").equals(given_rows.filter(~rows.kept()))
    assert sources.merge_twins(merged, "source", stricter).equals(merged)
