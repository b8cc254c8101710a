"""Marks and edits, asked of a real server: what is asked, what is believed, what rows gain and lose by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.asking import Abstained
from plugdata.calls.ledger.store import Ledger
from plugdata.checks import lid
from plugdata.corpus import Corpus
from plugdata.recipe import Edit, Rate
from plugdata.rows import GENERATE, RATE
from plugdata.stages.generation import Generation, Rating
from plugdata.wire import Answer, Task
from plugdata.xinstruct.edit import Edited, editor, lay_edits
from plugdata.xinstruct.rate import SCALES, Rated, lay_ratings, rater
from tests import asking, instructing
from tests.instructing import TEXTS, between, frame, passage, row, saying, tagged, walk
from tests.servers import llm
from tests.servers.llm import LlmServer

hurry = asking.hurry

EN = languages.get("en")
BAD = {"text": None, "model": "a", "reason": "bad-tags", "detail": "no tag"}


def _made(*texts: str) -> list[dict[str, Any]]:
    return [{"text": text, "model": f"model-{at}", "reason": None, "detail": None} for at, text in enumerate(texts)]


def _row(
    lang: str = "fi", n: int = 0, candidates: Sequence[Mapping[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """A row of rows.GENERATE."""
    of = _made(TEXTS[lang][0]) if candidates is None else list(candidates)
    known = {**row(lang, n, **more), "candidates": of, "n_generate": len(of)}
    return {name: known.get(name) for name in GENERATE}


def _rater(lang: str = "fi", **settings: Any) -> Task[Rated]:
    return rater(EN, languages.get(lang), Rate(**settings), {"temperature": 0})


# --- marks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", TEXTS)
@pytest.mark.parametrize(("levels", "said", "mark"), [(5, "Fine.\nScore: 4", 4), (3, "Vague.\n\nRating: flawed", 2)])
def test_a_candidate_is_rated_beside_its_passage(lang: str, levels: int, said: str, mark: int) -> None:
    (request,), came = walk(_rater(lang, levels=levels), _row(lang), said)
    assert came == Rated((mark,))
    system, user = request.messages
    pair = f"<instruction>\n{TEXTS[lang][0]}\n</instruction>\n\n<response>\n{passage(lang)}\n</response>\n\n"
    assert user.content.startswith(pair)
    assert user.content.endswith(f"\n{SCALES[levels].label}: <rating>")
    assert languages.get(lang).name in system.content and "$" not in system.content
    assert (request.stage, request.lang, request.prompt) == ("rate", lang, f"rate-{levels}-v2")


UNREADABLE = {
    "nothing": "",
    "no mark": "A good answer.",
    "of five": "Good.\nScore: 4/5",
    "a word behind it": "Score: 4\nThank you!",
    "out of range": "Score: 6",
    "between two": "Score: 4.5",
    "in words": "Score: four",
    "a scale of another name": "The scale is 4.",
    "more of a sentence": "The score is 4 because it is clear.",
    "two sentences that differ": "The score is 4.\nThe score is 2.",
    "a scale behind it": "Score: 2. The maximum score is 5.",
    "a scale alone": "It is off topic and would be a 1. A perfect score is 5.",
    "one that was weighed": "Score: 3 would be too low.\nScore: 4",
    "in a word": "Good, so my_Score: 4",
    "two that differ": "Score: 3\nOn second thought:\nScore: 5",
    "another scale": "Rating: best",
    "other digits": "Score: ๔",
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
def test_a_mark_that_cannot_be_read_is_asked_for_once_more_and_never_guessed(said: str) -> None:
    (first, again), came = walk(_rater(), _row(), said)
    assert came.marks == (None,) and isinstance(came.abstained, Abstained)
    assert first.messages[1] == again.messages[1] and first.messages[0] != again.messages[0]
    assert came.abstained.detail in again.messages[0].content
    assert walk(_rater(), _row(), said, "Now.\nScore: 2")[1] == Rated((2,))


READABLE = [
    "Score: 4",
    "Good, so Score: 4",
    "  Score: 4  \n\n",
    "Score: 4\nThat is:\nScore: 4",
    "Good.\n**Score: 4**",
    "Good.\n**Score:** 4",
    "Good.\nscore: 4.",
    "It says what was asked. Therefore, the score is 4.",
    "The score is 4",
]


@pytest.mark.parametrize("said", READABLE)
def test_white_space_bold_type_and_reasons_before_it_are_passed_over(said: str) -> None:
    assert SCALES[5].read(said) == 4


@pytest.mark.parametrize("ended", ["length", "refusal", "tool_calls"])
def test_a_mark_of_an_answer_that_did_not_end_is_none(ended: str) -> None:
    assert walk(_rater(), _row(), Answer("Score: 4", ended))[1].marks == (None,)


@pytest.mark.parametrize("ended", ["content_filter", "context_length"])
def test_a_pair_that_no_model_takes_is_asked_about_once(ended: str) -> None:
    requests, came = walk(_rater(), _row(), Answer("", ended))
    assert len(requests) == 1
    assert came.abstained.ended == ended


@given(st.sampled_from(list(SCALES)), st.text(), st.data())
def test_the_line_of_a_mark_is_read_as_that_mark(levels: int, before: str, data: st.DataObject) -> None:
    scale = SCALES[levels]
    mark = data.draw(st.integers(1, levels))
    assert scale.read(scale.line(mark)) == mark
    read = scale.read(f"{before}\n{scale.line(mark)}")
    assert read == mark or any(scale.line(other) in before for other in range(1, levels + 1))
    assert isinstance(scale.read(f"{scale.line(mark)}\n{before}|"), str)


def test_candidates_of_no_use_are_not_asked_about() -> None:
    candidates = [BAD, *_made("How is it heated?", "What is it?")]
    requests, came = walk(_rater(), _row(candidates=candidates), "Score: 3", "?", "?", "?")
    assert came.marks == (None, 3, None)
    assert [between(request.messages[1].content, "instruction") for request in requests] == [
        "How is it heated?",
        "What is it?",
        "What is it?",
    ]


# --- the rows that marks make -----------------------------------------------------------------------------------------

ABSTAINED = Abstained("its last line is no mark")
CASES: dict[str, tuple[int, dict[str, Any], Rated, tuple[Any, ...]]] = {
    # candidates, settings, what the rating came to → status, reason, rating, place of the instruction
    "good enough": (1, {}, Rated((4,)), ("kept", None, 4, 0)),
    "too low": (1, {}, Rated((3,)), ("dropped", "rating", 3, 0)),
    "the bound is the recipe's": (1, {"min": 2}, Rated((2,)), ("kept", None, 2, 0)),
    "best of three levels": (1, {"levels": 3}, Rated((3,)), ("kept", None, 3, 0)),
    "second of three levels": (1, {"levels": 3}, Rated((2,)), ("dropped", "rating", 2, 0)),
    "the best is taken": (3, {}, Rated((3, 5, 4)), ("kept", None, 5, 1)),
    "the first of the best": (3, {}, Rated((2, 4, 4)), ("kept", None, 4, 1)),
    "one abstained": (2, {}, Rated((None, 4), ABSTAINED), ("kept", None, 4, 1)),
    "all abstained": (2, {}, Rated((None, None), ABSTAINED), ("quarantined", "unrated", None, 0)),
    "kept all the same": (1, {"abstained": "keep"}, Rated((None,), ABSTAINED), ("kept", None, None, 0)),
    "filtered": (
        1,
        {},
        Rated((None,), Abstained("no", "content_filter")),
        ("quarantined", "content-filter", None, 0),
    ),
    "failed": (2, {}, Rated.missing("timeout: none"), ("failed", "call-failed", None, 0)),
}


@pytest.mark.parametrize(("n", "settings", "rated", "expected"), CASES.values(), ids=CASES)
def test_the_best_mark_decides(n: int, settings: dict[str, Any], rated: Rated, expected: tuple[Any, ...]) -> None:
    texts = [f"What is no. {at}?" for at in range(n)]
    made = lay_ratings(frame([_row(candidates=_made(*texts))], "generate"), Rate(**settings), [(rated, ["r", "s"])])
    assert dict(made.schema) == RATE
    (found,) = made.iter_rows(named=True)
    assert (found["status"], found["reason"], found["rating"]) == expected[:3]
    assert (found["instruction"], found["generator"]) == (texts[expected[3]], f"model-{expected[3]}")
    assert (found["ratings"], found["rater"]) == ((None, None) if rated.failed else (list(rated.marks), "s"))
    assert (found["stage"] is None) == (found["status"] == "kept") == (found["detail"] is None)


def test_without_rating_every_row_goes_on_with_its_first_instruction_of_use() -> None:
    rows = [_row(n=0, candidates=[BAD, *_made("What is it?", "How is it?")]), _row(n=1, status="quarantined")]
    made = lay_ratings(frame(rows, "generate"), None)
    assert made["status"].to_list() == ["kept", "quarantined"]
    assert made["instruction"].to_list() == ["What is it?", None]
    assert made["rating"].to_list() == made["ratings"].to_list() == made["rater"].to_list() == [None, None]


# --- edits ------------------------------------------------------------------------------------------------------------

PAGE = f"Etusivu > Sauna\n{passage()}\nJaa tämä kirjoitus!"


def _editor(lang: str = "fi", **settings: Any) -> Task[Edited]:
    return editor(EN, languages.get(lang), Edit(**settings), {"temperature": 0})


def _to_edit(text: str = PAGE, lang: str = "fi") -> dict[str, Any]:
    return {"id": "b2:1", "instruction": TEXTS[lang][0], "passage": text}


def test_remains_of_a_page_are_edited_away() -> None:
    (request,), came = walk(_editor(), _to_edit(), f"Here:\n{tagged('response', passage())}")
    assert came.text == passage()
    assert came.changed == pytest.approx(1 - len(passage()) / len(PAGE))
    system, user = request.messages
    assert between(user.content, "instruction") == TEXTS["fi"][0] and between(user.content, "passage") == PAGE
    assert "At most 20 % of its characters" in system.content and "$" not in system.content
    assert (request.stage, request.prompt) == ("edit", "edit-v1")


@pytest.mark.parametrize("lang", TEXTS)
def test_a_passage_that_needs_no_edit_comes_back_as_it_is(lang: str) -> None:
    text = passage(lang)
    assert walk(_editor(lang), _to_edit(text, lang), tagged("response", text))[1] == Edited(text, 0.0)


REFUSED: dict[str, tuple[str | Answer, float | None]] = {
    "rewritten": (tagged("response", "Sauna lämmitetään rauhassa."), 0.9),
    "most of it left out": (tagged("response", passage()[:100]), 0.6),
    "declined": (tagged("response", f"As an AI language model, I cannot. {passage()}"), 0.2),
    "no tags": (passage(), None),
    "nothing": (tagged("response", " "), 1.0),
    "cut": (Answer(f"<response>\n{passage()}", "length"), None),
    "filtered": (Answer("", "content_filter"), None),
}


@pytest.mark.parametrize(("said", "changed"), REFUSED.values(), ids=REFUSED)
def test_an_edit_that_is_not_light_is_not_taken(said: str | Answer, changed: float | None) -> None:
    requests, came = walk(_editor(), _to_edit(), said)
    assert came.text is None
    assert (came.changed is None) == (changed is None)
    assert changed is None or came.changed == pytest.approx(changed, abs=0.1)
    assert len(requests) == (1 if isinstance(said, Answer) and said.finish_reason == "content_filter" else 2)
    assert walk(_editor(max_change=1.0), _to_edit(), said, tagged("response", passage()))[1].text is not None or (
        len(requests) == 1
    )


ENGLISH = "A smoke sauna is heated without a chimney, so that the smoke stays in the room until the fire has gone out."


def test_an_edit_in_another_language_is_not_taken(lid_model_path: Path) -> None:
    task = editor(EN, languages.get("fi"), Edit(max_change=1.0), {}, model=lambda: lid.load(lid_model_path))
    assert walk(task, _to_edit(), tagged("response", ENGLISH))[1].text is None
    assert walk(task, _to_edit(), tagged("response", passage()))[1].text == passage()


@given(st.text(max_size=60), st.text(max_size=60), st.floats(0, 1))
def test_no_edit_is_taken_that_changes_more_than_it_may(text: str, said: str, most: float) -> None:
    _, came = walk(_editor(max_change=most), _to_edit(text), tagged("response", said))
    assert came.changed is None or 0 <= came.changed <= 1
    assert came.text is None or (came.changed is not None and came.changed <= most)


def test_edits_stand_beside_the_passage_and_take_no_row_out() -> None:
    rows = [_row(n=n) for n in range(4)]
    came = [(Rated((mark,)), ["r"]) for mark in (5, 1, 5, 5)]
    rated = lay_ratings(frame(rows, "generate"), Rate(), came)
    made = lay_edits(rated, [Edited("shorter", 0.1), Edited(None, 0.7), None])
    assert dict(made.schema) == RATE
    assert made["edited"].to_list() == ["shorter", None, None, None]
    assert made["changed"].to_list() == [0.1, None, 0.7, None]
    assert made.drop("edited", "changed").equals(rated.drop("edited", "changed"))


# --- the stage --------------------------------------------------------------------------------------------------------


def _generated(folder: Path, n: int = 6, **more: Any) -> Corpus:
    made = instructing.corpus(folder, ["fi"], n)
    with LlmServer(answer=saying()) as server, Ledger(made.ledger) as ledger:
        asked = instructing.recipe(folder, server.base_url, ["fi"], **more)
        instructing.bring_up(made, asked, Generation(made, asked), ledger)
    return made


def _marking(request: llm.Request) -> str:
    """The mark of a passage by its number; 6 is none."""
    return next((str(n) for n in (2, 6, 3) if f"({n})" in request.text), "5")


def test_only_rows_that_the_marks_keep_are_edited(tmp_path: Path) -> None:
    made = _generated(tmp_path, 7)
    with LlmServer(answer=saying(mark=_marking)) as server, Ledger(made.ledger) as ledger:
        asked = instructing.recipe(tmp_path, server.base_url, ["fi"], edit={})
        for _ in range(2):
            instructing.bring_up(made, asked, Rating(made, asked), ledger)
        said = [instructing.asked(request) for request in server.requests]
    assert said.count("mark") == 8  # one is asked for twice
    assert said.count("edit") == 4 and len(said) == 12
    rows = made.rows("rate", "fi")
    assert sorted(rows["status"]) == ["dropped"] * 2 + ["kept"] * 4 + ["quarantined"]
    assert rows.filter(status="kept")["edited"].to_list() == rows.filter(status="kept")["passage"].to_list()
    assert rows.filter(rows["status"] != "kept")["edited"].null_count() == 3
    assert [mark for (mark,) in rows["ratings"]].count(None) == 1


def test_failed_marks_and_edits_are_asked_for_by_the_next_run_alone(tmp_path: Path) -> None:
    made = _generated(tmp_path, 5)
    unlucky = llm.when(
        lambda asked: f"({1 if instructing.asked(asked) == 'mark' else 2})" in asked.text, llm.server_error()
    )
    with LlmServer([unlucky], answer=saying()) as server, Ledger(made.ledger) as ledger:
        asked = instructing.recipe(tmp_path, server.base_url, ["fi"], edit={})
        rating = Rating(made, asked)
        instructing.bring_up(made, asked, rating, ledger)
        rows = made.rows("rate", "fi")
        assert sorted(rows["status"]) == ["failed", *["kept"] * 4]
        assert rows["edited"].null_count() == 2
        assert rating.step("fi", ledger).n_failed() == 1
        server.faults.clear()
        n = len(server.requests)
        instructing.bring_up(made, asked, rating, ledger)
        assert len(server.requests) - n == 3  # the mark and the edit of one, the edit of the other
        assert rating.step("fi", ledger).n_failed() == 0
    assert made.rows("rate", "fi")["edited"].null_count() == 0


def test_each_of_them_may_have_a_model_of_its_own(tmp_path: Path) -> None:
    made = _generated(tmp_path, 3)
    with LlmServer(answer=saying()) as server, Ledger(made.ledger) as ledger:
        by = {name: {"model": {"model": name, "base_url": server.base_url}} for name in ("rate", "edit")}
        asked = instructing.recipe(tmp_path, "http://127.0.0.1:9/v1", ["fi"], **by)
        instructing.bring_up(made, asked, Rating(made, asked), ledger)
        assert {request.json["model"] for request in server.requests} == {"rate", "edit"}
    assert made.rows("rate", "fi")["rater"].to_list() == ["rate"] * 3
    assert made.rows("rate", "fi")["generator"].to_list() == [instructing.MODEL] * 3


def test_nothing_is_asked_where_nothing_is_rated_or_edited(tmp_path: Path) -> None:
    made = _generated(tmp_path, 3, rate=None)
    asked = instructing.recipe(tmp_path, langs=["fi"], rate=None)
    with Ledger(made.ledger) as ledger:
        assert instructing.bring_up(made, asked, Rating(made, asked), ledger) == []
    assert made.rows("rate", "fi")["instruction"].to_list() == [TEXTS["fi"][0]] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"rate": None},
        {"rate": {"levels": 3}},
        {"rate": {"min": 2}},
        {"rate": {"abstained": "keep"}},
        {"rate": {"model": {"model": "other", "base_url": "http://127.0.0.1:9/v1"}}},
        {"edit": {}},
        {"models": [{"model": "other", "base_url": "http://127.0.0.1:9/v1"}]},
    ],
)
def test_what_its_rows_depend_on_stands_in_its_settings(change: Mapping[str, Any], tmp_path: Path) -> None:
    made = Corpus(tmp_path)

    def settings(**more: Any) -> Any:
        return Rating(made, instructing.recipe(tmp_path, **more)).step("fi").settings

    assert settings() == settings(generate={"candidates": 2})
    assert settings() != settings(**change)
