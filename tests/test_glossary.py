"""Terms: read from a file, found in a source, missed in its translation."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.errors import InputError
from plugdata.translate.glossary import Glossary, Term, load

TERMS = Glossary(
    (
        Term("model", ("modelo", "modelos")),
        Term("language model", ("modelo de lenguaje",)),
        Term("Fine-tuning", ("ajuste fino",)),
        Term("C++", ("C++",)),
        Term(".NET", (".NET",)),
        Term("naïve Bayes", ("Bayes ingenuo",)),
    )
)


def _found(*texts: str) -> list[str]:
    return [term.source for term in TERMS.found(texts)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("A model is trained.", ["model"]),
        ("Large Language Models", []),
        ("A LANGUAGE MODEL.", ["language model"]),
        ("A language model is a model.", ["model", "language model"]),
        ("remodel, modelled, supermodel", []),
        ("model-based", ["model"]),
        ("fine-tuning", ["Fine-tuning"]),
        ("Written in C++, not .NET.", ["C++", ".NET"]),
        ("C++11", []),
        ("NAÏVE BAYES", ["naïve Bayes"]),
        ("el modelo", []),
        ("", []),
    ],
)
def test_a_term_is_found_as_a_word_whatever_its_case(text: str, terms: list[str]) -> None:
    assert _found(text) == terms


def test_terms_come_once_and_in_the_order_of_the_glossary() -> None:
    assert _found("Fine-tuning a model", "and another model", "fine-tuning") == ["model", "Fine-tuning"]


@pytest.mark.parametrize(
    ("source", "said", "told"),
    [
        ("The model works.", "El modelo funciona.", None),
        ("The model works.", "MODELO", None),
        ("Models work.", "Funcionan.", None),
        ("The model works.", "La maqueta funciona.", "'model' must be rendered as 'modelo' or 'modelos'"),
        ("A language model.", "Un modelo lingüístico.", "'language model' must be rendered as 'modelo de lenguaje'"),
        ("It works.", "Un modelo.", None),
        ("A model for fine-tuning.", "Un modelo para afinar.", "'Fine-tuning' must be rendered as 'ajuste fino'"),
    ],
)
def test_a_term_without_any_of_its_renderings_is_missed(source: str, said: str, told: str | None) -> None:
    assert TERMS.missed(source, said) == told


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("模型", "语言模型是什么？"),
        ("모델", "모델은 무엇입니까?"),
        ("แบบจำลอง", "สร้างแบบจำลองภาษา"),
        ("モデル", "言語モデルとは"),
    ],
)
def test_where_words_do_not_stand_apart_a_term_is_found_all_the_same(term: str, text: str) -> None:
    assert Glossary((Term(term, ("model",)),)).found([text])


def test_a_rendering_counts_where_a_word_begins() -> None:
    glossary = Glossary((Term("AI", ("IA",)),))
    assert glossary.missed("AI helps.", "La IA ayuda.") is None
    assert glossary.missed("AI goes north.", "Va hacia el norte.") is not None


def test_a_glossary_without_terms_finds_and_misses_nothing() -> None:
    assert Glossary().found(["A model."]) == []
    assert Glossary().missed("A model.", "") is None


WORD = st.text("aábc'+9가나中ä", min_size=1, max_size=4)


@given(st.lists(WORD, min_size=1, max_size=8, unique=True))
def test_terms_that_stand_apart_are_all_found_and_their_renderings_satisfy(words: list[str]) -> None:
    glossary = Glossary(tuple(Term(word, (word[::-1], "never")) for word in words))
    text = " ".join(words)
    assert glossary.found([text]) == list(glossary.terms)
    assert glossary.missed(text, " ".join(word[::-1] for word in words)) is None
    assert glossary.missed(text, "") is not None


# --- files -----------------------------------------------------------------------------------------------------------


def _load(folder: Path, text: str, lang: str = "es") -> list[tuple[str, ...]]:
    path = folder / "glossary.csv"
    path.write_text(text, encoding="utf-8")
    return [(term.source, *term.targets) for term in load(path, lang).terms]


def test_a_file_of_one_language_needs_no_column_for_it(tmp_path: Path) -> None:
    text = 'source,target,note\nmodel,modelo|modelos,noun\n"tea, green", té verde ,\n'
    assert _load(tmp_path, text) == [("model", "modelo", "modelos"), ("tea, green", "té verde")]


@pytest.mark.parametrize(
    ("lang", "terms"),
    [("es", ["computer"]), ("es-MX", ["computer", "bus"]), ("ko", ["computer"]), ("e", []), ("est", [])],
)
def test_a_term_serves_its_language_and_the_locales_of_it(tmp_path: Path, lang: str, terms: list[str]) -> None:
    text = "lang,source,target\nes,computer,ordenador\nes-MX,bus,camión\nko,computer,컴퓨터\n"
    assert [source for source, *_ in _load(tmp_path, text, lang)] == terms


def test_a_term_without_a_language_serves_all(tmp_path: Path) -> None:
    assert _load(tmp_path, "lang,source,target\n,PLUG,PLUG\n", "ko") == [("PLUG", "PLUG")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert _load(tmp_path, "\ufeffsource,target\nmodel,modelo\n") == [("model", "modelo")]


def test_of_a_term_that_stands_twice_the_first_counts(tmp_path: Path) -> None:
    assert _load(tmp_path, "source,target\nModel,modelo\nmodel,maqueta\n") == [("Model", "modelo")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "lacks the columns"),
        ("term,target\nmodel,modelo\n", "lacks the columns"),
        ("source,target\nmodel,\n", "line 2"),
        ("source,target\nmodel,modelo\n ,x\n", "line 3"),
        ("source,target\nmodel,|\n", "line 2"),
        ("source,target\nmodel\n", "line 2"),
    ],
)
def test_a_file_that_is_no_glossary_says_where(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        _load(tmp_path, text)


def test_a_file_that_is_not_text_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "glossary.csv"
    with pytest.raises(InputError, match="No such file"):
        load(path, "es")
    path.write_bytes(b"source,target\n\xff\xfe,x\n")
    with pytest.raises(InputError, match="cannot be read as a glossary"):
        load(path, "es")
