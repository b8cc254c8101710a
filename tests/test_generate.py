"""Instructions for passages, asked of a real server: what is asked, which answers are believed, what the rows say."""

import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages, prompts
from plugdata.asking import Fault, read_tag, tag_suffix
from plugdata.calls.ledger.store import Ledger
from plugdata.checks import lid
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.recipe import Generate
from plugdata.rows import GENERATE, Reason
from plugdata.stages.generation import Generation
from plugdata.wire import Answer, Task
from plugdata.xinstruct.generate import Candidate, Generated, generator, lay_candidates
from tests import asking, instructing
from tests.instructing import TEXTS, frame, passage, row, saying, tagged, walk
from tests.servers import llm
from tests.servers.llm import LlmServer

hurry, ledger = asking.hurry, asking.ledger

EN = languages.get("en")


def _task(lang: str = "fi", params: Mapping[str, Any] | None = None, **settings: Any) -> Task[Generated]:
    return generator(EN, languages.get(lang), Generate(**settings), {"temperature": 0} if params is None else params)


def _only(came: Generated) -> Candidate:
    (made,) = came.candidates
    return made


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", TEXTS)
def test_a_right_answer_is_an_instruction(lang: str) -> None:
    (request,), came = walk(_task(lang), row(lang), f"Sure!\n{tagged('instruction', TEXTS[lang][0])}\nAnything else?")
    assert _only(came) == Candidate(TEXTS[lang][0], None, None, 0)
    system, *examples, user = request.messages
    assert user.content == f"<text>\n{passage(lang)}\n</text>"
    assert [turn.role for turn in examples] == ["user", "assistant"] * 2
    assert languages.get(lang).name in system.content and "English" in system.content
    assert "$" not in system.content and "Target language:" not in system.content
    assert (request.stage, request.lang, request.prompt) == ("generate", lang, "x-instruction-v1")


def test_an_answer_that_ended_may_lack_its_closing_tag() -> None:
    _, came = walk(_task(), row(), f"<instruction>\n{TEXTS['fi'][0]}")
    assert _only(came) == Candidate(TEXTS["fi"][0], None, None, 0)


@pytest.mark.parametrize("end", ["</instructions>", "</instruction", "</text>", "<instruction/>", "</Instruction>\n"])
def test_another_tag_at_the_end_is_no_part_of_an_instruction(end: str) -> None:
    _, came = walk(_task(repair=0), row(), f"<instruction>\n{TEXTS['fi'][0]}{end}")
    assert _only(came).reason is Reason.BAD_TAGS


@pytest.mark.parametrize("text", ["Kirjoita <instruction> tähän.", "</text> loppu", "<text-0000></instruction>"])
def test_a_passage_that_holds_tags_gets_tags_of_its_own(text: str) -> None:
    (request,), came = walk(
        _task(repair=0), row(passage=text), Answer("<instruction>Tell me about tags in prompts.</instruction>", "stop")
    )
    suffix = tag_suffix({"text": text}, ("instruction",))
    said = tagged("instruction", "Tell me about tags in prompts.").replace("instruction>", f"instruction{suffix}>")
    assert request.messages[-1].content.count(f"</text{suffix}>") == 1
    assert f"<instruction{suffix}>" in request.messages[0].content
    assert _only(came).reason == (Reason.BAD_TAGS if suffix else None)
    assert _only(walk(_task(repair=0), row(passage=text), said)[1]).reason is None


# --- what is not believed ---------------------------------------------------------------------------------------------

FINNISH = "Kerro minulle, miten savusauna lämmitetään ja kuinka kauan sen lämmittäminen kestää ennen kylpemistä."
FAULTS: dict[str, tuple[str | Answer, Reason]] = {
    "cut": (Answer("<instruction>How does a smoke", "length"), Reason.TRUNCATED),
    "an end that nobody knows": (Answer(tagged("instruction", TEXTS["fi"][0]), "insufficient"), Reason.TRUNCATED),
    "declined by the provider's field": (Answer("", "refusal"), Reason.REFUSAL),
    "declined in words": ("I'm sorry, but I can't assist with that request.", Reason.REFUSAL),
    "declined in tags": (tagged("instruction", "As an AI language model, I cannot do that."), Reason.REFUSAL),
    "a tool call": (Answer("", "tool_calls"), Reason.EMPTY_ANSWER),
    "a filter": (Answer("", "content_filter"), Reason.CONTENT_FILTER),
    "too long for the model": (Answer("", "context_length"), Reason.CONTEXT_LENGTH),
    "no tags": (TEXTS["fi"][0], Reason.BAD_TAGS),
    "no end that anybody tells": (Answer(f"<instruction>{TEXTS['fi'][0]}", None), Reason.BAD_TAGS),
    "twice": (tagged("instruction", "One thing here.") * 2, Reason.BAD_TAGS),
    "the other way round": ("</instruction>How is it?<instruction>", Reason.BAD_TAGS),
    "nothing": ("", Reason.BAD_TAGS),
    "nothing in the tags": (tagged("instruction", " "), Reason.EMPTY_ANSWER),
    "a translation": (tagged("instruction", "Translate this text into English."), Reason.ASKS_TRANSLATION),
    "a text that is not there": (tagged("instruction", "What does the passage say?"), Reason.NEEDS_PASSAGE),
    "a quotation": (tagged("instruction", f"Explain why {passage()[40:120]}"), Reason.QUOTES_PASSAGE),
    "too short": (tagged("instruction", "Smoke saunas"), Reason.LENGTH),
    "too long": (tagged("instruction", "Tell me about saunas. " * 60), Reason.LENGTH),
    "the prompt": (
        tagged("instruction", "Ask for what the text says, in as much detail as it goes into."),
        Reason.ECHO,
    ),
    "an example": (tagged("instruction", prompts.passages("en")[0].instruction), Reason.COPIED),
    "a label": (tagged("instruction", "**Instruction:** How does a smoke sauna work?"), Reason.ECHO),
    "a heading of a template": (tagged("instruction", "How is it?\n### Response:\nIt is."), Reason.ECHO),
}


@pytest.mark.parametrize(("said", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_and_the_answer_asked_for_again(said: str | Answer, reason: Reason) -> None:
    requests, came = walk(_task(), row(), said)
    assert (_only(came).reason, _only(came).answer) == (reason, len(requests) - 1)
    assert _only(came).detail
    if reason in (Reason.CONTENT_FILTER, Reason.CONTEXT_LENGTH):
        assert len(requests) == 1
    else:
        first, again = requests
        assert again.messages[:-1] == first.messages[:-1]  # what a provider caches
        assert again.messages[-1].content.startswith(first.messages[-1].content)
        assert str(_only(came).detail) in again.messages[-1].content
    mended = walk(_task(), row(), said, tagged("instruction", TEXTS["fi"][0]))[1]
    assert (_only(mended).reason is None) == (len(requests) == 2)


def test_no_two_requests_for_a_passage_are_the_same() -> None:
    requests, came = walk(_task(candidates=3, repair=2), row(), "no tags")
    assert [made.reason for made in came.candidates] == [Reason.BAD_TAGS] * 3
    assert len({request.key("m") for request in requests}) == len(requests) == 9


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (FINNISH, "fi"),
        (TEXTS["th"][1][:30], "th"),
        (TEXTS["hi"][1][:40], "hi"),
        (TEXTS["vi"][1][:150], "vi"),
    ],
)
def test_an_instruction_in_the_passages_language_is_none(text: str, lang: str, lid_model_path: Path) -> None:
    task = generator(EN, languages.get(lang), Generate(repair=0), {}, model=lambda: lid.load(lid_model_path))
    asked = {**row(lang), "passage": "Something else."}
    assert _only(walk(task, asked, tagged("instruction", text))[1]).reason == Reason.LID


@pytest.mark.parametrize("lang", TEXTS)
def test_an_instruction_with_a_name_in_the_passages_script_is_one(lang: str, lid_model_path: Path) -> None:
    task = generator(EN, languages.get(lang), Generate(repair=0), {}, model=lambda: lid.load(lid_model_path))
    name = " ".join(TEXTS[lang][1].split()[:1])[:12]
    assert _only(walk(task, row(lang), tagged("instruction", f"{TEXTS[lang][0]} What is {name}?"))[1]).reason is None


def test_without_an_identifier_no_language_is_judged() -> None:
    assert _only(walk(_task(), row("sw"), tagged("instruction", FINNISH))[1]).reason is None


def test_another_pivot_has_instructions_of_its_own() -> None:
    task = generator(languages.get("zh"), languages.get("th"), Generate(), {})
    (request,), came = walk(task, row("th"), tagged("instruction", "请说明怎样用竹篓蒸糯米饭。"))
    assert _only(came).reason is None
    assert "Chinese" in request.messages[0].content


# --- several candidates -----------------------------------------------------------------------------------------------


def test_each_candidate_is_asked_for_with_the_ones_before_it_in_view() -> None:
    texts = [
        "How does a smoke sauna work?",
        "Tell me how long it takes to heat one.",
        "Describe a smoke sauna to a guest.",
    ]
    requests, came = walk(_task(candidates=3), row(), *(tagged("instruction", text) for text in texts))
    assert [(made.text, made.reason, made.answer) for made in came.candidates] == [
        (text, None, at) for at, text in enumerate(texts)
    ]
    for at, request in enumerate(requests):
        assert [f"- {text}" in request.messages[-1].content for text in texts] == [n < at for n in range(3)]
    assert requests[0] == walk(_task(), row(), tagged("instruction", texts[0]))[0][0]  # more of them cost the others


def test_the_same_instruction_again_is_no_second_candidate() -> None:
    requests, came = walk(_task(candidates=2), row(), tagged("instruction", TEXTS["fi"][0]))
    assert [made.reason for made in came.candidates] == [None, Reason.ECHO]
    assert len(requests) == 3


def test_what_is_wrong_with_the_passage_is_not_asked_about_again() -> None:
    requests, came = walk(_task(candidates=4, repair=3), row(), Answer("", "content_filter"))
    assert len(requests) == len(came.candidates) == 1


# --- the bare form ----------------------------------------------------------------------------------------------------


def _bare(**settings: Any) -> Generate:
    return Generate(template="x-instruction-base", **settings)


BARE = [
    (Answer(" How is it heated?\n\n### Text:\n…", "length"), "How is it heated?", None),
    (Answer("How is it heated?", "stop"), "How is it heated?", None),
    (Answer("How is it heated?\n###", None), "How is it heated?", None),
    (Answer("How is it heated?", None), None, Reason.TRUNCATED),
    (Answer("How is it", "length"), None, Reason.TRUNCATED),
    (Answer("How is it heated?\n###", "content_filter"), None, Reason.CONTENT_FILTER),
    (Answer("### Instruction:\nHow?", "stop"), "", Reason.EMPTY_ANSWER),
]


@pytest.mark.parametrize(("said", "text", "reason"), BARE)
def test_the_bare_form_ends_at_the_next_heading(said: Answer, text: str | None, reason: Reason | None) -> None:
    task = generator(EN, languages.get("fi"), _bare(repair=0), {})
    (request,), came = walk(task, row(), said)
    assert (_only(came).text or None, _only(came).reason) == (text or None, reason)
    (message,) = request.messages
    assert message.role == "user"
    assert message.content.endswith("\n\n### Instruction:") and passage() in message.content


@pytest.mark.parametrize(("seed", "seeds"), [(10, [10, 11, 12, 13]), (None, [None, 1, 2, 3])])
def test_bare_requests_differ_by_seed_alone(seed: int | None, seeds: list[int | None]) -> None:
    task = generator(EN, languages.get("fi"), _bare(candidates=2), {"temperature": 0.7, "seed": seed})
    requests, _ = walk(task, row(), "no")
    assert [request.params["seed"] for request in requests] == seeds
    assert len({request.messages for request in requests}) == 1


def test_a_bare_model_at_temperature_0_is_asked_once() -> None:
    requests, came = walk(generator(EN, languages.get("fi"), _bare(repair=3), {"temperature": 0}), row(), "no")
    assert len(requests) == 1
    assert _only(came).reason == Reason.LENGTH
    with pytest.raises(InputError, match="the same instruction each time"):
        generator(EN, languages.get("fi"), _bare(candidates=2), {"temperature": 0})


# --- whatever is said -------------------------------------------------------------------------------------------------

ANYTHING = st.lists(
    st.text(max_size=30)
    | st.sampled_from(["<instruction>", "</instruction>", "<instruction-0a1b>", "###", "How is it heated?", passage()])
).map("".join)


@given(ANYTHING, st.sampled_from(["stop", "length", None, "content_filter", "?"]), ANYTHING, st.booleans())
def test_any_answer_comes_to_a_candidate_or_a_fault(said: str, ended: str | None, text: str, bare: bool) -> None:
    settings = _bare() if bare else Generate()
    _, came = walk(
        generator(EN, languages.get("fi"), settings, {"temperature": 0}), row(passage=text), Answer(said, ended)
    )
    made = _only(came)
    assert (made.reason is None) == (made.detail is None)
    assert made.reason or (made.text and len(made.text) <= settings.max_chars)


@given(st.text(), st.text(), st.text())
def test_a_tagged_text_is_read_back(before: str, text: str, after: str) -> None:
    suffix = tag_suffix({"before": before, "text": text, "after": after}, ("instruction",))
    answer = f"{before}<instruction{suffix}>\n{text}\n</instruction{suffix}>{after}"
    assert read_tag(answer, "instruction", suffix) == text.strip()
    assert isinstance(read_tag(before, "instruction", suffix), Fault)


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_rows_tell_what_was_made_and_what_became_of_it() -> None:
    rows = [row(n=0), row(n=1), row(n=2, status="dropped", stage="passages"), row(n=3)]
    good, bad = Candidate("How is it?", None, None, 1), Candidate(None, Reason.BAD_TAGS, "no tag", 0)
    cut = Candidate(None, Reason.TRUNCATED, "cut", 1)
    outcomes = [
        (Generated((bad, good)), ["a", "b"]),
        (Generated((bad, cut, bad)), ["a", "b"]),
        (Generated.missing("timeout: none"), ["a"]),
    ]
    made = lay_candidates(frame(rows), outcomes)
    assert dict(made.schema) == GENERATE
    assert made["passage"].to_list() == [row["passage"] for row in rows]
    assert made["status"].to_list() == ["kept", "quarantined", "dropped", "failed"]
    assert made["reason"].to_list() == [None, "bad-tags", None, "call-failed"]
    assert made["reasons"].to_list()[1] == ["bad-tags", "truncated"]
    assert made["stage"].to_list() == [None, "generate", "passages", "generate"]
    assert made["detail"].to_list() == [None, "no tag", None, "timeout: none"]
    assert made["n_generate"].to_list() == [2, 2, None, 1]
    assert [of and [one["model"] for one in of] for of in made["candidates"].to_list()] == [
        ["a", "b"],
        ["a", "b", "a"],
        None,
        [],
    ]


# --- the stage --------------------------------------------------------------------------------------------------------


def test_a_stage_asks_for_every_kept_passage_and_once_only(tmp_path: Path) -> None:
    made = instructing.corpus(tmp_path)
    with LlmServer(answer=saying()) as server, Ledger(made.ledger) as ledger:
        asked = instructing.recipe(tmp_path, server.base_url)
        for _ in range(2):
            instructing.bring_up(made, asked, Generation(made, asked), ledger)
        assert len(server.requests) == 12
    for lang in ("fi", "th"):
        rows = made.rows("generate", lang)
        assert rows["status"].to_list() == ["kept"] * 6
        assert {one["text"] for of in rows["candidates"] for one in of} == {TEXTS[lang][0]}
        assert {one["model"] for of in rows["candidates"] for one in of} == {instructing.MODEL}


def test_more_candidates_pay_for_no_answer_again(tmp_path: Path) -> None:
    made = instructing.corpus(tmp_path, ["fi"], 2)
    say = saying(lambda request: f"{TEXTS['fi'][0]} Say it in {request.index + 2} sentences.")
    with LlmServer(answer=say) as server, Ledger(made.ledger) as ledger:
        for n in (1, 3):
            asked = instructing.recipe(tmp_path, server.base_url, ["fi"], generate={"candidates": n})
            instructing.bring_up(made, asked, Generation(made, asked), ledger)
            assert len(server.requests) == 2 * n
    assert all(len(of) == 3 for of in made.rows("generate", "fi")["candidates"])


def test_rows_whose_calls_failed_are_asked_for_by_the_next_run_alone(tmp_path: Path) -> None:
    made = instructing.corpus(tmp_path, ["fi"], 4)
    with LlmServer(
        [llm.when(lambda asked: asked.index < 8 and "(2)" in asked.text, llm.server_error())], answer=saying()
    ) as server:
        asked = instructing.recipe(tmp_path, server.base_url, ["fi"])
        with Ledger(made.ledger) as ledger:
            instructing.bring_up(made, asked, Generation(made, asked), ledger)
        rows = made.rows("generate", "fi")
        assert sorted(rows["status"]) == ["failed", "kept", "kept", "kept"]
        assert rows.filter(status="failed")["reason"].to_list() == ["call-failed"]
        server.faults.clear()
        with Ledger(made.ledger) as ledger:
            instructing.bring_up(made, asked, Generation(made, asked), ledger)
        assert len(server.requests) == 5
    assert set(made.rows("generate", "fi")["status"]) == {"kept"}


def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path: Path) -> None:
    made = instructing.corpus(tmp_path, n=10)
    kills = (10, 45)  # among instructions, and among edits
    with LlmServer(answer=saying()) as server:
        for at in kills:
            process = instructing.process(made, server)
            server.wait_for(at, 60)
            server.hold()
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            server.release()
        assert len(server.requests) < 60
        assert instructing.process(made, server).wait(120) == 0
        n_asked = Counter(asked.digest for asked in server.requests)
    assert len(n_asked) == 60
    assert sum(n - 1 for n in n_asked.values()) <= len(kills) * instructing.CONCURRENCY  # what was in flight
    _whole(made)


def _whole(made: Corpus) -> None:
    for lang in ("fi", "th"):
        rows = made.rows("rate", lang)
        assert rows["rating"].to_list() == [5] * 10
        assert rows["edited"].to_list() == rows["passage"].to_list()


@pytest.mark.parametrize(
    "change",
    [
        {"generate": {"candidates": 2}},
        {"generate": {"template": "x-instruction-base"}},
        {"generate": {"max_chars": 200}},
        {"translate": {"check_language": True}},
        {"models": [{"model": "other", "base_url": "http://127.0.0.1:9/v1"}]},
        {"models": [{"model": "test", "base_url": "http://127.0.0.1:9/v1", "params": {"temperature": 1}}]},
    ],
)
def test_what_its_rows_depend_on_stands_in_its_settings(change: Mapping[str, Any], tmp_path: Path) -> None:
    made = Corpus(tmp_path)

    def settings(**more: Any) -> Any:
        return Generation(made, instructing.recipe(tmp_path, **more)).step("fi").settings

    elsewhere = {"models": [{"model": "test", "base_url": "http://127.0.0.1:10/v1"}]}
    assert settings() == settings(**elsewhere) == settings(rate={"levels": 3})
    assert settings() != settings(**change)
