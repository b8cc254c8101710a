"""Answers that are there already, read again: the same keys, the same outcomes, whatever is spared on the way."""

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import TOGETHER, replay, replays
from plugdata.checks import lid
from plugdata.checks.refusal import READ_CHARS, SEVERAL, Ahead, new_refusal, none_refuses
from plugdata.checks.repetition import MAX_UNIT, MIN_CHARS, is_loop
from plugdata.hashing import tagged_hash
from plugdata.recipe import Translate
from plugdata.translate.task import HELD, Translator, translator
from plugdata.wire import Answer, Message, Request, Result
from tests import asking
from tests.asking import model, pool, rows, run_jobs
from tests.servers import llm
from tests.servers.llm import LlmServer

hurry, ledger = asking.hurry, asking.ledger

TEXTS = st.text(st.characters(), max_size=20)  # half surrogates too
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXTS, st.lists, max_leaves=4)
NAMES = (TEXTS | st.sampled_from(["max_tokens", "n", "top_p", "message", "messages2"])).filter(
    lambda n: n != "messages"
)


@given(st.lists(st.builds(Message, TEXTS, TEXTS), max_size=4), st.dictionaries(NAMES, VALUES, max_size=4), TEXTS)
def test_a_key_is_the_hash_of_the_whole_request(messages: list[Message], params: dict[str, Any], model: str) -> None:
    request = Request(tuple(messages), params)
    whole = tagged_hash({"served_as": model, **request.body()})
    assert [request.key(model), request.key(model)] == [whole, whole]


def test_a_key_that_was_paid_for_stays_what_it_is() -> None:
    messages = (Message("system", 'Übersetze "alles"\n'), Message("user", "강 <b>\u2028⟦0⟧</b>"))
    request = Request(messages, {"top_p": 0.5, "max_tokens": 64, "response_format": {"type": "text"}})
    assert request.key("m") == KEY


KEY = "b2:61cb4b7e4d2df631a2d27b880f48e3eb"
"""As the first release wrote it."""


@pytest.mark.parametrize("lang", ["ko", "es"])
def test_rows_replayed_together_come_to_what_each_comes_to_alone(
    ledger: Ledger, lid_model_path: Path, lang: str
) -> None:
    """Two endpoints, answers that were repaired, answers that are lacking, over several times TOGETHER rows."""
    asked = rows(3 * TOGETHER + 5)
    faults = [llm.when(lambda request: request.index % 4 == 0, llm.missing_tag())]
    with LlmServer(faults) as a, LlmServer() as b:
        members = [model(a, model="one"), model(b, model="two", params={"top_p": 0.5})]
        settings = Translate(repair=1, examples=0)
        en, target = languages.get("en"), languages.get(lang)
        identifier = cache(lambda: lid.load(lid_model_path))

        def fresh() -> list[Translator]:
            return [translator(en, target, settings, member.params, model=identifier) for member in members]

        answered = [row for i, row in enumerate(asked) if i % 7]
        assert run_jobs(((row, fresh()) for row in answered), members, ledger).done == len(answered)
        tasks = fresh()
        together = list(replays(iter(asked), tasks, pool(members), ledger, [task.read for task in tasks]))
        unread = list(replays(iter(asked), fresh(), pool(members), ledger))
        alone = [replay(row, fresh(), pool(members), ledger) for row in asked]
    assert together == unread == alone
    assert {len(by) for _, by in together} >= {0, 1, 2}
    assert [isinstance(step, Result) for step, _ in together] == [i % 7 > 0 for i in range(len(asked))]


def test_rows_stepped_through_in_turn_come_to_what_each_comes_to_alone() -> None:
    task = translator(languages.get("en"), languages.get("ko"), Translate(protocol="plain", examples=0), {})
    asked = rows(HELD + 10)  # the first are held no longer when their turn comes again
    said = [
        [Answer("북쪽의 강을 말해 보세요.", "stop"), Answer(f"긴 강이 {i}개 있습니다.", "stop")]
        for i in range(len(asked))
    ]
    steps = [[task(row, answers[:n]) for row, answers in zip(asked, said, strict=True)] for n in range(3)]
    for row, answers, *turns in zip(asked, said, *steps, strict=True):
        alone = translator(languages.get("en"), languages.get("ko"), Translate(protocol="plain", examples=0), {})
        assert turns == [alone(dict(row), answers[:n]) for n in range(3)]


PHRASES = {
    code: phrases
    for code, phrases in tomllib.loads(
        resources.files("plugdata.checks").joinpath("refusals.toml").read_text("utf-8")
    ).items()
}
CLEAN = ("El molino está junto al río.", "Zum Fluss sind es zwei Stunden. " * 30, "강은 언덕에서 시작됩니다.")


@pytest.mark.parametrize("code", PHRASES)
def test_a_refusal_is_seen_in_whichever_text_of_a_row_it_stands(code: str) -> None:
    for i, phrase in enumerate(PHRASES[code]):
        for text in (f"{phrase.upper()} …", "x. " * READ_CHARS + f"\n{phrase.replace(' ', chr(10))}"):
            assert new_refusal("", text, "en", code)
            assert not none_refuses((*CLEAN[: i % 3], text, *CLEAN[i % 3 :]), "en", code)
    assert none_refuses(CLEAN, "en", code)


@pytest.mark.parametrize("n_told", [0, 1, SEVERAL])
@pytest.mark.parametrize("code", ["ko", "es", "zh"])
def test_a_refusal_is_seen_however_many_answers_were_told_of(code: str, n_told: int) -> None:
    ahead = Ahead("en", code)
    for phrase in PHRASES[code]:
        for _ in range(n_told):
            ahead.expect((*CLEAN, phrase))
        assert not ahead.none_refuses((*CLEAN, phrase))
        assert ahead.none_refuses(CLEAN)


@pytest.mark.parametrize("white", [" ", "\n", "\u3000"])
def test_white_space_at_the_end_is_a_loop_however_short_the_one_looked_for(white: str) -> None:
    words = " ".join(f"word{i}" for i in range(60))
    assert is_loop(words + white * 80, 75)
    assert is_loop(words + white * MIN_CHARS)
    assert not is_loop(words + white * 20, 75)


@pytest.mark.parametrize("blanks", [0, 1, 7])
def test_a_loop_is_seen_through_any_white_space(blanks: int) -> None:
    unit = "".join(chr(0x4E00 + i) + " " * blanks for i in range(MAX_UNIT))
    assert is_loop("Once. " * 2 + unit * 9)
    assert not is_loop(unit)
