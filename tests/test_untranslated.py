"""Single words of the pivot left in a text of another script: which are found, which stand there rightly, and what a
translation does about them."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata import languages
from plugdata.checks.prose import prose_of
from plugdata.checks.untranslated import Scripts, between, left, settled, untranslated
from plugdata.recipe import Translate
from plugdata.rows import Reason
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import render_tags
from plugdata.translate.task import translator
from plugdata.wire import Answer, Request


def scripts(pivot: str, lang: str) -> Scripts:
    found = between(languages.get(pivot), languages.get(lang))
    assert found
    return found


def words(source: str, target: str, lang: str, pivot: str = "en") -> list[str]:
    """The words that a translation leaves, as every caller asks for them."""
    return left(scripts(pivot, lang), prose_of(source), prose_of(target))


RECIPE = "Melt 2 tablespoons of butter (unsalted) in a well-oiled pan, add parsley, and serve the home-made broth."
FEATHERS = "Feathers provide insulation and help birds to derive actionable insights from the refined air."


@pytest.mark.parametrize(
    ("source", "target", "lang", "expected"),
    [
        (RECIPE, "融化2 tablespoons黄油。", "zh", ["tablespoons"]),
        (RECIPE, "融化2汤匙黄油 (unsalted)，加入parsley。", "zh", ["unsalted", "parsley"]),
        (RECIPE, "用涂well-oiled的锅，端上家-made汤。", "zh", ["well", "oiled", "made"]),
        (RECIPE, "**parsley**を加え、broth（自家製）を出します。", "ja", ["parsley", "broth"]),
        (FEATHERS, "羽毛提供 insulation和帮助鸟类。", "zh", ["insulation"]),
        (FEATHERS, "깃털은 derive actionable insights를 돕습니다.", "ko", ["derive", "actionable", "insights"]),
        (FEATHERS, "खेल में पंख insulation देते हैं।", "hi", ["insulation"]),
        (FEATHERS, "يوفر الريش insulation للطيور.", "ar", ["insulation"]),
        (FEATHERS, "ขนนกให้insulationแก่นก", "th", ["insulation"]),
        (FEATHERS, "Перья дают insulation птицам.", "ru", ["insulation"]),
        (FEATHERS, "空气可以 refine。", "zh", ["refine"]),
        ("The bar is open for 20 min.", "这个bar开20 min。", "zh", ["bar"]),
        ("fog.", "fog.", "ko", ["fog"]),
        ('"It is delicious," she said. The soup was delicious.', "“很 delicious，”她说。", "zh", ["delicious"]),
    ],
)
def test_a_word_of_the_pivot_in_a_text_of_another_script_is_found(
    source: str, target: str, lang: str, expected: Sequence[str]
) -> None:
    assert words(source, target, lang) == expected


@pytest.mark.parametrize(
    ("pivot", "lang", "source", "target", "expected"),
    [
        ("zh", "en", "水饺是北方的传统食物，过年时吃。", "It is the 水饺 of the north.", ["水饺"]),
        ("zh", "en", "水饺是北方的传统食物，过年时吃。", "Dumplings (水饺), “水饺”, 《水饺》; the character 饺.", []),
        ("zh", "ko", "水饺是北方的传统食物。", "그것은 북방의 水饺입니다.", ["水饺"]),
        ("ja", "en", "すき焼きは冬の料理です。", "It is すき焼き for winter.", ["すき焼き"]),
        ("ko", "en", "비빔밥은 전통 음식입니다.", "It is 비빔밥, an old dish.", ["비빔밥"]),
        ("ar", "en", "الكسكس طبق تقليدي.", "It is الكسكس of the house.", ["الكسكس"]),
        ("hi", "en", "खिचड़ी सादा भोजन है।", "It is खिचड़ी for lunch.", ["खिचड़ी"]),
        ("ru", "en", "В миске сметана.", "There is сметана in the bowl.", ["сметана"]),
        ("ru", "zh", "Газета «Правда» и сметана.", "报纸 Правда 和奶油。", []),
        ("ru", "zh", "Газета «Правда» и сметана.", "报纸和 сметана。", ["сметана"]),
    ],
)
def test_any_language_may_be_the_pivot(
    pivot: str, lang: str, source: str, target: str, expected: Sequence[str]
) -> None:
    assert words(source, target, lang, pivot) == expected


RIGHT = [
    (row["en"], lang, target)
    for row in tomllib.loads((Path(__file__).parent / "labelled" / "latin.toml").read_text(encoding="utf-8"))["right"]
    for lang, target in row.items()
    if lang != "en"
]


def test_there_are_right_translations_enough() -> None:
    assert len(RIGHT) >= 120
    assert all(any("A" <= letter <= "z" for letter in target) for _, _, target in RIGHT)


@pytest.mark.parametrize(("source", "lang", "target"), RIGHT)
def test_latin_letters_that_stand_there_rightly_are_left_alone(source: str, lang: str, target: str) -> None:
    assert words(source, target, lang) == []


def test_a_word_that_the_source_lacks_is_no_evidence() -> None:
    assert words("Feathers keep birds warm.", "羽毛提供 insulation。", "zh") == []


@pytest.mark.parametrize(
    ("lang", "source", "target", "expected"),
    [
        ("ko", "fog.", "fog.", 0.0),
        ("ko", "Birds like the fog here.", "새들은 여기 fog 좋아합니다", 3 / 4),
        ("zh", "Birds like the fog here.", "鸟儿喜欢这里的fog。", 6 / 7),  # each character is a word
        ("zh", "Birds like the fog here.", "鸟儿喜欢这里的雾。", 1.0),
        ("zh", "Birds like the fog here.", "", None),
    ],
)
def test_the_share_is_of_the_targets_words(lang: str, source: str, target: str, expected: float | None) -> None:
    found = untranslated(scripts("en", lang), source, target)
    assert found == (expected if expected is None else pytest.approx(expected, abs=0.02))


@pytest.mark.parametrize(("pivot", "lang"), [("en", "es"), ("en", "sw"), ("zh", "ja"), ("ru", "sr"), ("en", "en")])
def test_languages_that_are_written_alike_are_not_judged(pivot: str, lang: str) -> None:
    assert between(languages.get(pivot), languages.get(lang)) is None
    assert untranslated(None, "fog.", "fog.") is None
    column = settled(None, pl.DataFrame({"source": ["fog."], "target": ["fog."]}))
    assert column.dtype == pl.Float64 and column.to_list() == [None]


@pytest.mark.parametrize(
    "unit", ["a", "abc ", "abc-", "(", "(abc) ", "“abc", "'abc ", "abc.", "中abc ", "--", "1 abc "]
)
@pytest.mark.parametrize(("pivot", "lang"), [("en", "zh"), ("zh", "en")])
def test_hostile_texts_take_linear_time(unit: str, pivot: str, lang: str) -> None:
    text = unit * (200_000 // len(unit)) + "中文"
    left(scripts(pivot, lang), text, text)
    left(scripts(pivot, lang), f"中文 abc {text[::-1]}", text)


SOURCE = {"instruction": "Name the birds.", "input": "", "response": "Feathers give insulation and warmth to birds."}
ZH = {"instruction": "请说出这些鸟。", "response": "羽毛给鸟类隔热和温暖。"}
ONE = ZH | {"response": "羽毛给鸟类 insulation 和温暖。"}
TWO = ZH | {"response": "羽毛给鸟类 insulation 和 warmth。"}


def run(
    *said: dict[str, str] | str, lang: str = "zh", policy: str | None = None, **settings: Any
) -> tuple[list[Request], Outcome]:
    """What a row asks for, and what comes of it."""
    task = translator(languages.get("en"), languages.get(lang), Translate(**settings), {})
    row = SOURCE | {"policy": policy}
    answers = [Answer(text if isinstance(text, str) else render_tags(text, ""), "stop") for text in said]
    asked: list[Request] = []
    while isinstance(step := task(row, answers[: len(asked)]), Request):
        asked.append(step)
        assert len(asked) <= len(said)
    return asked, step.value


def test_the_words_are_named_to_the_model_and_a_repair_without_them_counts() -> None:
    asked, outcome = run(TWO, ZH)
    assert (len(asked), outcome.reason, outcome.mended) == (2, None, (Reason.UNTRANSLATED,))
    assert outcome.texts["response"] == ZH["response"]
    assert "response leaves words untranslated: insulation, warmth." in asked[-1].messages[-1].content


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (TWO, ONE, ONE),
        (ONE, TWO, ONE),
        (ONE, ONE, ONE),
        (ONE, {"instruction": SOURCE["instruction"]}, ONE),
        (ONE, SOURCE["response"], ONE),
    ],
)
def test_no_row_is_lost_for_a_word_and_the_better_answer_counts(
    first: dict[str, str], second: dict[str, str] | str, counts: dict[str, str]
) -> None:
    asked, outcome = run(first, second)
    assert (len(asked), outcome.reason, outcome.mended) == (2, None, (Reason.UNTRANSLATED,))
    assert outcome.texts["response"] == counts["response"]


def test_an_answer_that_was_mended_of_another_fault_may_be_mended_of_this_too() -> None:
    asked, outcome = run("No tags here.", ONE, ZH)
    assert (len(asked), outcome.mended) == (3, (Reason.BAD_TAGS, Reason.UNTRANSLATED))
    assert outcome.texts["response"] == ZH["response"]


def test_one_repair_a_row_is_spent_on_words() -> None:
    texts = ({"instruction": "请说出这些 birds。"}, ZH, ONE)
    asked, outcome = run(*(text.get("instruction", "") for text in texts[:2]), ONE["response"], protocol="plain")
    assert (len(asked), outcome.reason, outcome.mended) == (3, None, (Reason.UNTRANSLATED,))
    assert outcome.texts["response"] == ONE["response"]


@pytest.mark.parametrize(
    "how",
    [{"repair": 0}, {"policy": "keep-span"}, {"lang": "es"}],
    ids=["no repairs", "a kept span", "the same script"],
)
def test_words_that_may_stay_or_cannot_be_mended_are_not_asked_about(how: dict[str, Any]) -> None:
    asked, outcome = run(ONE, **how, check_language=False)
    assert (len(asked), outcome.reason, outcome.mended) == (1, None, ())
