"""The table of languages, and the worked examples that must keep step with it."""

import re
import tomllib
import unicodedata
from collections import Counter
from importlib import resources
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from plugdata import languages, pair
from plugdata.checks import lid
from plugdata.errors import LanguageError
from plugdata.languages import Language

TABLE = languages.table()
EVERY_LANGUAGE = pytest.mark.parametrize("language", TABLE.values(), ids=TABLE)
LOCALES = [language for language in TABLE.values() if language.base]
LABELS = sorted({label for la in TABLE.values() for label in (la.instruction_label, la.response_label)})
FILE = resources.files("plugdata").joinpath("languages.toml").read_text(encoding="utf-8")
EXAMPLES: dict[str, list[dict[str, str]]] = tomllib.loads(
    resources.files("plugdata").joinpath("prompts/examples.toml").read_text(encoding="utf-8")
)


# --- labels


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
    assert len(LABELS) == 2 * (len(TABLE) - 3) == 158, "es-MX, pt-BR and pt-PT have their bases'"
    assert [(a, b) for a, b in permutations(LABELS, 2) if b.startswith(a)] == []


@pytest.mark.parametrize("label", LABELS)
def test_label_is_one_bare_nfc_line_that_ends_in_a_colon(label: str) -> None:
    assert label.split() and label == " ".join(label.split()), "no edges, line ends or unusual blanks"
    assert label == unicodedata.normalize("NFC", label)
    assert label[-1] in ":\N{FULLWIDTH COLON}\N{KHMER SIGN CAMNUC PII KUUH}"


def test_any_two_languages_make_a_pair_but_those_that_share_their_labels() -> None:
    parts = pair.Parts("1. mine\n2. yours", "first", "second")
    refused = set()
    for pivot, target in permutations(TABLE, 2):
        try:
            text = pair.render(parts, "plug", pivot, target)
        except LanguageError as error:
            assert "cannot be paired" in str(error)
            refused.add(frozenset((pivot, target)))
        else:
            assert pair.extract(text, "plug", pivot, target) == parts
    assert refused == {frozenset(two.split()) for two in ("es es-MX", "pt pt-BR", "pt pt-PT", "pt-BR pt-PT")}


# --- blocks


@EVERY_LANGUAGE
def test_names_are_fit_for_prompts(language: Language) -> None:
    assert re.fullmatch(r"[A-Z][a-z]+(-script)?( [A-Z][a-z]+)?", language.name)
    assert language.endonym == unicodedata.normalize("NFC", language.endonym).strip() != ""


def test_names_and_endonyms_are_unique() -> None:
    assert len({language.name for language in TABLE.values()}) == len(TABLE)
    assert len({language.endonym for language in TABLE.values()}) == len(TABLE)


@EVERY_LANGUAGE
def test_block_is_nfc_and_says_nothing_twice(language: Language) -> None:
    texts = [language.name, language.endonym, language.digits, language.formal, language.informal]
    assert texts == [unicodedata.normalize("NFC", text).strip() for text in texts]
    for several in (language.scripts, language.lid, language.flores, language.aliases):
        assert len(set(several)) == len(several)
    assert language.scripts and language.flores


@EVERY_LANGUAGE
def test_all_that_is_written_in_a_language_is_in_its_scripts(language: Language) -> None:
    texts = [language.endonym, language.instruction_label, language.response_label]
    texts += [text for example in EXAMPLES.get(language.code, ()) for text in example.values()]
    ours = "".join(rf"\p{{{script}}}" for script in language.scripts)
    strangers = pl.Series([" ".join(texts)]).str.extract_all(rf"[\p{{L}}--[\p{{Common}}{ours}]]")  # ʻ is Common
    assert strangers.to_list() == [[]]


@EVERY_LANGUAGE
def test_language_counts_as_itself_when_identified(language: Language) -> None:
    assert {language.code, language.base} & set(language.lid) or language.code in {"ha", "yo", "zu"}


def test_every_label_of_identification_is_one_of_the_models(lid_model_path: Path) -> None:
    known = set(lid.load(lid_model_path).get_labels())
    assert {f"__label__{label}" for language in TABLE.values() for label in language.lid} <= known


@EVERY_LANGUAGE
def test_flores_labels_are_of_the_scripts_of_the_language(language: Language) -> None:
    assert all(re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", label) for label in language.flores)
    han = {"Hans", "Hant", "Hani"}
    scripts = {label[4:] for label in language.flores}
    assert len(scripts) == 1 or scripts == han - {"Hant" if language.code == "zh" else "Hans"}


@EVERY_LANGUAGE
def test_digits_are_nought_to_nine_of_another_script(language: Language) -> None:
    assert [unicodedata.decimal(digit) for digit in language.digits] == list(range(10)) * bool(language.digits)
    assert not language.digits.isascii() or language.digits == ""


@pytest.mark.parametrize(
    ("code", "year"),
    [("ar", "٢٠٢٤"), ("fa", "۲۰۲۴"), ("hi", "२०२४"), ("bn", "২০২৪"), ("th", "๒๐๒๔"), ("my", "၂၀၂၄"), ("km", "២០២៤")],
)
def test_digits_read_as_the_numbers_they_stand_for(code: str, year: str) -> None:
    digits = languages.get(code).digits
    assert year.translate(str.maketrans(digits, "0123456789")) == "2024"


@EVERY_LANGUAGE
def test_a_register_is_named_for_both_ways_or_for_none(language: Language) -> None:
    assert bool(language.formal) == bool(language.informal)
    assert language.formal != language.informal or language.formal == ""
    assert not set("()[]{}$\n") & set(language.formal + language.informal)


def test_norwegian_is_a_language_and_not_false() -> None:
    assert languages.get("no").name == "Norwegian"


def test_right_to_left_and_unspaced_are_the_known_ones() -> None:
    assert {code for code, language in TABLE.items() if language.rtl} == {"ar", "fa", "he", "ur"}
    unspaced = {code for code, language in TABLE.items() if not language.spaced}
    assert unspaced == {"ja", "th", "zh", "zh-Hant", "my", "km", "lo"}


# --- codes


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("zh-CN", "zh"),
        ("zh-Hans", "zh"),
        ("cmn", "zh"),
        ("ZH_hant", "zh-Hant"),
        ("zh_TW", "zh-Hant"),
        ("KO", "ko"),
        ("kor", "ko"),
        ("nb", "no"),
        ("in", "id"),
        ("iw", "he"),
        ("fil", "tl"),
        ("zsm", "ms"),
        ("pt_br", "pt-BR"),
        ("sr-Cyrl", "sr"),
        ("sr_latn", "sr-Latn"),
    ],
)
def test_other_codes_of_a_language_give_its_block(asked: str, code: str) -> None:
    assert languages.get(asked) is TABLE[code]


def test_no_code_or_alias_stands_for_two_languages() -> None:
    codes = Counter(code.lower() for la in TABLE.values() for code in (la.code, *la.aliases))
    assert codes.most_common(1)[0][1] == 1
    assert all(languages.get(alias) is language for language in TABLE.values() for alias in language.aliases)


@EVERY_LANGUAGE
def test_a_name_is_no_code_but_tells_which(language: Language) -> None:
    for name in {language.name, language.name.lower(), language.endonym} - {"Lao", "lao"}:  # which is a code as well
        with pytest.raises(LanguageError, match="unknown language") as raised:
            languages.get(name)
        assert f"did you mean {language.code!r}?" in raised.value.hint


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("ko-KR", "did you mean 'ko'?"),
        ("kor_Hang", "did you mean 'ko'?"),
        ("es-AR", "did you mean 'es'?"),
        ("nn", "did you mean 'no'?"),
        ("nno_Latn", "did you mean 'no'?"),
        ("sh", "did you mean 'hr' or 'bs' or 'sr-Latn'?"),
        ("yue", "did you mean 'zh' or 'zh-Hant'?"),
        ("jp", "did you mean 'ja'?"),
        ("xx-unknown", "`plugdata languages` lists them"),
        ("", "`plugdata languages` lists them"),
    ],
)
def test_unknown_code_names_the_nearest(asked: str, hint: str) -> None:
    with pytest.raises(LanguageError, match="unknown language") as raised:
        languages.get(asked)
    assert hint in raised.value.hint


# --- locales


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: locale.code)
def test_a_locale_is_named_apart_from_its_base(locale: Language) -> None:
    base = TABLE[locale.base]
    assert locale.code.startswith(f"{base.code}-") and not base.base
    assert locale.name.endswith(base.name)
    assert not set(locale.aliases) & set(base.aliases)
    assert list(TABLE).index(locale.code) > list(TABLE).index(base.code)


def test_a_locale_has_what_its_block_says_and_the_rest_from_its_base() -> None:
    mexican, spanish = languages.get("es-MX"), languages.get("es")
    assert (mexican.name, mexican.base, mexican.aliases) == ("Mexican Spanish", "es", ())
    for field in ("scripts", "lid", "flores", "ratio", "instruction_label", "response_label", "rtl", "spaced"):
        assert getattr(mexican, field) == getattr(spanish, field)
    portugal = languages.get("pt-PT")
    assert (portugal.formal, portugal.informal) == (languages.get("pt").formal, "tu")
    assert not languages.get("zh-Hant").spaced
    assert languages.get("sr-Latn").scripts == ("Latin",)


# --- ratios


def test_bands_are_half_to_twice_the_figure_beside_them() -> None:
    measured = re.findall(r"(?m)^ratio = \[([\d.]+), ([\d.]+)\]  # ([\d.]+)", FILE)
    assert len(measured) == FILE.count("\nratio = ") == len(TABLE) - 2  # es-MX and pt-BR have their bases'
    for floor, ceiling, figure in measured:
        r = float(figure)
        assert float(floor) == pytest.approx(r / 2, abs=0.025 + 0.0025)  # to the nearest 0.05; r has two places
        assert float(ceiling) == pytest.approx(max(2 * r, 1.2), abs=0.025 + 0.01)


@pytest.mark.parametrize("pivot", TABLE)
def test_band_leaves_room_for_code_and_holds_the_worked_examples(pivot: str) -> None:
    for target in TABLE:
        floor, ceiling = languages.ratio_band(pivot, target)
        assert 0 < floor <= 0.8 and ceiling >= 1.2, target
        if pivot in EXAMPLES and target in EXAMPLES:
            assert floor <= n_chars(target) / n_chars(pivot) <= ceiling, target


def n_chars(code: str) -> int:
    return sum(len(text) for example in EXAMPLES[code] for text in example.values())


def test_band_from_english_is_the_tables_own_and_others_follow_from_it() -> None:
    assert languages.ratio_band("en", "ko") == languages.ratio_band("eng", "ko") == languages.get("ko").ratio
    floor, ceiling = languages.ratio_band("zh", "ta")
    assert ceiling > 4 > languages.ratio_band("ta", "zh")[1], "Tamil takes some five times the characters of Chinese"
    assert floor == 0.8


# --- worked examples


def test_every_language_that_has_worked_examples_has_the_same_ones() -> None:
    assert list(EXAMPLES) == [code for code in TABLE if code in EXAMPLES]
    assert len(EXAMPLES) >= 40
    for code, (first, second, *more) in EXAMPLES.items():
        assert list(first) == list(second) == ["instruction", "input", "response"]
        assert not first["input"] and second["input"], code
        ant, dog, horse = re.split("[,،、፣၊] ?", second["response"])
        assert re.split("[,،、፣၊] ?", second["input"]) == [horse, ant, dog], code
        assert len(more) == len(EXAMPLES["en"]) - 2, code


@pytest.mark.parametrize("code", EXAMPLES)
def test_worked_examples_are_short_and_bare(code: str) -> None:
    for example in EXAMPLES[code]:
        for text in example.values():
            assert text == unicodedata.normalize("NFC", text).strip()
            assert ("\n" not in text or "⟦" in text) and not any(label in text for label in LABELS)
        assert len(example["instruction"].split()) <= 15
        assert len(example["response"].split()) <= 25
