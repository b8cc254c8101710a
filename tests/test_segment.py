"""Long texts are divided where a reader would divide them, and nothing else is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.xinstruct.segment import passages

SENTENCE = {
    "en": "The old ferry crosses the lake twice a day and carries mostly schoolchildren. ",
    "hi": "पुरानी नाव दिन में दो बार झील पार करती है और ज़्यादातर बच्चों को ले जाती है। ",
    "ur": "پرانی کشتی دن میں دو بار جھیل پار کرتی ہے اور زیادہ تر بچوں کو لے جاتی ہے۔ ",
    "zh": "旧渡船每天两次横渡湖面，坐的大多是上学的孩子，船长认得他们每一个人。",
    "th": "เรือข้ามฟากลำเก่าข้ามทะเลสาบวันละสองครั้ง และผู้โดยสารส่วนใหญ่เป็นเด็กนักเรียน ",
    "my": "ကူးတို့လှေဟောင်းသည် တစ်နေ့နှစ်ကြိမ် ရေကန်ကို ဖြတ်ကူးသည်။ ",
}


def paragraph(n: int, lang: str = "en") -> str:
    return (SENTENCE[lang] * n).strip()


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_text_that_fits_is_one_passage_and_one_that_is_too_short_is_none() -> None:
    text = paragraph(4) + "\n\nA heading\n" + paragraph(4)
    assert passages(text, 400, 1000) == [text]
    assert passages(paragraph(2), 400, 1000) == []


def test_sections_with_headings_are_passages() -> None:
    sections = [f"{heading}\n{paragraph(8)}" for heading in ("The lake", "# The ferry", "== The crew ==", "The end")]
    assert passages("\n\n".join(sections), 400, 1800) == sections


def test_cuts_stand_at_blank_lines_rather_than_at_lines_and_nothing_is_lost() -> None:
    halves = [f"{paragraph(5)}\n{paragraph(5)}", f"{paragraph(5)}\n{paragraph(5)}"]
    assert passages("\n\n".join(halves), 400, 1300) == halves


@pytest.mark.parametrize("lang", SENTENCE)
def test_a_long_paragraph_is_divided_at_its_sentences_in_every_script(lang: str) -> None:
    text = paragraph(40, lang)
    most = 6 * len(SENTENCE[lang])
    found = passages(text, most // 3, most)
    assert squeezed("".join(found)) == squeezed(text)
    last = SENTENCE[lang].strip()[-1]
    # Thai has no stop: any blank will do, and each of its sentences here has one inside too
    ends = {last, "ง"} if lang == "th" else {last}
    assert {passage[-1] for passage in found} <= ends
    assert all(most // 3 <= len(passage) <= most for passage in found)


def test_initials_and_ordinals_end_no_sentence() -> None:
    text = "On the 3. September J. R. Virtanen went with the 12. Regiment across the lake, e.g. by the ferry. " * 30
    found = passages(text.strip(), 50, 400)
    assert len(found) > 5
    assert {passage.split()[-1] for passage in found} == {"ferry."}


@pytest.mark.parametrize(
    "block",
    [
        "\n".join(f"- item {n} of the long list of things to take along" for n in range(12)),
        "\n".join(f"{n}. take thing number {n} out of the box and look at it" for n in range(1, 13)),
        "\n".join(
            ["| name | year |", "|---|---|", *(f"| ferry number {n} of the line | 19{n} |" for n in range(10, 28))]
        ),
        "\n".join(f"> a line of a quotation, and it is the line with number {n}" for n in range(10)),
        "```python\n" + "\n\n".join(f"print('a line of code that stands by itself', {n})" for n in range(10)) + "\n```",
    ],
)
def test_no_cut_stands_inside_a_list_a_table_a_quotation_or_code(block: str) -> None:
    text = "\n\n".join([paragraph(5), block, paragraph(5), block, paragraph(5)])
    found = passages(text, 400, 1200)
    assert len(found) > 1
    assert sum(passage.count(block) for passage in found) == 2


@pytest.mark.parametrize("fence", ["```", "~~~", "```python", "``` begins with `code`", "```print(1)```"])
def test_a_fence_that_never_ends_swallows_nothing(fence: str) -> None:
    text = "\n\n".join([paragraph(5), fence, *[paragraph(5)] * 4])
    assert sum(map(len, passages(text, 200, 900))) > 0.9 * len(text)


def test_what_two_fences_enclose_is_divided_if_it_is_longer_than_a_passage() -> None:
    text = "\n\n".join([paragraph(5), "~~~", *[paragraph(5)] * 6, "~~~", paragraph(5)])
    assert sum(map(len, passages(text, 200, 900))) > 0.9 * len(text)


def test_a_line_that_leads_in_stays_with_its_list() -> None:
    block = "What the crew takes along:\n" + "\n".join(f"- a thing with the number {n}" for n in range(10))
    found = passages("\n\n".join([paragraph(9), block, paragraph(9)]), 200, 800)
    assert any(block in passage for passage in found)


def test_a_passage_begins_with_no_continuation_where_that_can_be_avoided() -> None:
    text = "\n\n".join([paragraph(6), "However, " + paragraph(6), paragraph(6), "siksi " + paragraph(6)])
    found = passages(text, 400, 1200)
    assert [passage.split()[0] for passage in found] == ["The", "The"]


def test_a_short_end_joins_its_neighbour_if_that_fits_and_is_dropped_if_not() -> None:
    end = paragraph(2)
    fits = "\n\n".join([paragraph(12), paragraph(9), end])
    assert passages(fits, 400, 1000) == [paragraph(12), f"{paragraph(9)}\n\n{end}"]
    full = "\n\n".join([paragraph(12), paragraph(12), end])
    assert passages(full, 400, 1000) == [paragraph(12), paragraph(12)]


def test_what_has_no_place_to_cut_is_in_no_passage() -> None:
    assert passages("x" * 5000, 400, 1800) == []
    assert passages(paragraph(10) + "\n\n" + "x" * 5000, 400, 1800) == [paragraph(10)]


LINE = st.one_of(
    st.sampled_from(
        ["", "", "A heading", "# Marked", "- item", "1. one", "| a | b |", "> said", "```", "Namely:", "a\tb\tc"]
    ),
    st.integers(1, 30).map(paragraph),
    st.text(st.sampled_from("ab .!?。।\u0e01\u0e02,:|>-`\u3000"), max_size=80),
)


@given(st.lists(LINE, max_size=30), st.integers(1, 300), st.integers(0, 900))
def test_passages_are_parts_of_the_text_in_order_within_their_bounds(lines: list[str], least: int, more: int) -> None:
    text = "\n".join(lines).strip()
    at = 0
    for passage in passages(text, least, least + more):
        assert least <= len(passage) <= least + more
        assert passage == passage.strip()
        at = text.index(passage, at) + len(passage)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a ",
        "a\n",
        "a\n\n",
        "# a\n",
        "- a\n",
        ". ",
        ".",
        "。",
        "A.\n",
        "A: \n",
        "`",
        "```\n",
        "|",
        "==\n",
        "1",
        "\t",
    ],
)
def test_a_hundred_thousand_characters_take_linear_time(unit: str) -> None:
    text = (unit * (100_000 // len(unit))).strip()
    assert all(len(passage) <= 1800 for passage in passages(text, 400, 1800))  # minutes, if it were quadratic
