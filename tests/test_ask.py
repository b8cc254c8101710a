"""What a request says: the system message, the turns before, the wire contract of each protocol; without a server."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from plugdata import languages, prompts
from plugdata.recipe import Translate
from plugdata.translate.glossary import Glossary, Term
from plugdata.translate.protocols import PROTOCOLS
from plugdata.translate.task import translator
from plugdata.wire import Answer, Message, Request

Row = Mapping[str, Any]
ROW = {
    "instruction": "Name the city in the text.",
    "input": "She took the train to Lisbon.",
    "response": "It is Lisbon.",
}
MARKED = {
    "instruction": "What does `ls -l` do?",
    "input": "",
    "response": "It lists files, see https://example.org/ls.",
}
MISTAKEN = {
    "instruction": "Correct the sentence.",
    "input": "She go to school.",
    "response": "She goes to school.",
    "task_class": "correction",
    "policy": "equivalent-error",
}
KEPT = {
    "instruction": "Translate 'good morning' into French.",
    "input": "",
    "response": "Bonjour",
    "task_class": "translation",
    "policy": "keep-span",
}
TERMS = Glossary((Term("train", ("기차", "열차")), Term("city", ("도시",)), Term("harbour", ("항구",))))


def _asked(
    row: Row = ROW, *said: str, to: str = "ko", source: str = "en", terms: Glossary | None = None, **settings: Any
) -> Request:
    task = translator(languages.get(source), languages.get(to), Translate(**settings), {}, glossary=terms)
    step = task(row, [Answer(text, "stop") for text in said])
    assert isinstance(step, Request)
    return step


def _system(row: Row = ROW, *said: str, **settings: Any) -> str:
    first, *_ = _asked(row, *said, **settings).messages
    assert first.role == "system"
    return first.content


def _turns(request: Request) -> tuple[Message, ...]:
    """The messages between the first and the last."""
    return request.messages[1:-1]


# --- register, locale ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "formality", "line"),
    [
        ("ko", "formal", "Address the reader formally (존댓말, 합니다체)."),
        ("es", "informal", "Address the reader informally (tú)."),
        ("es-MX", "formal", "Address the reader formally (usted, plural ustedes)."),
        ("de", {"ko": "formal", "de": "informal"}, "Address the reader informally (du)."),
    ],
)
@pytest.mark.parametrize("protocol", ["tags", "json_schema", "plain"])
def test_how_the_reader_is_addressed_stands_in_the_system_message(
    protocol: str, to: str, formality: Any, line: str
) -> None:
    assert line in _system(to=to, protocol=protocol, formality=formality).splitlines()


@pytest.mark.parametrize("formality", [None, {"ko": "formal"}])
def test_a_register_that_nobody_asked_for_is_left_to_the_model(formality: Any) -> None:
    assert "Address" not in _system(to="de", formality=formality)


def test_a_language_without_a_word_for_the_register_gets_the_sentence_alone() -> None:
    plain = next(language for language in languages.table().values() if not language.formal)
    assert "Address the reader formally." in _system(to=plain.code, formality="formal").splitlines()


@pytest.mark.parametrize("protocol", ["tags", "json_schema", "plain"])
@pytest.mark.parametrize("code", ["es-MX", "zh-Hant", "pt-BR", "pt-PT", "no", "sw"])
def test_the_target_is_named_on_a_line_of_its_own(protocol: str, code: str) -> None:
    name = languages.get(code).name
    system = _system(to=code, protocol=protocol)
    assert f"Target language: {name} ({code})" in system.splitlines()
    assert not set(name) & set("()<>[]")
    assert f"from English into {name}" in system


def test_a_locale_has_a_name_of_its_own_and_the_examples_of_its_base_where_both_write_alike() -> None:
    mexican, spanish = _asked(to="es-MX"), _asked(to="es")
    assert "Mexic" in mexican.messages[0].content
    assert _turns(mexican) == _turns(spanish)
    assert _turns(_asked(to="zh-Hant")) != _turns(_asked(to="zh"))


def test_another_pivot_than_english_is_named_and_has_its_own_examples() -> None:
    request = _asked({**ROW, "response": "Es Lisboa."}, source="es", to="ca")
    assert "from Spanish into Catalan" in request.messages[0].content
    assert prompts.examples("es")[0].instruction in request.messages[1].content


# --- glossary, policies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tags", "json_schema", "plain"])
def test_the_terms_of_the_row_and_no_others_stand_in_the_system_message(protocol: str) -> None:
    lines = _system(terms=TERMS, protocol=protocol).splitlines()
    place = lines.index("Use these terms:")
    assert lines[place + 1 :] == ["- train → 기차 / 열차", "- city → 도시"]


def test_a_row_without_terms_is_not_told_of_any() -> None:
    assert _asked(MARKED, terms=TERMS) == _asked(MARKED)


def test_a_term_that_is_masked_is_no_term() -> None:
    row = {"instruction": "Run `train` now.", "input": "", "response": "Done."}
    assert "Use these terms:" not in _system(row, terms=TERMS)


def test_a_row_about_a_mistake_asks_for_a_mistake_in_the_target() -> None:
    system = _system(MISTAKEN)
    assert "about a mistake in a text. The Korean record must be about a mistake too" in system
    assert system.startswith(_system(ROW))
    assert "about a mistake" not in _system({**MISTAKEN, "policy": "translate"})


def test_a_row_that_keeps_a_span_says_so_and_does_not_show_it() -> None:
    request = _asked(KEPT)
    assert "Parts of this record stay in their own language" in request.messages[0].content
    assert "good morning" not in str(request.messages)
    assert "Bonjour" not in str(request.messages)
    assert "'⟦0⟧'" in request.messages[-1].content


def test_a_row_of_that_policy_in_which_nothing_is_kept_says_nothing() -> None:
    row = {**ROW, "task_class": "code", "policy": "keep-span"}
    assert _asked(row) == _asked(ROW)


# --- examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tags", "json_schema"])
@pytest.mark.parametrize(("row", "n"), [(ROW, 2), (MARKED, 3)])
def test_an_example_with_marks_is_sent_for_rows_with_marks_alone(protocol: str, row: Row, n: int) -> None:
    turns = _turns(_asked(row, protocol=protocol))
    assert [turn.role for turn in turns] == ["user", "assistant"] * n
    assert sum("⟦" in turn.content for turn in turns) == (2 if row is MARKED else 0)
    asked, said = prompts.examples("en"), prompts.examples("ko")
    for example, turn in zip((*asked[:n], *said[:n]), (*turns[0::2], *turns[1::2]), strict=True):
        assert json.dumps(example.response, ensure_ascii=False)[1:-1].replace("\\n", "\n") in turn.content.replace(
            "\\n", "\n"
        )


@pytest.mark.parametrize("row", [ROW, MARKED])
def test_a_recipe_may_send_fewer_examples_or_none(row: Row) -> None:
    assert len(_turns(_asked(row, examples=0))) == 0
    assert len(_turns(_asked(row, examples=1))) == (4 if row is MARKED else 2)


def test_examples_travel_one_text_a_turn_where_texts_do() -> None:
    turns = _turns(_asked(protocol="plain"))
    texts = [text for example in prompts.examples("en")[:2] for text in example if text]
    assert [turn.content for turn in turns[0::2]] == texts


@pytest.mark.parametrize("code", sorted(languages.table()))
def test_every_language_has_examples_and_a_system_message_without_gaps(code: str) -> None:
    if code == "en":
        return
    request = _asked(MARKED, to=code)
    assert len(_turns(request)) == 6
    assert not any("$" in message.content for message in request.messages)


# --- the wire contract of each protocol ------------------------------------------------------------------------------

FAULTY = {
    "tags": "no tags at all",
    "json_schema": "{}",
    "plug-paper": "<|user|> 하나",
}


@pytest.mark.parametrize("protocol", ["tags", "json_schema"])
@pytest.mark.parametrize("n_faulty", [0, 1, 2])
def test_each_text_stands_once_and_in_the_last_user_message_alone(protocol: str, n_faulty: int) -> None:
    request = _asked(ROW, *[FAULTY[protocol]] * n_faulty, protocol=protocol)
    assert "Target language: Korean (ko)" in request.messages[0].content.splitlines()
    assert request.messages[-1].role == "user"
    for text in ROW.values():
        assert request.messages[-1].content.count(text) == 1
        before = [message for message in request.messages[:-1] if text in message.content]
        assert [message.role for message in before] == ["user"] * bool(n_faulty)  # the first request, before its answer


def test_tags_stand_in_the_order_of_a_row_each_once() -> None:
    last = _asked(ROW).messages[-1].content
    assert re.findall(r"</?\w+>", last) == [f"<{slash}{name}>" for name in ROW for slash in ("", "/")]


def test_an_object_has_a_key_a_text_and_the_endpoint_is_told_its_form() -> None:
    request = _asked(ROW, protocol="json_schema")
    assert json.loads(request.messages[-1].content) == ROW
    asked: Any = request.params["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    assert asked["json_schema"]["schema"]["required"] == list(ROW)
    assert asked["json_schema"]["schema"]["additionalProperties"] is False
    without = _asked({**ROW, "input": ""}, protocol="json_schema").params["response_format"]
    assert without["json_schema"]["schema"]["required"] == ["instruction", "response"]


def test_only_that_protocol_asks_for_a_form() -> None:
    assert all("response_format" not in _asked(protocol=name).params for name in PROTOCOLS if name != "json_schema")


def test_after_a_fault_the_object_is_asked_for_again_with_the_fault_named() -> None:
    request = _asked(ROW, FAULTY["json_schema"], protocol="json_schema")
    last = request.messages[-1].content
    assert request.prompt == "repair-json-v1"
    assert last.startswith("Your earlier answer (no. 1) could not be used: the key 'input' is missing")
    assert json.loads(last[last.index("{") :]) == ROW
    assert request.messages[-2] == Message("assistant", "{}")
    assert request.params == _asked(ROW, protocol="json_schema").params


def test_the_papers_form_is_one_message_with_the_header_in_the_target_language() -> None:
    request = _asked(ROW, protocol="plug-paper")
    (only,) = request.messages
    assert only.role == "user"
    assert only.content == (
        "다음 글(원문 언어: English)을 한국어로 옮기되, 특수 토큰 두 개(<|user|>, <|assistant|>)는 그대로 두세요.\n\n"
        "<|user|> Name the city in the text.\n\nShe took the train to Lisbon. \n\n<|assistant|> It is Lisbon."
    )
    assert request.prompt == "plug-paper-v1"


def test_register_terms_and_policy_reach_the_papers_form_too() -> None:
    (only,) = _asked(MISTAKEN, protocol="plug-paper", formality="formal", terms=TERMS).messages
    assert "Address the reader formally" in only.content
    assert "must be about a mistake too" in only.content
    (only,) = _asked(ROW, protocol="plug-paper", terms=TERMS).messages
    assert "- city → 도시" in only.content


def test_the_papers_markers_in_a_source_are_masked() -> None:
    row = {
        "instruction": "What does <|user|> stand for?",
        "input": "",
        "response": "It opens a turn, as <|assistant|> does.",
    }
    (only,) = _asked(row, protocol="plug-paper").messages
    record = only.content.partition("\n\n")[2]
    assert re.findall(r"<\|\w+\|>", record) == ["<|user|>", "<|assistant|>"]
    assert "⟦0⟧" in record and "⟦1⟧" in record


@pytest.mark.parametrize("code", sorted(languages.table()))
def test_every_language_has_a_header_that_names_both_markers_and_the_pivot(code: str) -> None:
    header = prompts.sentence("plug-paper-v1", languages.get(code).texts)
    assert header is not None
    said = header.substitute(source_name="Aymara")
    assert all(said.count(piece) == 1 for piece in ("<|user|>", "<|assistant|>", "Aymara"))


def test_prompts_alone_are_asked_for_without_their_responses() -> None:
    assert re.findall(r"<\w+>", _asked(fields="instruction").messages[-1].content) == ["<instruction>", "<input>"]
    sent = _asked(fields="instruction", protocol="json_schema")
    assert list(json.loads(sent.messages[-1].content)) == ["instruction", "input"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_key_of_a_request_knows_terms_register_and_language(protocol: str) -> None:
    asked = [
        _asked(protocol=protocol),
        _asked(protocol=protocol, terms=TERMS),
        _asked(protocol=protocol, formality="formal"),
        _asked(protocol=protocol, to="es"),
    ]
    assert len({request.key("m") for request in asked}) == 4
    assert {request.lang for request in asked} == {"ko", "es"}
