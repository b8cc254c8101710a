"""Checks of texts: prose, language ID, script, echo."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.checks import lid, script
from plugdata.checks.copying import echo, is_echo
from plugdata.checks.prose import prose, prose_of
from plugdata.errors import AssetError, InputError

SENTENCES = {
    "en": "The old bridge across the river was closed for repairs until the first week of spring.",
    "es": "El viejo puente sobre el río estuvo cerrado por obras hasta la primera semana de primavera.",
    "it": "Il vecchio ponte sul fiume è rimasto chiuso per lavori fino alla prima settimana di primavera.",
    "fi": "Joen ylittävä vanha silta oli suljettuna korjausten vuoksi kevään ensimmäiseen viikkoon asti.",
    "sw": "Daraja la zamani lililo juu ya mto lilifungwa kwa ajili ya matengenezo hadi wiki ya kwanza ya mwezi huu.",
    "ko": "강을 가로지르는 오래된 다리는 봄의 첫째 주까지 수리를 위해 통행이 금지되었습니다.",
    "zh": "横跨河流的那座老桥因为维修而关闭，一直到春天的第一个星期才重新开放。",
    "ja": "川に架かる古い橋は、修理のため春の最初の週まで通行止めになっていました。",
    "th": "สะพานเก่าที่ทอดข้ามแม่น้ำปิดซ่อมแซมจนถึงสัปดาห์แรกของฤดูใบไม้ผลิ",
    "ar": "أُغلق الجسر القديم فوق النهر بسبب أعمال الصيانة حتى الأسبوع الأول من فصل الربيع.",
    "hi": "नदी पर बना पुराना पुल मरम्मत के लिए वसंत के पहले सप्ताह तक बंद रखा गया था।",
    "ru": "Старый мост через реку был закрыт на ремонт до первой недели весны.",
}


@pytest.fixture(scope="module")
def model(lid_model_path: Path) -> lid.Model:
    return lid.load(lid_model_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("실행: ```python\nprint('hello world')\n``` 끝", "실행: 끝"),
        ("닫히지 않은 ```python\nprint('hello')", "닫히지 않은"),
        ("명령 `git status` 실행", "명령 실행"),
        ("자세한 내용은https://example.com/a?b=c를 보세요", "자세한 내용은 를 보세요"),
        ("访问https://example.com/路径", "访问 路径"),
        ("문의: kim.min-ji@example.co.kr 로", "문의: 로"),
        ("<b>굵게</b><br/>", "굵게"),
        ("넓이는 $\\pi r^2$ 이고 $$a+b$$ 와 \\(x\\) 와 \\[y = \\frac{1}{2}\\] 이다", "넓이는 이고 와 와 이다"),
        ("안녕 {name}, {{count}} 개", "안녕 , 개"),
        ("⟦0⟧ 그리고 ⟦12⟧", "그리고"),
        ('<a href="x" class=y>가자</a> 저기<br/>', "가자 저기"),
        ("<!-- 주석 --><p>네</p>", "네"),
        ("[문서](docs/index.html)를", "[문서 를"),
        ("여기:\nint main() {\n    return 0;\n    run(x);\n}\n끝", "여기: } 끝"),
    ],
)
def test_prose_is_what_is_left_without_code_addresses_and_markup(text: str, kept: str) -> None:
    assert " ".join(prose_of(text).split()) == kept


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 here and $10 there.",
        "3 < 5 and 7 > 2",
        "Roses are red;\nviolets are blue;",
        "a @ b",
        "{not one}",
        "US$20 and A$30",
        "a<b and c>d",
    ],
)
def test_prose_keeps_what_only_resembles_markup(text: str) -> None:
    assert prose_of(text) == text


@given(st.lists(st.text(alphabet="`~$<>{}[]()\\/@.:;⟦⟧01 a한\n", max_size=30), max_size=4))
def test_prose_of_a_column_is_the_prose_of_each_text(texts: list[str]) -> None:
    assert prose(pl.Series(texts, dtype=pl.String)).to_list() == [prose_of(text) for text in texts]


@pytest.mark.parametrize(
    "piece", ["`", "$a ", "\\[", "\\(a", "<a", "{a", "a", "a@b.", "```", "](a", "); ", "\\a{", " "]
)
def test_prose_takes_linear_time_on_hostile_texts(piece: str) -> None:
    text = piece * (20_000 // len(piece)) + "x"
    started = time.process_time()
    prose_of(text)
    prose(pl.Series([text]))
    assert time.process_time() - started < 0.5  # quadratic: some 20 s


@pytest.mark.parametrize("lang", [lang for lang in SENTENCES if lang != "sw"])  # sw: see lid.py
def test_a_sentence_is_named_as_its_language(model: lid.Model, lang: str) -> None:
    scores = lid.scores(model, pl.Series([SENTENCES[lang]]), languages.get(lang))
    assert scores.top.to_list() == [lang]
    assert 0.5 <= scores.p[0] <= 1.0


def test_p_is_of_the_language_asked_for_when_another_is_named(model: lid.Model) -> None:
    texts = pl.Series([SENTENCES["en"], SENTENCES["ko"]])
    scores = lid.scores(model, texts, languages.get("ko"), languages.get("en"))
    assert scores.top.to_list() == ["en", "ko"]
    assert scores.p[0] < 0.1 < 0.9 < scores.p[1]


def test_labels_of_a_language_are_summed_and_named_by_its_code() -> None:
    class Unsure:
        def get_labels(self) -> list[str]:
            return ["__label__id", "__label__ms", "__label__en"]

        def predict(self, text: list[str], k: int, threshold: float) -> tuple[list[list[str]], list[Any]]:
            return [["__label__ms", "__label__en", "__label__id"]] * len(text), [np.array([0.5, 0.3, 0.2])] * len(text)

    texts = pl.Series(["apa pun yang tertulis di sini"])
    scores = lid.scores(Unsure(), texts, languages.get("id"), languages.get("en"))
    assert scores.p[0] == pytest.approx(0.72 / 1.02)
    assert scores.top.to_list() == ["id"]


def test_language_id_abstains_without_fifteen_letters_and_on_null(model: lid.Model) -> None:
    texts = pl.Series(["Hello", "", "12345 67890 !!! 2024-01-01", None, "네, 맞습니다."])
    scores = lid.scores(model, texts, languages.get("ko"))
    assert scores.p.to_list() == [None] * 5
    assert scores.top.to_list() == [None] * 5


def test_language_id_reads_more_where_the_beginning_leaves_it_unsure(model: lid.Model) -> None:
    mixed = "OK. " * 75 + SENTENCES["es"] * 10
    assert lid.scores(model, pl.Series([mixed]), languages.get("es")).top.to_list() == ["es"]


def test_language_id_takes_texts_of_several_lines(model: lid.Model) -> None:
    lines = SENTENCES["it"].replace(" ", "\n")
    assert lid.scores(model, pl.Series([lines]), languages.get("it")).top.to_list() == ["it"]


def test_a_model_without_the_languages_labels_is_refused() -> None:
    class Other:
        def get_labels(self) -> list[str]:
            return ["__label__deu_Latn"]

        def predict(self, text: list[str], k: int, threshold: float) -> tuple[list[list[str]], list[list[float]]]:
            raise AssertionError

    with pytest.raises(InputError, match=r"no label for Korean \(kor_Hang\)"):
        lid.scores(Other(), pl.Series(["안녕"]), languages.get("ko"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lid.ftz"
    path.write_bytes(b"not a model")
    with pytest.raises(AssetError, match=re.escape(str(path))):
        lid.load(path)


@pytest.mark.parametrize("lang", SENTENCES)
def test_letters_of_a_language_are_in_its_scripts(lang: str) -> None:
    assert script.share(pl.Series([SENTENCES[lang]]), languages.get(lang)).to_list() == [1.0]


def test_letters_of_other_scripts_lower_the_share() -> None:
    texts = pl.Series(
        [SENTENCES["en"], "가나다라마바사아자차 abcdefghij", "コーヒーメーカーのサーバー、データセンターのモニター"]
    )
    assert script.share(texts, languages.get("ko")).to_list() == [0.0, 25 / 35, 0.0]  # a Hangul letter weighs 2.5
    assert script.share(texts, languages.get("ja")).to_list() == [0.0, 0.0, 1.0]


def test_the_script_check_abstains_without_fifteen_letters() -> None:
    texts = pl.Series(["", "42", "Python", "Harry Potter"])
    assert script.share(texts, languages.get("ko")).to_list() == [None] * 4


LONG = (
    "Water boils at a lower temperature in the mountains because the air presses on it less. "
    "That is why rice takes longer to cook there. A lid on the pot helps a little. "
    "People who live high up often use a pressure cooker instead."
)
TRANSLATED = (
    "El agua hierve a menor temperatura en las montañas porque el aire la presiona menos. "
    "Por eso el arroz tarda más en cocerse allí. Una tapa en la olla ayuda un poco. "
    "Quienes viven a gran altura suelen usar una olla a presión."
)


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        LONG.replace(". ", ".\n\n"),
        "Here is the translation:\n" + LONG,
        LONG[: LONG.index("A lid")],
        LONG[: LONG.index("People")] + TRANSLATED[TRANSLATED.index("Quienes") :],
        LONG + "\n\n" + TRANSLATED,
    ],
    ids=["whole", "other white space", "with a preamble", "cut", "last sentence translated", "with its translation"],
)
def test_a_source_that_comes_back_is_an_echo(answer: str) -> None:
    assert is_echo(LONG, answer)


def test_a_translation_is_no_echo() -> None:
    assert not is_echo(LONG, TRANSLATED)
    assert echo(LONG, TRANSLATED) == 0.0
    assert echo(LONG, LONG) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "3.14, 2.71, 1.41",
        "1. 2 x 3 = ?\n2. 8 x 7 = ?",
        "y(x) = x² + 3x - 10",
        "Johann Sebastian Bach",
        "Lord of the Rings",
        "Apple, Google, Microsoft, Samsung, Sony",
        "https://example.com/a/long/path/with/many/words/in/it",
        "```python\nfor name in names:\n    print(name, file=out)\n```",
        "`select name from people where age is null`",
        "<ul><li></li><li></li></ul>",
        "OK",
    ],
)
def test_what_rightly_stays_the_same_is_no_echo(text: str) -> None:
    assert not is_echo(text, text)


def test_code_that_stays_does_not_make_a_translated_text_an_echo() -> None:
    code = "\n```python\n" + "total = sum(price for price in prices if price > limit)\n" * 20 + "```\n"
    assert echo(LONG + code, TRANSLATED + code) > 0.0
    assert not is_echo(LONG + code, TRANSLATED + code)


def test_an_echo_of_an_unspaced_script_is_seen() -> None:
    assert is_echo(SENTENCES["zh"], SENTENCES["zh"])
    assert not is_echo(SENTENCES["zh"], SENTENCES["ja"])
    assert not is_echo(SENTENCES["zh"], SENTENCES["en"])
