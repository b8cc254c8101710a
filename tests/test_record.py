"""What of a row is sent: units with words in them, from which the row comes back exactly."""

import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.translate import route
from plugdata.translate.protocols import SEGMENTS, edges
from plugdata.translate.record import MIN_CHARS, Record, Unit, assembled, halves, joined, loads, record
from tests.test_protocols import HOSTILE

EN, KO = languages.get("en"), languages.get("ko")

SENTENCES = st.sampled_from(
    [
        "The miller counted his sacks before dawn. ",
        "수확이 끝나자 마을은 조용해졌다. ",
        "收割之后，村子里安静了下来。",
        "وصل القارب قبل العاصفة. ",
        "ชาวประมงกลับถึงฝั่งก่อนพายุมา ",
        'Use `sorted(x)` or "quote it". ',
        "\n\n",
        "\n- ",
        "\n```python\nfor i in range(3):\n    print(i)\n```\n",
        "| a | b |\n",
        "See https://example.org/a?b=c. ",
        "⟦3⟧ ",
    ]
)
LONG = st.lists(SENTENCES | HOSTILE, max_size=30).map("".join)
ROWS = st.tuples(LONG, LONG, LONG)
KEEPS = st.sampled_from([None, *route.CLASSES])


def _record(
    row: Sequence[str], masked: bool = True, comments: bool = False, split_chars: int = 6_000, keep: str | None = None
) -> Record:
    instruction, input, response = row
    return record(instruction, input, response, masked=masked, comments=comments, split_chars=split_chars, keep=keep)


def _units(made: Record) -> tuple[Unit, ...]:
    assert made.units is not None
    return made.units


def _texts(row: Sequence[str]) -> Mapping[str, str]:
    return dict(zip(SEGMENTS, row, strict=True))


@given(ROWS, st.booleans(), st.booleans(), st.sampled_from([200, 300, 6_000]), KEEPS)
def test_a_row_comes_back_from_its_units_exactly(
    row: tuple[str, str, str], masked: bool, comments: bool, split_chars: int, keep: str | None
) -> None:
    assume(masked or keep is None or "⟦" not in "".join(row))
    made = _record(row, masked, comments, split_chars, keep)
    if made.units is None:
        assert max(map(len, row)) > split_chars  # only a long text has no place to be cut
    else:
        assert assembled(made, {unit: unit.text for unit in made.units}, EN, KO) == _texts(row)
        assert assembled(made, {}, EN, KO) == _texts(row)


@given(ROWS, st.sampled_from([200, 6_000]), KEEPS)
def test_marks_are_numbered_through_the_row_and_none_is_cut(
    row: tuple[str, str, str], split_chars: int, keep: str | None
) -> None:
    made = _record(row, split_chars=split_chars, keep=keep)
    if made.units is not None:
        texts = [unit.text for unit in made.units]
        assert [int(n) for text in texts for n in re.findall(r"⟦(\d+)⟧", text)] == list(range(len(made.spans)))
        assert sum(text.count("⟦") + text.count("⟧") for text in texts) == 2 * len(made.spans)


@given(ROWS, st.booleans(), st.sampled_from([200, 300]))
def test_calls_hold_each_name_once_in_order_and_leave_out_what_has_no_words(
    row: tuple[str, str, str], together: bool, split_chars: int
) -> None:
    units = _record(row, split_chars=split_chars).units or ()
    calls = loads(units, split_chars, together=together)
    assert [unit for call in calls for unit in call] == [unit for unit in units if unit.has_words]
    for call in calls:
        names = [unit.name for unit in call]
        assert names == sorted(set(names), key=SEGMENTS.index)
        assert len(call) == 1 or (together and sum(len(unit.text) for unit in call) <= split_chars)
        assert all(unit.text == unit.text.strip() for unit in call)


def test_a_row_that_fits_is_not_cut_even_if_a_text_alone_is_long() -> None:
    row = ("Read this.", "", "A sentence of some length, as it goes. " * 100)
    assert [unit.name for unit in _units(_record(row)) if unit.text] == ["instruction", "response"]
    cut = [unit.name for unit in _units(_record(row, split_chars=1_000)) if unit.text]
    assert cut == ["instruction", *["response"] * 4]


def test_a_text_of_nothing_but_code_is_not_sent() -> None:
    row = ("Print the numbers below three.", "", "```python\nfor i in range(3):\n    print(i)\n```")
    made = _record(row)
    assert [[unit.name for unit in call] for call in loads(_units(made), 6_000, together=True)] == [["instruction"]]
    assert assembled(made, {_units(made)[0]: "3보다 작은 수를 출력하세요."}, EN, KO) == {
        "instruction": "3보다 작은 수를 출력하세요.",
        "input": "",
        "response": row[2],
    }


def test_marks_are_put_back_where_the_translation_has_them() -> None:
    made = _record(("Run `ls` in /tmp/data today.", "", "It lists https://example.org/x for you."))
    instruction, _, response = _units(made)
    assert (instruction.text, response.text) == ("Run ⟦0⟧ in ⟦1⟧ today.", "It lists ⟦2⟧ for you.")
    said = {instruction: "오늘 ⟦1⟧에서 ⟦0⟧를 실행하세요.", response: "⟦2⟧를 나열합니다."}
    assert assembled(made, said, EN, KO) == {
        "instruction": "오늘 /tmp/data에서 `ls`를 실행하세요.",
        "input": "",
        "response": "https://example.org/x를 나열합니다.",
    }


def test_what_a_task_is_about_stays_where_the_policy_keeps_it() -> None:
    row = ("Translate 'good morning' into Spanish.", "", "Buenos días")
    made = _record(row, keep="translation")
    assert [unit.text for unit in _units(made)] == ["Translate '⟦0⟧' into Spanish.", "", "⟦1⟧"]
    assert made.spans == ("good morning", "Buenos días")
    unmasked = _record(row, masked=False, keep="translation")
    assert unmasked == made  # kept for another reason than what a mask is for


def test_without_a_mask_marks_of_the_source_are_its_own_words() -> None:
    made = _record(("What is ⟦0⟧?", "", "A mark."), masked=False)
    assert made.spans == ()
    assert assembled(made, {_units(made)[0]: "⟦0⟧은 무엇인가요?"}, EN, KO)["instruction"] == "⟦0⟧은 무엇인가요?"


@given(LONG)
def test_halves_of_a_unit_join_to_it(text: str) -> None:
    unit = Unit("response", "", text.strip(), "")
    parts = halves([unit])
    if parts is None:
        return
    assert len(parts) > 1
    assert len(unit.text) > MIN_CHARS
    pieces = [piece for part in parts for piece in part]
    assert joined(pieces, [piece.text for piece in pieces], EN, KO) == unit.text


def test_a_call_of_several_texts_becomes_a_call_of_each() -> None:
    units = [Unit("instruction", "", "Tell a story. " * 20, ""), Unit("response", "", "Once. " * 10, "")]
    assert halves(units) == [[unit] for unit in units]


def test_a_short_call_is_not_taken_apart_since_room_is_not_what_it_lacks() -> None:
    assert halves([Unit("instruction", "", "Tell a story.", ""), Unit("response", "", "Once upon a time.", "")]) is None
    assert halves([Unit("response", "", "Once. " * 30, "")]) is None


@pytest.mark.parametrize("text", ["x" * 7_000, "```\n" + "a = 1\n" * 1_200 + "```"])
def test_a_text_without_a_place_to_cut_has_no_units(text: str) -> None:
    assert _record(("Read this.", text, "Done."), masked=False).units is None


@pytest.mark.parametrize(
    ("source", "target", "cut", "said", "whole"),
    [
        ("zh", "en", ["他走了。", "他回来了。"], ["He left.", "He came back."], "He left. He came back."),
        ("en", "zh", ["He left. ", "He came back."], ["他走了。", "他回来了。"], "他走了。他回来了。"),
        ("en", "zh", ["He left.\n\n", "He came back."], ["他走了。", "他回来了。"], "他走了。\n\n他回来了。"),
        ("en", "es", ["He left. ", "He came back."], ["Se fue.", "Volvió."], "Se fue. Volvió."),
    ],
)
def test_a_cut_is_joined_as_the_target_writes(
    source: str, target: str, cut: list[str], said: list[str], whole: str
) -> None:
    pieces = [Unit("response", *edges(text)) for text in cut]
    assert joined(pieces, said, languages.get(source), languages.get(target)) == whole
