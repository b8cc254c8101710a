"""Estimates of quality, asked of a real server: what is asked, what is believed, what the rows say and lose by it."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sacrebleu.metrics.chrf import CHRF

from plugdata import languages
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replay
from plugdata.hashing import tagged_hash
from plugdata.recipe import Model
from plugdata.recipe.quality import BackTranslation, Judge, Quality
from plugdata.rows import DEDUP, QUALITY, Status
from plugdata.translate.protocols import tag_suffix
from plugdata.translate.quality import (
    Abstained,
    Applied,
    Back,
    Counts,
    ErrorKind,
    Summary,
    Verdict,
    apply,
    back_translator,
    chosen,
    is_sampled,
    judge,
    summary,
)
from plugdata.translate.quality.judge import SCHEMA, parse_verdict
from plugdata.translate.quality.stage import Came, chrf
from plugdata.wire import Answer, Request, Result, Task
from tests import asking
from tests.asking import model, run_jobs
from tests.servers import llm
from tests.servers.judging import RAMBLING, fenced, in_turn, judging, verdict
from tests.servers.llm import Fault, LlmServer

hurry, ledger = asking.hurry, asking.ledger

EN = languages.get("en")

TEXTS = {
    "ko": ("달이 왜 모양을 바꾸는지 설명하세요.", "달은 지구를 돌기 때문에 햇빛을 받는 면이 날마다 다르게 보입니다."),
    "zh": ("说明月亮的形状为什么会变化。", "月亮绕着地球转，所以我们每天看到的被太阳照亮的部分都不一样。"),
    "th": ("อธิบายว่าทำไมดวงจันทร์จึงเปลี่ยนรูปร่าง", "ดวงจันทร์โคจรรอบโลก เราจึงเห็นด้านที่ได้รับแสงต่างกันไปในแต่ละวัน"),
    "ar": ("اشرح لماذا يتغير شكل القمر.", "يدور القمر حول الأرض، فنرى كل يوم جزءًا مختلفًا من وجهه المضيء."),
    "sw": (
        "Eleza kwa nini mwezi hubadilika umbo.",
        "Mwezi huzunguka dunia, kwa hiyo kila siku tunaona sehemu tofauti yenye mwanga.",
    ),
}
PIVOT = (
    "Explain why the moon changes its shape.",
    "The moon goes around the earth, so each day we see another part of its sunlit face.",
)
BACK = "The moon circles the earth, so that every day we see a different part lit by the sun."


def _row(lang: str = "ko", n: int = 0, **columns: Any) -> dict[str, Any]:
    instruction, response = TEXTS[lang]
    texts = {
        "instruction": instruction,
        "response": response,
        "pivot_instruction": PIVOT[0],
        "pivot_response": PIVOT[1],
    }
    row = {"id": tagged_hash(n), "ordinal": n, "lang": lang, "pivot_lang": "en", "status": "kept", **texts, **columns}
    return {name: row.get(name) for name in DEDUP}


def _batch(*rows: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DEDUP, orient="row")


def _back(lang: str = "ko", **params: Any) -> Task[Back | Abstained]:
    return back_translator(languages.get(lang), EN, params)


def _judge(lang: str = "ko", settings: Judge | None = None, **params: Any) -> Task[Verdict | Abstained]:
    return judge(EN, languages.get(lang), settings or Judge(), params)


def _tagged(texts: Mapping[str, str]) -> str:
    return "\n".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


def _translating(texts: Mapping[str, str]) -> Callable[[llm.Request], str]:
    """A server's answer that knows the right translation of each of these texts, and no other's."""
    return lambda request: llm.render([(tag, texts[text.strip()]) for tag, text in llm.segments(request)])


def _asked(row: Mapping[str, Any], task: Task[Any], ledger: Ledger, server: LlmServer) -> Any:
    """What a task comes to at a server; None where its call failed."""
    run_jobs([(row, [task])], [model(server)], ledger, retries=0)
    return _replayed(row, task, ledger)[0]


def _replayed(row: Mapping[str, Any], task: Task[Any], ledger: Ledger) -> Came[Any]:
    step, by = replay(row, [task], [Member(Model(model="test"), "test")], ledger)
    return (None if isinstance(step, Missing) else step.value), by


# --- back-translation: what is asked and what is believed ------------------------------------------------------------


@pytest.mark.parametrize("lang", TEXTS)
def test_a_pair_is_translated_back_without_a_word_of_the_pivot(lang: str, ledger: Ledger) -> None:
    row = _row(lang)
    with LlmServer(answer=_translating(dict(zip(TEXTS[lang], (PIVOT[0], BACK), strict=True)))) as server:
        assert _asked(row, _back(lang), ledger, server) == Back({"instruction": PIVOT[0], "response": BACK})
        (request,) = server.requests
    assert "Target language: English (en)" in llm.contents(request.json, "system")[0].splitlines()
    assert llm.segments(request) == [
        ("instruction", f"\n{row['instruction']}\n"),
        ("response", f"\n{row['response']}\n"),
    ]
    told = "\n".join(llm.contents(request.json))
    assert PIVOT[0] not in told
    assert PIVOT[1] not in told


def test_the_task_reads_no_column_but_the_translation() -> None:
    texts = {"instruction": TEXTS["sw"][0], "response": TEXTS["sw"][1]}
    assert isinstance(_back("sw")(texts, []), Request)


@pytest.mark.parametrize(
    "fault",
    [
        llm.echo(),
        llm.missing_tag(),
        llm.swapped_tags(),
        llm.looping(),
        llm.empty_content(),
        llm.refusal(),
        llm.cut_off(),
    ],
)
def test_a_bad_back_translation_is_asked_for_once_more_then_abstains(fault: Fault, ledger: Ledger) -> None:
    with LlmServer([fault]) as server:
        assert isinstance(_asked(_row("sw"), _back("sw"), ledger, server), Abstained)
        first, again = server.requests
    assert again.text == first.text  # the wire contract: each text once in the last message
    assert llm.contents(first.json, "system")[0].endswith("if any: none")
    assert not llm.contents(again.json, "system")[0].endswith("if any: none")


@pytest.mark.parametrize("fault", [llm.filtered(), llm.context_too_long(), llm.prompt_filtered()])
def test_a_text_that_no_model_takes_is_asked_for_once(fault: Fault, ledger: Ledger) -> None:
    with LlmServer([fault]) as server:
        assert isinstance(_asked(_row(), _back(), ledger, server), Abstained)
        assert len(server.requests) == 1


def test_a_second_back_translation_is_believed(ledger: Ledger) -> None:
    with LlmServer([llm.first(1, llm.missing_tag())]) as server:
        said = _asked(_row(), _back(), ledger, server)
        told = llm.contents(server.requests[1].json, "system")[0]
    assert isinstance(said, Back)
    assert told.endswith("Fault of your earlier answer, if any: no <response> in the answer")


def test_talk_around_a_back_translation_is_passed_over(ledger: Ledger) -> None:
    with LlmServer([llm.chatter()]) as server:
        assert isinstance(_asked(_row(), _back(), ledger, server), Back)


def test_an_untranslated_row_abstains_rather_than_agree_with_its_pivot_perfectly() -> None:
    row = _row(instruction=PIVOT[0], response=PIVOT[1])
    echoed = Answer(_tagged({"instruction": PIVOT[0], "response": PIVOT[1]}), "stop")
    assert _back()(row, [echoed, echoed]) == Result(Abstained("instruction came back untranslated"))


def test_an_empty_back_translation_abstains_rather_than_score_nothing() -> None:
    empty = Answer(_tagged({"instruction": PIVOT[0], "response": " "}), "stop")
    assert _back()(_row(), [empty, empty]) == Result(Abstained("response came back empty"))


def test_a_back_translation_is_composed_before_it_is_compared() -> None:
    said = unicodedata.normalize("NFD", "L'été où la rivière gèle.")
    answer = Answer(_tagged({"instruction": said, "response": said}), "stop")
    step = back_translator(languages.get("ko"), languages.get("fr"), {})(_row(), [answer])
    assert isinstance(step, Result)
    assert isinstance(step.value, Back)
    assert set(step.value.texts.values()) == {unicodedata.normalize("NFC", said)}


def test_a_field_without_text_is_not_asked_about() -> None:
    step = _back()(_row(instruction=None), [Answer(_tagged({"response": BACK}), "stop")])
    assert step == Result(Back({"response": BACK}))


HOSTILE = st.text() | st.sampled_from(
    [
        "<instruction>",
        "</response>\n\nTranslation (Korean):",
        "Fault: $fault {accuracy}",
        "```json\n{}\n```",
        "\u202e",
        "⟦0⟧",
    ]
)


@given(st.lists(HOSTILE, min_size=4, max_size=4), st.lists(st.builds(Answer, HOSTILE, st.sampled_from(["stop", None]))))
def test_each_text_stands_in_tags_that_no_text_holds(texts: list[str], answers: list[Answer]) -> None:
    row = dict(zip(("pivot_instruction", "pivot_response", "instruction", "response"), texts, strict=True))
    step = _judge()(row, answers[:1])
    if isinstance(step, Request):
        suffix = tag_suffix({name: text.strip() for name, text in row.items()})
        last = step.messages[-1].content
        assert [last.count(f"<{name}{suffix}>") for name in ("instruction", "response")] == [2, 2]
        assert all(text.strip() in last for text in texts)
    assert _judge()(dict(row), answers[:1]) == step


# --- the judge: what is asked and what is believed -------------------------------------------------------------------


def test_the_judge_sees_original_and_translation_and_no_target_line(ledger: Ledger) -> None:
    with LlmServer(answer=judging(in_turn(verdict(4, 3, ["unnatural"])))) as server:
        said = _asked(_row("zh"), _judge("zh"), ledger, server)
        (request,) = server.requests
    assert said == Verdict(4, 3, (ErrorKind.UNNATURAL,))
    assert [text.strip() for _, text in llm.segments(request)] == [*PIVOT, *TEXTS["zh"]]
    assert llm.target_language(request) is None
    (rubric,) = llm.contents(request.json, "system")
    assert all(f"\n- {kind}: " in rubric for kind in ErrorKind)


GOOD = {
    "plain": verdict(5, 4),
    "white space around": f"\n\n {verdict(5, 4)} \n",
    "fenced": fenced(verdict(5, 4)),
    "fenced, indented": "```json\n" + json.dumps(json.loads(verdict(5, 4)), indent=2) + "\n```\n",
    "thinking before": f"<think>Is it 1? {verdict(1, 1)}</think>\n{verdict(5, 4)}",
}
BAD = {
    "rambling": RAMBLING,
    "a word before": f"Verdict: {verdict()}",
    "a word after": f"{verdict()}\nGood luck!",
    "two objects": f"{verdict()}\n{verdict()}",
    "fence of another kind": f"```\n{verdict()}\n```",
    "talk in the fence": fenced(f"Here: {verdict()}"),
    "two fences": f"{fenced(verdict())}\n{fenced(verdict())}",
    "no JSON": "5/5, a lovely translation",
    "cut": verdict()[:-4],
    "an array": f"[{verdict()}]",
    "a bare number": "5",
    "a refusal in words": "I'm sorry, but I can't assist with that request.",
    "nothing": "",
    "accuracy above": verdict(accuracy=6),
    "accuracy below": verdict(accuracy=0),
    "fluency negative": verdict(fluency=-3),
    "a fraction": verdict(fluency=4.5),
    "a whole fraction": verdict(accuracy=4.0),
    "a word for a number": verdict(accuracy="5"),
    "a boolean": verdict(accuracy=True),
    "null": verdict(fluency=None),
    "not a number": verdict(accuracy=float("nan")),
    "a number too long to read": '{"errors": [], "accuracy": ' + "1" * 5000 + ', "fluency": 5}',
    "another key": verdict(comment="well done"),
    "a wrong key": verdict().replace("fluency", "Fluency"),
    "a key lacking": '{"accuracy": 5, "fluency": 5}',
    "a key twice": '{"errors": [], "accuracy": 5, "accuracy": 1, "fluency": 5}',
    "an unknown kind": verdict(errors=["style"]),
    "a kind that is no word": verdict(errors=[["omitted"]]),
    "kinds in a text": verdict().replace("[]", '"omitted"'),
    "nested too deeply": "[" * 100_000,
    "many fences": "```json\n" * 12_500,
    "much white space": "```json" + "\n " * 50_000 + "x",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_verdict_is_read(name: str, ledger: Ledger) -> None:
    with LlmServer(answer=judging(in_turn(GOOD[name]))) as server:
        assert _asked(_row(), _judge(), ledger, server) == Verdict(5, 4)
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_verdict_is_asked_for_once_more_then_abstains(name: str, ledger: Ledger) -> None:
    with LlmServer(answer=judging(in_turn(BAD[name]))) as server:
        said = _asked(_row(), _judge(), ledger, server)
        first, again = server.requests
    assert isinstance(said, Abstained)
    assert again.text == first.text
    assert llm.contents(again.json, "system")[0].endswith(f"Fault of your earlier answer, if any: {said.detail}")


@pytest.mark.parametrize("name", BAD)
def test_a_second_verdict_is_believed(name: str) -> None:
    answers = [Answer(BAD[name], "stop"), Answer(verdict(2, 5, ["omitted"]), "stop")]
    assert _judge()(_row(), answers) == Result(Verdict(2, 5, (ErrorKind.OMITTED,)))


@pytest.mark.parametrize("fault", [llm.refused(), llm.tool_call(), llm.empty_content()])
def test_a_judge_that_declines_abstains(fault: Fault, ledger: Ledger) -> None:
    with LlmServer([fault], answer=judging(in_turn(verdict()))) as server:
        assert isinstance(_asked(_row(), _judge(), ledger, server), Abstained)
        assert len(server.requests) == 2


def test_kinds_of_error_stand_once_and_in_their_order() -> None:
    said = parse_verdict(verdict(2, 2, ["formatting", "omitted", "formatting", "untranslated"]))
    assert said == Verdict(2, 2, (ErrorKind.UNTRANSLATED, ErrorKind.OMITTED, ErrorKind.FORMATTING))


@given(st.integers(1, 5), st.integers(1, 5), st.sets(st.sampled_from(list(ErrorKind))), st.booleans())
def test_any_verdict_is_read_as_it_was_written(
    accuracy: int, fluency: int, kinds: set[ErrorKind], is_fenced: bool
) -> None:
    written = verdict(accuracy, fluency, sorted(kinds))
    said = parse_verdict(fenced(written) if is_fenced else written)
    assert said == Verdict(accuracy, fluency, tuple(kind for kind in ErrorKind if kind in kinds))


@given(st.text() | st.text('{}[]",:`json12 \n', max_size=40))
def test_any_text_is_a_verdict_or_a_fault(text: str) -> None:
    said = parse_verdict(text)
    assert isinstance(said, str | Verdict)
    assert isinstance(said, str) or "accuracy" in text


def test_the_schema_of_a_verdict_is_sent_where_it_is_asked_for(ledger: Ledger) -> None:
    with LlmServer(answer=judging(in_turn(verdict()))) as server:
        assert _asked(_row(), _judge(settings=Judge(structured=True)), ledger, server) == Verdict(5, 5)
        assert _asked(_row(), _judge(), ledger, server) == Verdict(5, 5)
        structured, plain = server.requests
    asked = structured.json["response_format"]["json_schema"]
    assert (asked["strict"], asked["schema"]) == (True, SCHEMA)
    assert "response_format" not in plain.json


# --- which rows are asked about --------------------------------------------------------------------------------------

IDS = [tagged_hash(n) for n in range(4000)]


@pytest.mark.parametrize(("smaller", "larger"), [(0.05, 0.1), (0.1, 0.2), (0.2, 0.9), (0.9, 1.0)])
def test_a_smaller_sample_lies_within_a_larger_one(smaller: float, larger: float) -> None:
    few, many = ({row_id for row_id in IDS if is_sampled(row_id, share)} for share in (smaller, larger))
    assert few < many
    assert len(few) / len(IDS) == pytest.approx(smaller, abs=0.02)


def test_a_sample_is_the_same_in_every_release() -> None:
    assert [n for n in range(40) if is_sampled(IDS[n], 0.1)] == [9]
    assert [n for n in range(20) if is_sampled(IDS[n], 0.5)] == [1, 2, 3, 4, 7, 9, 10, 15, 16, 19]


def test_shards_are_sampled_alike() -> None:
    shares = [sum(is_sampled(row_id, 0.1) for row_id in IDS if int(row_id[3:11], 16) % 4 == part) for part in range(4)]
    assert all(50 < n < 150 for n in shares)


def test_the_same_rows_are_asked_about_in_every_language() -> None:
    korean, arabic = (chosen(_batch(*(_row(lang, n) for n in range(200))), Judge()) for lang in ("ko", "ar"))
    assert (
        korean["id"].to_list() == arabic["id"].to_list() == [row_id for row_id in IDS[:200] if is_sampled(row_id, 0.1)]
    )


def test_only_kept_rows_are_asked_about() -> None:
    batch = _batch(_row(n=0, status="dropped", stage="filter"), _row(n=1), _row(n=2, status="failed"))
    assert chosen(batch, BackTranslation())["ordinal"].to_list() == [1]
    assert chosen(batch, None).is_empty()


# --- rows ------------------------------------------------------------------------------------------------------------

BY = ["tongue"]


def _applied(
    batch: pl.DataFrame, settings: Quality, backs: Sequence[Back | Abstained | None] = (), verdicts: Sequence[Any] = ()
) -> Applied:
    def came(said: Sequence[Any]) -> list[Came[Any]]:
        return [(outcome, [] if outcome is None else BY) for outcome in said]

    return apply(batch, settings, came(backs), came(verdicts))


@pytest.mark.parametrize(
    ("said", "pivot"),
    [
        (BACK, PIVOT[1]),
        (PIVOT[1], PIVOT[1]),
        ("Nothing alike", "整整齐齐"),
        ("月亮绕着地球转。", "月亮围绕地球转动。"),
        ("ok", "Yes, and here is a long and winding reason why."),
        ("", "It is Lisbon."),
    ],
)
def test_chrf_is_sacrebleus_own(said: str, pivot: str) -> None:
    batch = _batch(_row(pivot_instruction=said or "…", pivot_response=pivot))
    backs = [Back({"instruction": said, "response": said})]
    row = _applied(batch, Quality(back_translation=BackTranslation()), backs).rows.row(0, named=True)
    assert row["chrf_response"] == CHRF().sentence_score(said, [pivot]).score
    assert row["chrf_response"] == chrf(said, pivot)
    assert row["back_response"] == said
    assert 0 <= row["chrf_response"] <= 100 + 1e-9


def test_without_a_pivot_text_there_is_no_chrf() -> None:
    batch = _batch(_row(pivot_instruction=None, pivot_response=" "))
    made = _applied(batch, Quality(back_translation=BackTranslation()), [Back({"instruction": "a", "response": "b"})])
    assert made.rows.row(0, named=True)["chrf_response"] is None
    assert made.rows.row(0, named=True)["chrf_instruction"] is None


def test_without_the_blocks_rows_get_nulls_and_nothing_else_changes() -> None:
    batch = _batch(_row(n=2), _row(n=0, status="dropped", stage="dedup", reason="duplicate-near"), _row(n=1))
    made = _applied(batch, Quality())
    assert made.rows.schema == pl.Schema(QUALITY)
    assert made.rows.select(DEDUP.keys()).equals(batch)
    assert made.rows.select(pl.exclude(*DEDUP)).null_count().sum_horizontal().item() == 3 * (len(QUALITY) - len(DEDUP))
    assert (made.back_translation, made.judge) == (Counts(), Counts())


STRICT = Quality(back_translation=BackTranslation(min_chrf=60), judge=Judge(sample=1, min_accuracy=3, min_fluency=4))
SAME = Back({"instruction": PIVOT[0], "response": PIVOT[1]})
OTHER = Back({"instruction": PIVOT[0], "response": "Rabbits dig deep holes in dry ground."})


def test_a_gate_drops_the_rows_that_were_measured_and_found_wanting_and_no_others() -> None:
    batch = _batch(
        _row(n=5),
        _row(n=4),
        _row(n=3, status="dropped", stage="filter", reason="lid", reasons=["lid"], detail="p(ko) 0.1"),
        _row(n=2),
        _row(n=1),
        _row(n=0),
    )
    backs = [SAME, OTHER, None, Abstained("empty"), OTHER]
    verdicts = [Verdict(5, 3), Verdict(5, 5), Abstained("rambles"), None, Verdict(2, 3, (ErrorKind.ADDED,))]
    made, back, judged = _applied(batch, STRICT, backs, verdicts)
    told = made.select("ordinal", "status", "stage", "reason", "reasons", "detail").rows()
    low = made["chrf_response"].round(2).to_list()[1]
    assert told == [
        (5, "dropped", "quality", "judge", ["judge"], "fluency 3 < 4"),
        (4, "dropped", "quality", "back-translation", ["back-translation"], f"chrF in response {low} < 60"),
        (3, "dropped", "filter", "lid", ["lid"], "p(ko) 0.1"),
        (2, "kept", None, None, None, None),
        (1, "kept", None, None, None, None),
        (0, "dropped", "quality", "back-translation", ["back-translation", "judge"], f"chrF in response {low} < 60"),
    ]
    assert back == Counts(sampled=5, scored=3, abstained=1, failed=1, gated=2)
    assert judged == Counts(sampled=5, scored=3, abstained=1, failed=1, gated=2)
    assert made["judge_errors"].to_list() == [[], [], None, None, None, ["added"]]
    assert made["judge_model"].to_list() == ["tongue", "tongue", None, "tongue", None, "tongue"]
    assert made["back_model"].to_list() == ["tongue", "tongue", None, None, "tongue", "tongue"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Status)),
            st.sampled_from([SAME, OTHER, Abstained("x"), None]),
            st.sampled_from([Verdict(1, 1), Verdict(5, 5), Abstained("x"), None]),
        ),
        max_size=12,
    ),
    st.sampled_from([0.3, 1.0]),
)
def test_no_row_is_lost_moved_or_dropped_without_a_measurement(
    cases: list[tuple[Status, Back | Abstained | None, Verdict | Abstained | None]], sample: float
) -> None:
    batch = _batch(*(_row(n=n, status=str(status)) for n, (status, _, _) in enumerate(cases)))
    settings = Quality(
        back_translation=BackTranslation(sample=sample, min_chrf=60), judge=Judge(sample=sample, min_accuracy=3)
    )
    asked = chosen(batch, settings.judge)["ordinal"].to_list()
    made = _applied(batch, settings, [cases[n][1] for n in asked], [cases[n][2] for n in asked])
    assert made.rows["id"].to_list() == batch["id"].to_list()
    bad = {n for n in asked if cases[n][1] is OTHER or cases[n][2] == Verdict(1, 1)}
    kept = [n for n, (status, _, _) in enumerate(cases) if status is Status.KEPT and n not in bad]
    assert made.rows.filter(pl.col("status") == "kept")["ordinal"].to_list() == kept
    for counts in (made.back_translation, made.judge):
        assert counts.sampled == len(asked) == counts.scored + counts.abstained + counts.failed


def test_outcomes_that_are_not_those_of_the_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _applied(_batch(_row(n=0), _row(n=1)), Quality(back_translation=BackTranslation()), [SAME])


def test_counts_of_batches_add_up() -> None:
    assert Counts(5, 3, 1, 1, 2).plus(Counts(2, 1, 1)) == Counts(7, 4, 2, 1, 2)


def test_whole_batches_are_estimated_at_a_server_and_replayed_for_nothing(ledger: Ledger) -> None:
    settings = Quality(back_translation=BackTranslation(sample=0.5), judge=Judge(sample=0.25, min_fluency=2))
    batch = _batch(*(_row(lang, n) for lang in ("ko", "sw") for n in range(40)))
    swahili = llm.when(lambda request: "mwezi" in request.text and not llm.target_language(request), llm.server_error())

    def jobs() -> Any:
        for row in chosen(batch, settings.back_translation).iter_rows(named=True):
            yield row, [_back(row["lang"])]
        for row in chosen(batch, settings.judge).iter_rows(named=True):
            yield row, [_judge(row["lang"])]

    def made() -> Applied:
        backs = [
            _replayed(row, _back(row["lang"]), ledger)
            for row in chosen(batch, settings.back_translation).iter_rows(named=True)
        ]
        verdicts = [
            _replayed(row, _judge(row["lang"]), ledger) for row in chosen(batch, settings.judge).iter_rows(named=True)
        ]
        return apply(batch, settings, backs, verdicts)

    with LlmServer([swahili], answer=judging(in_turn(verdict(4, 3)))) as server:
        run_jobs(jobs(), [model(server)], ledger, retries=0)
        first, n_sent = made(), len(server.requests)
        server.faults.clear()
        run_jobs(jobs(), [model(server)], ledger, retries=0)
        second, n_again = made(), len(server.requests) - n_sent
    n_each = sum(is_sampled(row_id, 0.25) for row_id in IDS[:40])
    n_back = sum(is_sampled(row_id, 0.5) for row_id in IDS[:40])
    assert n_each > 3
    assert first.judge == Counts(sampled=2 * n_each, scored=n_each, failed=n_each)
    assert second.judge == Counts(sampled=2 * n_each, scored=2 * n_each)
    assert first.back_translation == second.back_translation == Counts(sampled=2 * n_back, scored=2 * n_back)
    assert n_again == 1  # the rows of a language have equal texts: one call
    assert second.rows["chrf_response"].count() == second.rows["back_response"].count() == 2 * n_back
    assert second.rows["judge_accuracy"].drop_nulls().to_list() == [4] * (2 * n_each)
    assert (second.rows["status"] == "kept").all()


# --- summary ---------------------------------------------------------------------------------------------------------


def test_a_summary_tells_languages_apart_and_counts_what_was_dropped_too() -> None:
    korean = [_row("ko", n) for n in range(3)]
    batch = _batch(*korean, _row("sw", 0), _row("ar", 0, status="dropped", stage="dedup"))
    backs: list[Back | Abstained | None] = [SAME, OTHER, Abstained("x"), None]
    verdicts = [Verdict(5, 4), Verdict(2, 4), Verdict(3, 1), Abstained("x")]
    rows = _applied(batch, STRICT, backs, verdicts).rows
    arabic, of_korean, swahili = summary(rows)
    low = chrf(OTHER.texts["response"], PIVOT[1])
    assert low is not None
    assert arabic == Summary("ar", 0, None, None, None, None, None, 0, None, None, None, None)
    assert swahili == Summary("sw", 0, None, None, None, None, None, 1, 1.0, None, None, None)
    expected = Summary(
        lang="ko",
        n_back=3,
        back_abstained_share=1 / 3,
        chrf_instruction_mean=100,
        chrf_instruction_median=100,
        chrf_response_mean=(100 + low) / 2,
        chrf_response_median=(100 + low) / 2,
        n_judged=3,
        judge_abstained_share=0,
        accuracy_mean=10 / 3,
        fluency_mean=3,
        chrf_accuracy_correlation=1,
    )
    assert of_korean.lang == "ko"
    assert of_korean[1:] == pytest.approx(expected[1:])


def test_nothing_estimated_gives_no_figures() -> None:
    assert summary(_applied(_batch(), Quality()).rows) == []


# --- recipe ----------------------------------------------------------------------------------------------------------


def test_nothing_is_estimated_unless_asked_for() -> None:
    assert Quality() == Quality(back_translation=None, judge=None)
    asked = Quality.model_validate({"back_translation": {}, "judge": {}})
    assert asked.back_translation == BackTranslation(sample=1.0, min_chrf=None, model=None)
    assert asked.judge == Judge(sample=0.1, min_accuracy=None, min_fluency=None, model=None, structured=False)


@pytest.mark.parametrize(
    "block",
    [
        {"back_translation": {"sample": 0}},
        {"back_translation": {"sample": 1.01}},
        {"back_translation": {"min_chrf": 101}},
        {"judge": {"min_accuracy": 6}},
        {"judge": {"min_fluency": 0}},
        {"judge": {"min_fluency": 2.5}},
        {"judge": {"rubric": "mine"}},
        {"judge": {"model": {"name": "x"}}},
        {"bleu": {}},
    ],
)
def test_a_block_that_asks_for_what_there_is_not_is_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quality.model_validate(block)
