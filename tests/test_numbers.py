"""Whether the numbers of a source stand in its translation, in the writing of any country, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.checks.numbers import MAX_FORGIVEN, numbers

_written = st.text("0123456789٣४,. '万二十X만-:\n apm", max_size=30)


@given(_written, _written)
def test_whatever_is_written_in_figures_is_a_share_or_abstains(source: str, target: str) -> None:
    found = numbers(source, target)
    assert found is None or 0 <= found <= 1
    assert numbers(source, source) in (1.0, None)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("in 1953", "en 1935", 0.0),
        ("in 1953, at 8,849 m", "1953년에 8,489미터에서", 0.5),
        ("5 apples", "7 manzanas", 0.0),
        ("a price of 12.5", "ein Preis von 125", 0.0),
        ("20,000 people", "2,000 personas", 0.0),
        ("It took 37 days.", "用了很多天。", 0.0),
        ("2 x 3 = 6, so 9 - 6 = 3", "hormiga, perro, caballo", 0.0),
        ("about 2019", "karibu 2019 hadi 2024", 2 / 3),
        ("38만 명", "38 people, 15 cats", 2 / 3),
    ],
)
def test_numbers_lost_or_invented_count(source: str, target: str, expected: float) -> None:
    assert numbers(source, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("It may cost $3 billion.", "可能花费3亿美元。", 0.0),
        ("It may cost $3 billion.", "可能花费30亿美元。", 1.0),
        ("In 2008 it cost $3 billion.", "2008년에 $3000억이 들었다.", 0.5),
        ("In 2008 it cost $3 billion.", "2008년에 30억 달러가 들었다.", 1.0),
        ("2.3 billion people", "23億人", 1.0),
        ("2.3 billion people", "2.3億人", 0.0),
        ("1.5 million people", "150만 명", 1.0),
        ("12 million people", "1.2 crore लोग", 1.0),
        ("12 million people", "12 lakh लोग", 0.0),
        ("3 million and 30 million", "300万と3000万", 1.0),
        ("5 million, that is 5,000,000", "5,000,000, 즉 500만", 1.0),
        ("30亿人", "3 billion people", 1.0),
        ("30亿人", "30 billion people", 0.0),
        ("3 billion people", "3 mil millones de personas", 1.0),  # words of scale of other languages are not known
    ],
)
def test_another_power_of_ten_is_another_number(source: str, target: str, expected: float) -> None:
    assert numbers(source, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("three apples and twenty pears", "3 manzanas y 20 peras"),  # number words are not known
        ("5 apples", "cinco manzanas"),
        ("1. one\n2. two", "- uno\n- dos"),  # markers of lists are the business of `lists`
        ("no number", "ningún número"),
    ],
)
def test_where_numbers_may_be_words_nothing_is_judged(source: str, target: str) -> None:
    assert numbers(source, target) is None


@pytest.mark.parametrize(
    "written",
    ["1,234.5", "1.234,5", "1 234,5", "1\u202f234,5", "1'234.5", "1’234.5", "१,२३४.५", "١٬٢٣٤٫٥", "1234.5", "1234,5"],
)
def test_a_number_is_the_same_in_the_writing_of_every_country(written: str) -> None:
    assert numbers("It is 1,234.5 m.", written) == 1.0
    assert numbers(written, "It is 1,234.5 m.") == 1.0


@pytest.mark.parametrize(
    ("english", "written"),
    [
        ("20,000", "2万"),
        ("20,000", "二万"),
        ("20,000", "20 mil"),
        ("350,000,000", "3억 5천만"),
        ("15,000", "1万5000"),
        ("2023", "二〇二三"),
        ("25", "二十五"),
        ("1.2 million", "12 lakh"),
        ("the 1990s", "90年代"),
        ("the 14th", "XIV"),
        ("3:15 pm", "15:15"),
        ("2019", "2562"),
        ("12.5.2023", "2023/5/12"),
        ("100 200 300", "100、200、300"),
    ],
)
def test_what_other_languages_write_otherwise_is_the_same_number(english: str, written: str) -> None:
    assert numbers(f"{english} and 4321", f"{written} · 4321") == 1.0
    assert numbers(f"{written} · 4321", f"{english} and 4321") == 1.0


def test_many_strange_numbers_are_not_searched_for_one_by_one() -> None:
    source = " ".join(str(n) for n in range(13, 14 + MAX_FORGIVEN))
    assert numbers(f"{source} 2019", f"{source.replace('1', '9')} 2562") is not None
