"""Language ID as verification: what is read, what counts against a text, and how the threshold is fitted."""

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from plugdata import assets, languages, recipe, rows
from plugdata.checks import lid
from plugdata.checks.quoted import without_quoted
from plugdata.curate.filters import language
from plugdata.recipe.curation import LID_MODELS
from tests.labelled import LID_LANGS, pieces

EN = languages.get("en")
SW_TEXT = (
    "Mvua ilinyesha usiku kucha na barabara zote zilijaa maji. Watoto walibaki nyumbani kwa sababu shule ilifungwa. "
    "Baba alikwenda sokoni kununua unga na mafuta ya taa."
)
ES_TEXT = (
    "La lluvia cayó toda la noche y las calles se llenaron de agua. Los niños se quedaron en casa porque la escuela "
    "estaba cerrada. El padre fue al mercado a comprar harina y velas."
)
EN_TEXT = (
    "It rained all night and the streets were full of water. The children stayed at home because the school was "
    "closed. Their father went to the market to buy flour and candles."
)
KO_TEXT = (
    "밤새 비가 내려 길마다 물이 가득했습니다. 학교가 문을 닫아 아이들은 집에 있었습니다. 아버지는 시장에 갔습니다."
)


@pytest.fixture(scope="module")
def model(lid_model_path: Path) -> lid.Model:
    return lid.load(lid_model_path)


def scored(model: lid.Model, text: str, lang: str, candidates: tuple[str, ...] = ()) -> tuple[float, str, float]:
    p, top, mixed = lid.scores(model, pl.Series([text]), languages.get(lang), EN, candidates)
    return p[0], top[0], mixed[0]


class Says:
    """A model that says the same of every text."""

    def __init__(self, **said: float) -> None:
        self.said = said

    def get_labels(self) -> list[str]:
        return [f"__label__{label}" for label in self.said]

    def predict(self, text: list[str], k: int, threshold: float) -> tuple[list[list[str]], list[np.ndarray]]:
        return [self.get_labels()] * len(text), [np.array(list(self.said.values()))] * len(text)


@pytest.mark.parametrize("lang", [lang for lang in LID_LANGS if lang != "en"])
def test_right_texts_pass_and_english_ones_do_not(model: lid.Model, lang: str) -> None:
    own, english = ([piece.text for piece in pieces(code)] for code in (lang, "en"))
    least = languages.get(lang).lid_min
    p, _, mixed = lid.scores(model, pl.Series(own), languages.get(lang), EN)
    kept = [at for at, share in zip(p, mixed, strict=True) if at is None or (at >= least and share <= 0.1)]
    assert len(kept) >= 0.97 * len(own)
    of_english = lid.scores(model, pl.Series(english), languages.get(lang), EN).p
    assert all(at < max(least, 0.15) for at in of_english.drop_nulls())


@pytest.mark.parametrize("lang", ["es", "sw", "ko"])
@pytest.mark.parametrize("join", [" ", "\n", "\n\n"])
def test_a_text_that_turns_into_english_is_mixed(model: lid.Model, lang: str, join: str) -> None:
    own = {"es": ES_TEXT, "sw": SW_TEXT, "ko": KO_TEXT}[lang]
    assert scored(model, own, lang)[2] == 0.0
    assert scored(model, own + join + EN_TEXT, lang)[2] > 0.1
    assert scored(model, own + join + EN_TEXT[: EN_TEXT.index("The children")], lang)[2] > 0.1


def test_the_last_paragraph_of_a_long_text_is_read(model: lid.Model) -> None:
    long = "\n\n".join([ES_TEXT] * 20)
    p, top, mixed = scored(model, long, "es")
    assert p > 0.9 and (top, mixed) == ("es", 0.0)
    assert scored(model, f"{long}\n\n{EN_TEXT}", "es")[2] > 0.0


def test_what_is_believed_of_languages_no_one_asked_for_hardly_counts() -> None:
    p, top, mixed = scored(Says(eo=0.4, sw=0.3, su=0.2), SW_TEXT, "sw")
    assert p > 0.8 and top == "sw" and mixed == 0.0


def test_the_pivot_counts_whole_and_what_a_language_is_confused_with_half() -> None:
    assert scored(Says(en=0.6, sw=0.3), SW_TEXT, "sw")[0] == pytest.approx(0.32 / 0.92)
    assert scored(Says(pt=0.6, es=0.3), ES_TEXT, "es")[0] == pytest.approx(0.32 / 0.62)


@pytest.mark.parametrize("join", [" ", "\n\n"])
def test_a_few_words_are_not_surely_in_a_neighbouring_language_but_sentences_are(model: lid.Model, join: str) -> None:
    catalan = "Respon la pregunta següent amb una sola paraula, si us plau, i explica per què l'has triada."
    assert scored(model, f"{catalan}{join}Menjar una poma és sa.", "ca")[2] == 0.0
    assert scored(model, catalan + join + ES_TEXT, "ca")[2] > 0.1


def test_a_sure_third_language_is_below_the_threshold() -> None:
    assert scored(Says(fr=0.95, es=0.0), ES_TEXT, "es")[0] < languages.get("es").lid_min


def test_where_candidates_are_named_no_other_language_counts() -> None:
    said = Says(fr=0.5, pt=0.3, es=0.1)
    assert scored(said, ES_TEXT, "es", ("de",))[0] == pytest.approx(1.0)
    assert scored(said, ES_TEXT, "es", ("pt",))[0] == pytest.approx(0.12 / 0.42)


def test_labels_of_flores_models_are_known_by_their_form() -> None:
    p, top, _ = scored(Says(swh_Latn=0.9, eng_Latn=0.05), SW_TEXT, "sw")
    assert p > 0.9 and top == "sw"
    assert scored(Says(eng_Latn=0.95, swh_Latn=0.04), EN_TEXT, "sw")[1] == "en"


def test_short_texts_and_null_abstain_in_every_column(model: lid.Model) -> None:
    found = lid.scores(model, pl.Series(["Ndiyo.", None, "2024", SW_TEXT]), languages.get("sw"), EN)
    assert [column.is_null().to_list() for column in found] == [[True, True, True, False]] * 3


def test_a_model_is_loaded_once_a_process(lid_model_path: Path) -> None:
    assert lid.load(lid_model_path) is lid.load(lid_model_path)


def test_models_known_by_name_are_the_recipes() -> None:
    assert tuple(assets.LID_MODELS) == LID_MODELS
    assert all(len(bytes.fromhex(asset.sha256)) == 32 and asset.license for asset in assets.LID_MODELS.values())


def test_a_third_script_in_names_is_no_passage(model: lid.Model) -> None:
    assert scored(model, KO_TEXT + " Visual Studio Code Insiders를 쓰세요.", "ko")[2] == 0.0


@pytest.mark.parametrize(
    ("text", "source", "left"),
    [
        ('Filamu ni "The Lord of the Rings" tu', "The Lord of the Rings is a film", "Filamu ni   tu"),
        ("Nilisoma Harry Potter and the Goblet of Fire jana", "Harry Potter and the Goblet of Fire", "Nilisoma  jana"),
        ("我喜欢《Dune》这本书", "Dune is a book", "我喜欢 这本书"),
        ('Alisema "habari za leo" kwa sauti kubwa', "He said hello", 'Alisema "habari za leo" kwa sauti kubwa'),
        ('"The soup was cold and late."', "The soup was cold and late.", '"The soup was cold and late."'),
        ("The soup was cold and late.", "The soup was cold and late.", "The soup was cold and late."),
        ("The capital of France is Paris.", "The capital of France is Paris.", "The capital of France is Paris."),
    ],
)
def test_quotations_and_titles_of_the_source_are_not_read_and_sentences_are(text: str, source: str, left: str) -> None:
    assert without_quoted(pl.Series([text]), [pl.Series([source])]).to_list() == [left]


def test_what_is_quoted_is_left_out_only_where_a_field_is_in_doubt_and_no_column_given_is_changed(
    model: lid.Model,
) -> None:
    title = "The Old Man and the Sea of the Northern Islands"
    given = pl.DataFrame(
        {
            "pivot_instruction": ["Name a book.", "Name a book."],
            "pivot_response": [f"I read {title} and other books.", EN_TEXT],
            "instruction": [SW_TEXT, SW_TEXT],
            "response": [
                f"Nilisoma {title} kisha nikalala mapema sana",
                f"Nilisoma {title} kisha nikalala mapema sana",
            ],
        }
    )
    before = given.clone()
    found = {column.name: column.to_list() for column in language.measured(given, languages.get("sw"), EN, model)}
    without_title, whole = found["lid_response"]
    assert without_title > 2 * whole
    assert given.equals(before)


@pytest.mark.parametrize("piece", ['"', "“", "A ", "Aa", "A of ", "The Lord of the ", '"a', "\n", ". ", "a", "ا "])
def test_reading_takes_linear_time_on_hostile_texts(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    without_quoted(pl.Series([text]), [pl.Series(["Lord of"])])
    lid.scores(Says(ko=0.5, en=0.4), pl.Series([text]), languages.get("ko"), EN)
    assert time.process_time() - started < 2  # quadratic: minutes


def measured(ps: list[float], top: str = "sw") -> pl.LazyFrame:
    made = {name: pl.Series([None] * len(ps), dtype=dtype) for name, dtype in rows.MEASURE.items()}
    made |= {"lang": pl.Series(["sw"] * len(ps)), "status": pl.Series(["kept"] * len(ps))}
    made |= {"lid_response": pl.Series(ps), "lid_response_top": pl.Series([top] * len(ps))}
    return pl.DataFrame(made).lazy()


def fitted(*frames: pl.LazyFrame, **settings: float) -> float:
    return language.fit_lid(pl.concat(frames), recipe.Filter.model_validate({"lid": settings}), "sw")["lid_min"]


def test_the_threshold_follows_how_surely_right_rows_are_known() -> None:
    assert fitted(measured([0.5] * 300)) == 0.25
    assert fitted(measured([0.99] * 300)) == pytest.approx(0.495)


def test_the_threshold_has_a_floor_and_a_ceiling() -> None:
    assert fitted(measured([0.05] * 300)) == language.FLOOR
    assert fitted(measured([1.0] * 300)) == language.CEILING


def test_a_corpus_that_is_all_wrong_does_not_fit_itself_into_acceptance() -> None:
    default = languages.get("sw").lid_min
    assert fitted(measured([0.02] * 5_000, "en")) == default
    assert fitted(measured([0.02] * 5_000, "en"), measured([0.5] * 300)) == default


def test_wrong_rows_do_not_move_the_threshold() -> None:
    right = measured([0.5] * 300)
    assert fitted(right, measured([0.02] * 200, "en")) == fitted(right)


def test_few_rows_get_the_languages_own_threshold_and_a_recipe_its_own() -> None:
    assert fitted(measured([0.9] * 20)) == languages.get("sw").lid_min
    assert fitted(measured([0.5] * 300), min=0.6) == 0.6
