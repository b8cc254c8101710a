"""What a row's texts become on the wire, and back."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.translate.protocols import SEGMENTS, edges, parse_tags, render_tags, tag_suffix

HOSTILE = st.lists(
    st.sampled_from(
        [
            *(f"<{slash}{name}{suffix}>" for slash in ("", "/") for name in SEGMENTS for suffix in ("", "-00ff", "-")),
            "\n",
        ]
    )
    | st.text(string.printable + "é中\u2028⟦0⟧", max_size=8),
    max_size=6,
).map("".join)
TEXTS = st.dictionaries(st.sampled_from(SEGMENTS), HOSTILE.map(str.strip).filter(bool), min_size=1).map(
    lambda texts: {name: texts[name] for name in SEGMENTS if name in texts}
)


@given(TEXTS)
def test_parse_gives_back_what_render_wrote(texts: dict[str, str]) -> None:
    suffix = tag_suffix(texts)
    assert parse_tags(render_tags(texts, suffix), tuple(texts), suffix) == texts


@given(TEXTS)
def test_each_text_stands_in_the_message_once_between_its_own_tags(texts: dict[str, str]) -> None:
    suffix = tag_suffix(texts)
    message = render_tags(texts, suffix)
    assert all(message.count(f"<{name}{suffix}>") == message.count(f"</{name}{suffix}>") == 1 for name in texts)


@given(st.text())
def test_edges_join_to_the_text(text: str) -> None:
    before, core, after = edges(text)
    assert before + core + after == text
    assert core == text.strip()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("<instruction>하나</instruction>", "no <response> in the answer"),
        ("<response>둘</response><instruction>하나</instruction>", "out of order"),
        ("<instruction>하나</instruction><response>둘</response><response>셋</response>", "doubled"),
        ("<instruction>하나</instruction><response>둘", "no </response>"),
        ("", "no <instruction>"),
        ("<instruction>하나 <input>x</input></instruction><response>둘</response>", "<input> inside <instruction>"),
    ],
)
def test_an_answer_with_other_tags_is_told_in_words(answer: str, fault: str) -> None:
    said = parse_tags(answer, ("instruction", "response"), "")
    assert isinstance(said, str)
    assert fault in said


def test_a_tag_that_was_not_asked_for_is_passed_over() -> None:
    answer = "<instruction>하나</instruction>\n<input></input>\n<response>둘</response>"
    assert parse_tags(answer, ("instruction", "response"), "") == {"instruction": "하나", "response": "둘"}


def test_tags_of_another_suffix_are_text() -> None:
    answer = "<instruction-00ff>a <response>b</response></instruction-00ff>"
    assert parse_tags(answer, ("instruction",), "-00ff") == {"instruction": "a <response>b</response>"}
