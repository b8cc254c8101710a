"""What is written in every language: worked examples, the paper's opening sentence, phrases of refusal."""

import re
import tomllib
import unicodedata
from importlib import resources
from itertools import permutations
from pathlib import Path
from string import Template
from typing import Any

import polars as pl
import pytest

from plugdata import languages
from plugdata.checks import lid
from plugdata.checks.refusal import refuses
from plugdata.languages import Language


def data(path: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("plugdata").joinpath(path).read_text(encoding="utf-8"))


TABLE = languages.table()
EXAMPLES: dict[str, list[dict[str, str]]] = data("prompts/examples.toml")
HEADERS: dict[str, str] = data("prompts/plug-paper-v1.toml")
REFUSALS: dict[str, list[str]] = data("checks/refusals.toml")
TOKENS = ["<|user|>", "<|assistant|>"]
UNSPACED = {"ja", "ko", "zh", "zh-Hant"}  # short phrases say much there: Korean for its syllables
BORROWED = re.compile(r"(?<![a-z])ai(?![a-z])|language model")  # how models call themselves in any script

EVERY_FILE = pytest.mark.parametrize(
    "by_language", [EXAMPLES, HEADERS, REFUSALS], ids=["examples", "headers", "refusals"]
)
EVERY_EXAMPLE = pytest.mark.parametrize("code", EXAMPLES)
EVERY_HEADER = pytest.mark.parametrize("code", HEADERS)
EVERY_LEXICON = pytest.mark.parametrize("code", REFUSALS)


def texts(code: str) -> list[str]:
    return [text for example in EXAMPLES[code] for text in example.values()]


def foreign_letters(text: str, language: Language) -> list[str]:
    ours = "".join(rf"\p{{{script}}}" for script in language.scripts)
    return list(pl.Series([text]).str.extract_all(rf"[\p{{L}}--[\p{{Common}}{ours}]]")[0])


@EVERY_FILE
def test_every_language_of_the_table_has_its_own_words(by_language: dict[str, Any]) -> None:
    assert list(by_language) == [code for code in TABLE if code in by_language]
    assert {code for code, language in TABLE.items() if not language.base} <= by_language.keys()


@EVERY_FILE
def test_a_locale_in_another_script_than_its_base_has_its_own_words(by_language: dict[str, Any]) -> None:
    assert {"zh-Hant", "sr-Latn"} <= by_language.keys()


@EVERY_FILE
def test_no_locale_repeats_its_base(by_language: dict[str, Any]) -> None:
    locales = {code: TABLE[code].base for code in by_language if TABLE[code].base}
    assert [code for code, base in locales.items() if by_language[code] == by_language[base]] == []


# --- worked examples


@EVERY_EXAMPLE
def test_the_same_three_examples_are_worked_in_every_language(code: str) -> None:
    assert len(EXAMPLES[code]) == 3
    for here, english in zip(EXAMPLES[code], EXAMPLES["en"], strict=True):
        assert list(here) == ["instruction", "input", "response"]
        for name, text in here.items():
            assert bool(text) == bool(english[name])
            assert re.findall("⟦.*?⟧", text) == re.findall("⟦.*?⟧", english[name])
            assert text.count("\n") == english[name].count("\n")
            assert re.findall(r"(?m)^\d+\. ", text) == re.findall(r"(?m)^\d+\. ", english[name])


@EVERY_EXAMPLE
def test_only_the_third_example_holds_marks(code: str) -> None:
    assert ["⟦" in "".join(example.values()) for example in EXAMPLES[code]] == [False, False, True]


@EVERY_EXAMPLE
def test_the_second_example_sorts_horse_ant_dog_by_size(code: str) -> None:
    second = EXAMPLES[code][1]
    horse, ant, dog = re.split("[,،、፣၊] ?", second["input"])
    assert re.split("[,،、፣၊] ?", second["response"]) == [ant, dog, horse]


@EVERY_EXAMPLE
def test_examples_are_short_nfc_and_in_the_languages_script(code: str) -> None:
    for text in texts(code):
        assert text == unicodedata.normalize("NFC", text).strip()
        assert foreign_letters(text, TABLE[code]) == []
        assert len(text.split()) <= 25


# --- the paper's opening sentence


@EVERY_HEADER
def test_opening_sentence_holds_each_token_once_and_names_the_source_once(code: str) -> None:
    header = HEADERS[code]
    assert [header.count(token) for token in TOKENS] == [1, 1]
    assert header.count("$") == 1
    assert Template(header).get_identifiers() == ["source_name"]
    assert "Quechua" in Template(header).substitute(source_name="Quechua")


@EVERY_HEADER
def test_opening_sentence_is_one_line_in_the_languages_script(code: str) -> None:
    header = HEADERS[code]
    assert header == unicodedata.normalize("NFC", " ".join(header.split()))
    assert not header.endswith(tuple(TOKENS)) and "’" not in header
    bare = Template(re.sub(r"<\|\w+\|>", "", header)).substitute(source_name="")
    assert foreign_letters(bare, TABLE[code]) == []


def test_opening_sentences_of_two_languages_differ() -> None:
    assert len(set(HEADERS.values())) == len(HEADERS)


def test_every_locale_has_an_opening_sentence_since_that_names_the_target() -> None:
    assert {code for code, language in TABLE.items() if language.base} <= HEADERS.keys()


# --- refusals


@EVERY_LEXICON
def test_refusals_are_folded_as_texts_are(code: str) -> None:
    for phrase in REFUSALS[code]:
        assert phrase == unicodedata.normalize("NFC", phrase.casefold())
        assert phrase == " ".join(phrase.split())
        assert not re.search(r"[’‘ʼ]|[.,:;!?。，、،፣၊]$", phrase), phrase
        assert foreign_letters(BORROWED.sub("", phrase), TABLE[code]) == []


@EVERY_LEXICON
def test_refusals_are_many_long_and_none_holds_another(code: str) -> None:
    phrases = [re.sub("[,，、،]", "", phrase) for phrase in REFUSALS[code]]  # commas do not tell two phrases apart
    assert 6 <= len(phrases) <= 25
    assert min(map(len, phrases)) >= (4 if code in UNSPACED else 8)
    assert [(a, b) for a, b in permutations(phrases, 2) if a in b] == []


@EVERY_LEXICON
def test_no_worked_example_and_no_opening_sentence_refuses(code: str) -> None:
    said = [*(texts(code) if code in EXAMPLES else ()), HEADERS[code]]
    assert [refuses(text, [code]) for text in said if text] == [None] * sum(map(bool, said))


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("en", "I’m sorry, but I can’t help with that."),
        ("en", "As an AI language model, I do not have a favourite colour."),
        ("es", "Lo siento, pero no puedo traducir este texto."),
        ("de", "Als KI-Sprachmodell habe ich keine Gefühle."),
        ("de", "Das verstößt gegen meine Richtlinien."),
        ("el", "Λυπάμαι, αλλά δεν μπορώ να σας βοηθήσω."),
        ("el", "Αυτό είναι ενάντια στις οδηγίες μου."),
        ("fr", "Désolé, mais je ne peux pas traduire ce passage."),
        ("ru", "Как языковая модель, я не имею личного мнения."),
        ("tr", "Üzgünüm, ama bu konuda size yardımcı olamam."),
        ("ar", "عذرًا، لا يمكنني تنفيذ ذلك."),
        ("hi", "मुझे खेद है, लेकिन मैं इस पाठ का अनुवाद नहीं कर सकता।"),
        ("th", "ขออภัยครับ ผมไม่สามารถแปลข้อความนี้ได้"),
        ("ko", "죄송하지만 도와드릴 수 없습니다."),
        ("ja", "申し訳ありませんが、そのご要望には対応できません。"),
        ("zh", "很抱歉，我无法翻译这段文字。"),
        ("zh-Hant", "很抱歉，我無法翻譯這段文字。"),
        ("sw", "Samahani, lakini siwezi kutafsiri maandishi haya."),
        ("hy", "Ներեցեք, բայց ես չեմ կարող թարգմանել սա։"),
        ("sr", "Жао ми је, али не могу да преведем овај текст."),
        ("sr-Latn", "Žao mi je, ali ne mogu da prevedem ovaj tekst."),
        ("am", "ይቅርታ፣ ልረዳዎት አልችልም።"),
    ],
)
def test_an_answer_that_declines_is_known(code: str, answer: str) -> None:
    assert refuses(answer, [code])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "I'm sorry to hear that your parcel arrived late."),
        ("en", "She works as an aide, and I am an aircraft engineer."),
        ("en", "GPT-3 is widely used as a language model."),
        ("es", "Lo siento mucho, llegué tarde a la reunión."),
        ("de", "Als Kind habe ich oft im Wald gespielt."),
        ("fr", "Je suis désolé du retard de votre commande."),
        ("pl", "GPT-3 działa jako model językowy."),
        ("ja", "申し訳ありませんが、その日は都合がつきません。"),
        ("ko", "늦어서 죄송합니다. 저는 인공지능 수업이 좋아요."),
        ("zh", "很抱歉让您久等了，您的包裹明天送到。"),
        ("ar", "أعتذر عن التأخير في الرد على رسالتك."),
        ("hi", "देर के लिए मुझे खेद है, लेकिन मैं अब आ गया हूँ।"),
        ("vi", "Tôi là ai và tôi đến từ đâu?"),
        ("th", "ขออภัยที่ตอบช้า ขอบคุณที่รอ"),
        ("sw", "Samahani kwa kuchelewa kujibu barua yako."),
    ],
)
def test_an_apology_or_a_text_about_models_is_no_refusal(code: str, text: str) -> None:
    assert refuses(text, [code, "en"]) is None


# --- all of it


@pytest.mark.parametrize("code", [code for code, language in TABLE.items() if language.lid])
def test_all_words_of_a_language_are_taken_for_it(code: str, lid_model_path: Path) -> None:
    own = [code if code in by else TABLE[code].base for by in (EXAMPLES, REFUSALS)]
    joined = " ".join([*texts(own[0]), HEADERS[code], *REFUSALS[own[1]]])
    bare = re.sub(r"⟦\d⟧|<\|\w+\|>|\$source_name|\d\.", " ", joined)
    assert lid.scores(lid.load(lid_model_path), pl.Series([bare]), TABLE[code]).top[0] == code
