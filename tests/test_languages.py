"""The table of languages, and the worked examples that must keep step with it."""

import re
import tomllib
import unicodedata
from importlib import resources

import polars as pl
import pytest

from plugdata import languages
from plugdata.errors import LanguageError
from plugdata.languages import Language

TABLE = languages.table()
EVERY_LANGUAGE = pytest.mark.parametrize("language", TABLE.values(), ids=TABLE)
LABELS = [label for language in TABLE.values() for label in (language.instruction_label, language.response_label)]
EXAMPLES: dict[str, list[dict[str, str]]] = tomllib.loads(
    resources.files("plugdata").joinpath("prompts/examples.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("en", "English response:"),
        ("zh", "中文回复\N{FULLWIDTH COLON}"),
        ("ko", "한국어 응답:"),
        ("it", "Risposta in italiano:"),
        ("es", "Respuesta en español:"),
    ],
)
def test_response_label_is_the_one_released_with_plug(code: str, label: str) -> None:
    assert languages.get(code).response_label == label


def test_no_label_opens_another_in_any_language() -> None:
    assert len(LABELS) == 2 * len(TABLE) == 80
    assert [(a, b) for i, a in enumerate(LABELS) for j, b in enumerate(LABELS) if i != j and b.startswith(a)] == []


@pytest.mark.parametrize("label", LABELS)
def test_label_is_one_bare_nfc_line_that_ends_in_a_colon(label: str) -> None:
    assert label.split() and label == " ".join(label.split()), "no edges, line ends or unusual blanks"
    assert label == unicodedata.normalize("NFC", label)
    assert label[-1] in ":\N{FULLWIDTH COLON}"


@EVERY_LANGUAGE
def test_names_are_fit_for_prompts(language: Language) -> None:
    assert language.name.isascii() and language.name.isalpha()
    assert language.endonym == unicodedata.normalize("NFC", language.endonym).strip() != ""


def test_names_and_endonyms_are_unique() -> None:
    assert len({language.name for language in TABLE.values()}) == len(TABLE)
    assert len({language.endonym for language in TABLE.values()}) == len(TABLE)


@EVERY_LANGUAGE
def test_all_that_is_written_in_a_language_is_in_its_scripts(language: Language) -> None:
    texts = [language.endonym, language.instruction_label, language.response_label]
    texts += [text for example in EXAMPLES[language.code] for text in example.values()]
    ours = "".join(rf"\p{{{script}}}" for script in language.scripts)
    strangers = pl.Series([" ".join(texts)]).str.extract_all(rf"[\p{{L}}--[{ours}]]")
    assert strangers.to_list() == [[]]


@EVERY_LANGUAGE
def test_language_counts_as_itself_when_identified(language: Language) -> None:
    assert language.code in language.lid
    assert len(set(language.lid)) == len(language.lid)


def test_norwegian_is_a_language_and_not_false() -> None:
    assert languages.get("no").name == "Norwegian"


def test_right_to_left_and_unspaced_are_the_known_ones() -> None:
    assert {code for code, language in TABLE.items() if language.rtl} == {"ar", "fa", "he", "ur"}
    assert {code for code, language in TABLE.items() if not language.spaced} == {"ja", "th", "zh"}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("ko-KR", "'ko'"),
        ("Korean", "'ko'"),
        ("한국어", "'ko'"),
        ("xx-unknown", "`plugdata languages` lists them"),
    ],
)
def test_unknown_code_names_the_nearest(asked: str, hint: str) -> None:
    with pytest.raises(LanguageError, match="unknown language") as raised:
        languages.get(asked)
    assert hint in raised.value.hint


@pytest.mark.parametrize("pivot", TABLE)
def test_band_leaves_room_for_code_and_holds_the_worked_examples(pivot: str) -> None:
    for target in TABLE:
        floor, ceiling = languages.ratio_band(pivot, target)
        assert 0 < floor <= 0.8 and ceiling >= 1.2, target
        assert floor <= n_chars(target) / n_chars(pivot) <= ceiling, target


def n_chars(code: str) -> int:
    return sum(len(text) for example in EXAMPLES[code] for text in example.values())


def test_band_from_english_is_the_tables_own_and_others_follow_from_it() -> None:
    assert languages.ratio_band("en", "ko") == languages.get("ko").ratio
    floor, ceiling = languages.ratio_band("zh", "ta")
    assert ceiling > 4 > languages.ratio_band("ta", "zh")[1], "Tamil takes some five times the characters of Chinese"
    assert floor == 0.8


def test_every_language_has_the_same_two_worked_examples() -> None:
    assert list(EXAMPLES) == list(TABLE)
    for code, (first, second) in EXAMPLES.items():
        assert list(first) == list(second) == ["instruction", "input", "response"]
        assert not first["input"] and second["input"], code
        ant, dog, horse = re.split("[,،、] ?", second["response"])
        assert re.split("[,،、] ?", second["input"]) == [horse, ant, dog], code


@EVERY_LANGUAGE
def test_worked_examples_are_short_and_bare(language: Language) -> None:
    for example in EXAMPLES[language.code]:
        for text in example.values():
            assert text == unicodedata.normalize("NFC", text).strip()
            assert "\n" not in text and not any(label in text for label in LABELS)
        assert len(example["instruction"].split()) <= 15
        assert len(example["response"].split()) <= 25
