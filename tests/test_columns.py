"""What Polars tells of whole columns is what the checks say of each text: on hostile texts, and on null."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.checks import corruption, leftover, numbers, punctuation, structure, untranslated
from plugdata.checks.options import options
from plugdata.checks.prose import prose, prose_of
from plugdata.curate.filters.agreement import OF_BOTH, OF_TEXT, agreements, measured
from plugdata.rows import AGREEMENTS

KOREAN = untranslated.between(languages.get("en"), languages.get("ko"))

ASKED: Mapping[str, Callable[[str, str], float | None]] = {
    "numbers": numbers.numbers,
    "leftover": leftover.leftover,
    "tables": structure.tables,
    "headings": structure.headings,
    "fences": structure.fences,
    "verse": structure.verse,
    "quotes": punctuation.quotes,
    "corruption": corruption.corruption,
    "untranslated": partial(untranslated.untranslated, KOREAN),
}
"""What each check says of two texts, where it is asked of texts."""
TEXTS = [f"{'pivot_' * pivot}{half}" for pivot in (True, False) for half in ("instruction", "response")]

PIECES = {
    "numbers": [
        "1",
        "2",
        "12",
        "٣",
        "३",
        "1.5",
        "2019",
        ".",
        ",",
        ")",
        ":",
        "、",
        "\u2009",
        "'",
        "-",
        "•",
        "万",
        " ",
        "\n",
        "\t",
        "a",
        "|",
    ],
    "leftover": [
        "the",
        "The",
        "old",
        "a",
        "no",
        "ß",
        "ª",
        "puente",
        "다리",
        "桥",
        "x9",
        ",",
        " ",
        " ",
        " ",
        "\n",
        "\x1c",
        "\u3000",
    ],
    "untranslated": [
        "the",
        "The",
        "old",
        "a",
        "puente",
        "다리",
        "桥",
        "x9",
        "(",
        ")",
        "“",
        "”",
        "-",
        ".",
        ",",
        " ",
        "\n",
    ],
    "tables": ["|", "a", " ", "\n", "\t"],
    "headings": ["#", "a", " ", "\n", "\t"],
    "fences": ["```", "~~~", "`", "a", " ", "\n"],
    "verse": [
        "\n",
        "\n",
        "\n",
        "a line",
        "-",
        "- ",
        "1.",
        "٣)",
        "2",
        "|",
        "# ",
        "```",
        " ",
        "\x1d",
        "\u3000",
        "x" * 61,
    ],
    "quotes": ['"', "“", "«", "»", "(", ")", "（", "】", "{", "]", "a", "\n"],
    "corruption": ["Ã", "©", "â€", "\ufffd", "a", "é", "я", "가", "漢", "क", "्", "μ", "م", " ", "\n", "\x07"],
}
OPTION_PIECES = [
    "A)",
    "B)",
    "А)",
    "(a)",
    "가)",
    "b",
    "²",
    ".",
    "。",
    "\x1c",
    "\u3000",
    " ",
    "\n",
    "Yes",
    "예",
    "1",
    "x" * 41,
]


def column(check: str, pairs: Sequence[tuple[str | None, str | None]]) -> pl.Series:
    """What a check's column says of each pair."""
    texts = pl.DataFrame(pairs, {"source": pl.String, "target": pl.String}, orient="row")
    foreign = numbers.foreign_digits(texts["source"]) | numbers.foreign_digits(texts["target"])
    return next(found for found in measured(texts, texts, foreign, KOREAN) if found.name == check)


def of(pieces: list[str]) -> st.SearchStrategy[str]:
    """Texts put together from pieces, some of them of nothing else, some with any other character."""
    return st.lists(st.sampled_from(pieces) | st.characters(exclude_categories=["Cs", "Cn"]), max_size=16).map("".join)


@pytest.mark.parametrize("check", PIECES)
@given(data=st.data())
def test_a_column_says_what_the_check_says_of_each_pair(check: str, data: st.DataObject) -> None:
    text = of(PIECES[check])
    pairs = data.draw(st.lists(st.tuples(text, text) | text.map(lambda one: (one, one)), min_size=1, max_size=4))
    assert column(check, pairs).to_list() == [ASKED[check](*pair) for pair in pairs]


def test_every_check_that_is_asked_of_texts_is_compared_with_its_column() -> None:
    of_text = {name for name, check in OF_TEXT.items() if check.asked}
    assert set(PIECES) == set(ASKED) == {"numbers", "leftover", "untranslated", *of_text}


@given(st.lists(st.tuples(*[of(OPTION_PIECES)] * 4), min_size=1, max_size=4))
def test_a_column_says_what_options_says_of_each_row(rows: list[tuple[str, str, str, str]]) -> None:
    (found,) = agreements(OF_BOTH, pl.DataFrame(rows, TEXTS, orient="row"))
    assert found.to_list() == [options(*row) for row in rows]


@pytest.mark.parametrize("check", AGREEMENTS)
def test_a_pair_that_lacks_a_text_is_not_judged_and_the_others_keep_their_places(check: str) -> None:
    whole = ("- 1. “The” old\n\n| a |\n# b\n```\nc.", "- 2. “El” the old\n| a |\n```\nc.")
    pairs = [(None, whole[1]), whole, (whole[0], None), ("", ""), (None, None), whole]
    alone, empty = column(check, [whole])[0], column(check, [("", "")])[0]
    assert column(check, pairs).to_list() == [None, alone, None, empty, None, alone]


@pytest.mark.parametrize("check", AGREEMENTS)
def test_no_pairs_give_no_judgements(check: str) -> None:
    found = column(check, [])
    assert found.dtype == pl.Float64
    assert found.is_empty()


@pytest.mark.parametrize("n_rows", [999, 4_001])
def test_words_are_compared_within_their_pair_however_many_there_are(n_rows: int) -> None:
    pairs = [(f"old bridge {n}", f"old wall {n}") for n in range(n_rows)]
    pairs[-1] = ("the old stone bridge was closed", "el puente was closed")
    assert column("leftover", pairs).to_list() == [leftover.leftover(*pair) for pair in pairs]


MARKUP = [
    "```",
    "~~~",
    "`",
    ");",
    "] ;",
    " {",
    "x;",
    "http://",
    "ftp://",
    "www.",
    "](",
    ")",
    "a@b.c",
    "<b>",
    "<Canción",
    "<!",
    ">",
    "$",
    "$$",
]
MARKUP += ["\\[", "\\]", "\\a", "{", "}", "⟦0⟧", "\n", "\n  ", " ", "a", "한"]


@given(st.lists(st.none() | of(MARKUP), max_size=4))
def test_prose_of_a_column_is_the_prose_of_each_text_and_the_column_stays(texts: list[str | None]) -> None:
    column = pl.Series(texts, dtype=pl.String)
    assert prose(column).to_list() == [text if text is None else prose_of(text) for text in texts]
    assert column.to_list() == texts
