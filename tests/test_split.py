"""Long texts in pieces: joined exactly, cut at the best boundary, never inside what must stay whole."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.translate.split import split


def cores(text: str, max_chars: int) -> list[str]:
    """The pieces without their edge white space; the properties of a split are asserted on the way."""
    pieces = split(text, max_chars)
    assert pieces is not None
    assert "".join(pieces) == text
    assert all(0 < len(piece.strip()) <= max_chars for piece in pieces)
    return [piece.strip() for piece in pieces]


@pytest.mark.parametrize(
    ("text", "max_chars", "pieces"),
    [
        ("First one. Still first.\n\nSecond one. Still second.", 40, ["First one. Still first.", "…"]),
        ("Two things to buy:\n- a loaf of bread\n- milk from the shop", 36, ["…", "- milk from the shop"]),
        ("Intro line here\n# Heading\nText below it", 27, ["Intro line here", "# Heading\nText below it"]),
        ("one line of words\nanother line, of words", 30, ["one line of words", "another line, of words"]),
        ("It rained all day. We stayed at home.", 22, ["It rained all day.", "We stayed at home."]),
        ("“Did it rain?” “It did (a lot).” He sighed.", 33, ["“Did it rain?”", "“It did (a lot).” He sighed."]),
        ("the first half is long, the second is short", 30, ["the first half is long,", "the second is short"]),
        ("only words without any stop here", 17, ["only words", "without any", "stop here"]),
        ("오늘은 비가 왔습니다. 그래서 집에 있었습니다.", 16, ["오늘은 비가 왔습니다.", "그래서 집에 있었습니다."]),
        ("今天下雨了。我们在家。", 7, ["今天下雨了。", "我们在家。"]),
        ("他说：“今天下雨了。”我们就在家里看书。", 12, ["他说：“今天下雨了。”", "我们就在家里看书。"]),
        ("先买牛奶；再去银行。", 6, ["先买牛奶；", "再去银行。"]),
        ("苹果、香蕉、葡萄，还有一些橘子", 9, ["苹果、香蕉、", "葡萄，还有一些橘子"]),
        ("आज बारिश हुई। हम घर पर रहे।", 15, ["आज बारिश हुई।", "हम घर पर रहे।"]),
        ("هل أمطرت اليوم؟ نعم، بقينا في البيت.", 22, ["هل أمطرت اليوم؟", "نعم، بقينا في البيت."]),
        ("آج بارش ہوئی۔ ہم گھر پر رہے۔", 16, ["آج بارش ہوئی۔", "ہم گھر پر رہے۔"]),
        ("ዛሬ ዘነበ። ቤት ቆየን።", 9, ["ዛሬ ዘነበ።", "ቤት ቆየን።"]),
        ("ថ្ងៃនេះភ្លៀង។យើងនៅផ្ទះ។", 14, ["ថ្ងៃនេះភ្លៀង។", "យើងនៅផ្ទះ។"]),
        ("မိုးရွာသည်။အိမ်မှာနေသည်။", 14, ["မိုးရွာသည်။", "အိမ်မှာနေသည်။"]),
    ],
)
def test_a_piece_ends_at_the_highest_boundary_that_serves(text: str, max_chars: int, pieces: list[str]) -> None:
    got = cores(text, max_chars)
    assert len(got) == len(pieces)
    assert all(piece in ("…", said) for said, piece in zip(got, pieces, strict=True))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("We went to see Dr. Smith in the town. He was out.", "Dr. Smith"),
        ("The meeting in the U.S. Senate was long. It ended.", "U.S. Senate"),
        ("Some towns, e.g. Paris and Rome, are old. We go there.", "e.g. Paris"),
        ("This is written in No. 5 of the long list. Read it.", "No. 5"),
        ("The number pi is about 3.14 and no more. Use it.", "3.14"),
        ("The book was written by J. Austen in her youth. Read it.", "J. Austen"),
        ("Das Treffen ist am 3. Mai in der Stadt. Komm bitte.", "3. Mai"),
        ("Это видно на рис. 2 в начале главы. Смотрите его.", "рис. 2"),
        ("He waited… and waited for her all day. She came.", "waited… and"),
    ],
)
def test_a_full_stop_that_ends_no_sentence_is_no_sentence_end(text: str, whole: str) -> None:
    assert any(whole in piece for piece in cores(text, len(text) - 1))
    assert cores(text, len(text) - 1)[0].endswith(".")


def test_a_text_within_the_bound_is_left_alone() -> None:
    assert split("  Hello. World.\n\n", 13) == ["  Hello. World.\n\n"]
    assert split("", 5) == [""]
    assert split(" \n " * 9, 5) == [" \n " * 9]


def test_pieces_are_few_and_of_much_the_same_size() -> None:
    text = " ".join(["Seven words make up this short sentence."] * 30)
    sizes = [len(piece) for piece in cores(text, 1_000)]
    assert len(sizes) == 2
    assert min(sizes) > 0.9 * max(sizes)


def test_a_short_title_does_not_become_a_piece_of_its_own() -> None:
    text = "Title\n\n" + " ".join(["Seven words make up this short sentence."] * 10)
    pieces = cores(text, 405)
    assert len(pieces) == 2
    assert min(map(len, pieces)) > 100


def test_paragraphs_that_fit_are_not_taken_apart() -> None:
    paragraphs = ["One sentence. And another one."] * 7
    assert all(piece.endswith("another one.") for piece in cores("\n\n".join(paragraphs), 70))


FENCE = "```python\nfor i in range(3):\n\n    print(i)  # One. Two. Three.\n```"


@pytest.mark.parametrize(
    "unit",
    [
        FENCE,
        "~~~\n```\na b c d e f g h i j k l m\n```\n~~~",
        "| a cell. Another sentence | and a cell, with words |",
        "<tr>\n<td>A cell.</td>\n\n<td>Another cell. With words.</td>\n</tr>",
        "⟦1234567890123⟧",
    ],
)
def test_what_must_stay_whole_stays_whole_or_there_is_no_split(unit: str) -> None:
    text = f"Words before it, some. More words.\n{unit}\nWords after it, some. More words."
    for max_chars in range(len(unit), len(text)):
        assert any(unit in piece for piece in cores(text, max_chars))
    assert split(text, len(unit) - 1) is None


def test_a_fence_that_is_not_closed_runs_to_the_end() -> None:
    assert split("Look at this:\n```\none two three\n\nfour five", 20) is None


@pytest.mark.parametrize("text", ["Donaudampfschifffahrt" * 3, "a" * 99, "Кириллица" * 5, "긴낱말" * 20])
def test_a_long_string_without_boundary_in_a_spaced_script_is_not_split(text: str) -> None:
    assert split(f"Before it. {text} After it.", 40) is None


@pytest.mark.parametrize(
    "text",
    [
        "ภาษาไทยไม่มีช่องว่างระหว่างคำและใช้สระที่เขียนก่อนพยัญชนะเช่นเแโใไซึ่งตัดแยกไม่ได้น้ำ",
        "ພາສາລາວບໍ່ມີຊ່ອງຫວ່າງລະຫວ່າງຄຳແລະຂຽນຕິດກັນຢ່າງຕໍ່ເນື່ອງ",
        "ភាសាខ្មែរមិនមានដកឃ្លារវាងពាក្យទេហើយសរសេរជាប់គ្នាទាំងស្រុង",
        "မြန်မာဘာသာသည်စကားလုံးများကြားတွင်နေရာလွတ်မထားဘဲရေးသည်",
        "中文的词语之间没有空格所以最后只能在两个字之间断开才行",
        "きょうはちょっとあめがふっていてサッカーができなかったのでコーヒーをのんだ",
    ],
)
def test_an_unspaced_script_is_cut_between_characters_but_not_before_a_combining_mark(text: str) -> None:
    for piece in cores(text, 12):
        assert not unicodedata.category(piece[0]).startswith("M")
        assert piece[0] not in "ะาำະາຳーっょ"
        assert piece[-1] not in "เแโใไ\u17d2\u1039"


MARK = re.compile(r"⟦[0-9]+⟧")
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("ab .,;:!?…\n\r\t|-#*>\"'”)]。，」।؟\u0301\u200d\u2028⟦⟧0123<tr/พิ中文ျန"),
        st.characters(exclude_characters="`~"),
    ),
    max_size=60,
)
PARTS = st.lists(
    st.one_of(HOSTILE, st.integers(0, 99).map("⟦{}⟧".format), st.just(f"\n{FENCE}\n"), st.just(" The end. ")),
    max_size=12,
)


@given(PARTS, st.integers(1, 120))
def test_pieces_join_exactly_keep_to_the_bound_and_cut_no_mark_or_fence(parts: list[str], max_chars: int) -> None:
    text = "".join(parts)
    pieces = split(text, max_chars)
    if pieces is None:
        return
    assert "".join(pieces) == text
    assert all(len(piece.strip()) <= max_chars for piece in pieces)
    assert all(piece.strip() for piece in pieces) or not text.strip()
    assert sum(len(MARK.findall(piece)) for piece in pieces) == len(MARK.findall(text))
    assert sum(piece.count(FENCE) for piece in pieces) == text.count(FENCE)


@given(st.text(st.sampled_from("ab \n.,中国")), st.integers(1, 30))
def test_there_is_a_split_wherever_no_word_is_too_long(text: str, max_chars: int) -> None:
    words = re.findall(r"\S*[^\s中国]\S*", text)
    if all(len(word) <= max_chars for word in words):
        assert split(text, max_chars) is not None


HOSTILE_UNITS = (
    *(
        "a",
        "a ",
        ". ",
        ".",
        "。",
        "。」",
        "。 ",
        ",",
        "\n",
        "\n\n a",
        "|",
        "| a\n",
        "`",
        "```\n",
        "~~~ ",
        "<tr>",
        "<tr",
    ),
    *("⟦1⟧", "⟦", "中", "中 ", "พิ", "A. ", "1. ", "- x\n", '."', "word. ", "\u0301", "…", "\u2028x", "</tr>"),
)


@pytest.mark.parametrize("unit", HOSTILE_UNITS)
def test_hostile_texts_are_split_in_linear_time_or_not_at_all(unit: str) -> None:
    text = "The beginning. " + unit * (200_000 // len(unit))
    pieces = split(text, 2_000)
    assert pieces is None or ("".join(pieces) == text and max(len(piece.strip()) for piece in pieces) <= 2_000)
