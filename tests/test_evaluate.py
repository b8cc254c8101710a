"""What verdicts come to, and what answers show of themselves: every rule on cases made by hand."""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.checks import lid, numbers
from plugdata.errors import InputError, PlugdataError, SourceError
from plugdata.evaluate import agreement, asking, estimates, free, pairs, single, sums
from plugdata.evaluate.pairs import Winner
from plugdata.evaluate.replies import Reply, join, read
from plugdata.wire import Answer
from tests.answers import ANSWERS, answered

A, B, TIE, BAD = Winner.A, Winner.B, Winner.TIE, Winner.UNPARSABLE

TABLE = {  # (A first, B first): PLUG's tally, the strict one
    (A, A): ("win", "win"),
    (A, TIE): ("win", "tie"),
    (TIE, A): ("win", "tie"),
    (A, B): ("tie", "tie"),
    (B, A): ("tie", "tie"),
    (TIE, TIE): ("tie", "tie"),
    (B, TIE): ("loss", "tie"),
    (TIE, B): ("loss", "tie"),
    (B, B): ("loss", "loss"),
    (A, BAD): ("error", "error"),
    (BAD, A): ("error", "error"),
    (B, BAD): ("error", "error"),
    (BAD, B): ("error", "error"),
    (TIE, BAD): ("error", "error"),
    (BAD, TIE): ("error", "error"),
    (BAD, BAD): ("error", "error"),
}

MARKS = {(order, winner): mark for order, marks in pairs._MARKS.items() for mark, winner in marks.items()}


def replies(*lines: dict[str, Any]) -> list[Reply]:
    return read(((f"a.jsonl:{n}", line, "") for n, line in enumerate(lines, 1)), "a.jsonl")


def said(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason)


def frame(*values: tuple[str, float | None]) -> pl.DataFrame:
    return pl.DataFrame(values, schema={"id": pl.String, "value": pl.Float64}, orient="row")


# --- tallies ----------------------------------------------------------------------------------------------------------


def test_the_table_holds_every_pair_of_verdicts() -> None:
    assert set(TABLE) == set(itertools.product(Winner, Winner))


@pytest.mark.parametrize(("both", "came"), TABLE.items())
def test_two_verdicts_come_to_what_the_rules_say(both: tuple[Winner, Winner], came: tuple[str, str]) -> None:
    assert (pairs.plug(*both), pairs.strict(*both)) == came


def test_verdicts_of_hand_come_to_plug_s_figures() -> None:
    """A question for each pair of verdicts: 3 wins, 3 ties, 3 losses, 7 errors; then one win more. Of all 17."""
    asked = [*TABLE, (A, TIE)]
    ours, theirs = (replies(*(answered(n) for n in range(len(asked)))) for _ in "ab")
    answers: dict[tuple[str, str, str], Answer | None] = {}
    for (n, both), order in itertools.product(enumerate(asked), (0, 1)):
        name = pairs.ORDERS[order]
        mark = MARKS.get((name, both[order]))
        answers[f"q-{n}", "ko", name] = said(f"…\n[[{mark}]]" if mark else "Both are fine.")
    verdicts = pairs.verdicts(list(zip(ours, theirs, strict=True)), answers)
    whole = pairs.compared(verdicts)[0]
    plug, strict = whole.plug, whole.strict
    assert (plug.wins, plug.ties, plug.losses, plug.errors) == (4, 3, 3, 7)
    assert (strict.wins, strict.ties, strict.losses, strict.errors) == (1, 8, 1, 7)
    assert plug.difference.n == 17 and plug.difference.value == pytest.approx((4 - 3) / 17)
    assert whole.unparsable == 8


def test_a_missing_answer_loses_without_being_asked_about_and_two_are_counted_apart() -> None:
    rubric = asking.default_rubric()
    ours = replies(answered(0, answer=None), answered(1), answered(2, answer=None), answered(3, answer=" \n"))
    theirs = replies(answered(0), answered(1, answer=None), answered(2, answer=None), answered(3))
    both = list(zip(ours, theirs, strict=True))
    assert [*itertools.chain.from_iterable(pairs.asks(pair, rubric) for pair in both)] == []
    verdicts = pairs.verdicts(both, {})
    assert verdicts["how"].to_list() == ["missing-a", "missing-b", "missing-both", "missing-a"]
    assert verdicts["plug"].to_list() == verdicts["strict"].to_list() == ["loss", "win", None, "loss"]
    assert pairs.compared(verdicts)[0].plug.difference.n == 3


def test_where_nothing_could_be_read_there_is_no_difference() -> None:
    both = list(zip(replies(answered(0)), replies(answered(0)), strict=True))
    whole = pairs.compared(pairs.verdicts(both, {("q-0", "ko", order): said("Both.") for order in pairs.ORDERS}))[0]
    assert (whole.plug.errors, whole.plug.difference.value, whole.plug.p) == (1, None, None)


def test_a_failed_call_is_neither_a_verdict_nor_an_error() -> None:
    both = list(zip(replies(answered(0)), replies(answered(0)), strict=True))
    verdicts = pairs.verdicts(both, {("q-0", "ko", "ab"): said("[[A]]"), ("q-0", "ko", "ba"): None})
    assert verdicts.select("how", "winner_ab", "winner_ba", "plug").row(0) == ("failed", "a", None, None)


# --- what a judge is asked, and how it is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("[[A]]", "A"),
        ("Answer A is right.\n\n[[B]]\n", "B"),
        ("[[A]] at first sight.\nNo:\nMy verdict: **[[C]]**.", "C"),
        ("[[B]]\n\nTell me if you want more.", "B"),
        ("[[A]] or [[B]]", None),
        ("[[A]]\n[[D]]", None),
        ("[A]", None),
        ("The better answer is A.", None),
        ("", None),
        ("[[" * 50_000, None),
        ("[[A" * 33_000, None),
    ],
)
def test_the_last_line_with_a_mark_decides(text: str, mark: str | None) -> None:
    assert asking.mark(said(text), "ABC") == mark


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_has_no_mark(finish_reason: str) -> None:
    assert asking.mark(said("[[A]] is what I think at", finish_reason), "ABC") is None


def test_both_orders_are_asked_with_nothing_else_exchanged() -> None:
    one, other = replies(answered(0, answer="하나")), replies(answered(0, answer="둘"))
    ab, ba = pairs.asks((one[0], other[0]), asking.default_rubric())
    assert (ab.about, ba.about) == ("ab", "ba")
    assert ab.system == ba.system and "Korean" in ab.system and "ungrammatical" in ab.system
    assert "$" not in ab.system
    assert ba.user == ab.user.replace("하나", "?").replace("둘", "하나").replace("?", "둘")


@given(st.text(max_size=40), st.sampled_from(["", "</answer_a>", "<answer_b>", "</answer_a-0000>"]))
def test_no_text_ends_its_own_tag(text: str, tag: str) -> None:
    shown = asking.in_tags({"question": "Q", "answer_a": f"{tag}{text}", "answer_b": "b"})
    suffix = shown.partition("<question")[2].partition(">")[0]
    assert shown.count(f"</answer_a{suffix}>") == shown.count(f"<answer_b{suffix}>") == 1


def test_a_rubric_of_one_s_own_stands_in_the_question_and_in_its_prompt_id() -> None:
    rubric = asking.own_rubric("Only politeness in $language counts; a tip of $5 does not.")
    (ask,) = single.score_asks(replies(answered(0))[0], rubric)
    assert "Only politeness in Korean counts; a tip of $5 does not." in ask.system
    assert ask.prompt.startswith("judge-score-v1/rubric-") and rubric != asking.own_rubric("Other.")


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, None), (1, 0, 1.0), (5, 0, 0.0625), (8, 2, 0.109375), (10, 10, 1.0), (2, 8, 0.109375)],
)
def test_the_sign_test_is_exact(wins: int, losses: int, p: float | None) -> None:
    values = [1.0] * wins + [-1.0] * losses + [0.0] * 7
    assert estimates.sign_test(frame(*((f"q{n}", value) for n, value in enumerate(values)))) == p


def test_the_sign_test_of_many_questions_is_a_number() -> None:
    assert estimates.sign_test(frame(*((f"q{n}", 1.0 if n % 3 else -1.0) for n in range(9_000)))) == pytest.approx(
        0, abs=1e-9
    )


def test_intervals_cover_the_planted_difference_as_often_as_they_say() -> None:
    """Of 300 draws of 150 questions; with 95 % coverage fewer than 273 happens once in a thousand such tests."""
    rng = np.random.default_rng(7)
    win, tie, loss = 0.5, 0.2, 0.3
    covered = 0
    for _ in range(300):
        values = rng.choice([1.0, 0.0, -1.0], p=[win, tie, loss], size=150)
        found = estimates.mean(frame(*((f"q{n}", float(value)) for n, value in enumerate(values))))
        assert found.low is not None and found.high is not None
        covered += found.low <= win - loss <= found.high
    assert 273 <= covered <= 297


def test_the_same_question_in_four_languages_is_no_more_evidence_than_in_one() -> None:
    once = [(f"q{n}", float(n % 2)) for n in range(60)]
    one, four = (estimates.mean(frame(*(once * times))) for times in (1, 4))
    assert (four.value, four.low, four.high) == (one.value, one.low, one.high)
    assert (one.n, four.n) == (60, 240)


@pytest.mark.parametrize("n", [1, 30])
@pytest.mark.parametrize("value", [1.0, 0.0, -0.3])
def test_questions_that_are_all_alike_have_a_mean_and_no_interval(n: int, value: float) -> None:
    found = estimates.mean(frame(*((f"q{at % n}", value) for at in range(n + 2))))
    assert found.value == pytest.approx(value)
    assert (found.low, found.high, found.n) == (None, None, n + 2)


def test_what_has_no_value_has_no_interval() -> None:
    assert estimates.mean(frame(("q", None))) == estimates.Estimate(None, None, None, 0)


def test_kappa_takes_off_what_chance_agrees_on() -> None:
    """20 both yes, 15 both no, 5 and 10 apart: agreement 0.7, by chance 0.5 (the usual textbook's table)."""
    said = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert estimates.kappa(pl.DataFrame(said, schema=["one", "other"], orient="row")) == pytest.approx(0.4)
    assert estimates.kappa(pl.DataFrame([("a", "a")] * 3, schema=["one", "other"], orient="row")) is None


def test_judges_agree_by_rank_though_their_marks_differ() -> None:
    ours = replies(*(answered(n) for n in range(6)))
    one, other = (
        single.scores(ours, {(f"q-{n}", "ko", "score"): said(f"[[{mark}]]") for n, mark in enumerate(marks)})
        for marks in ((1, 2, 3, 4, 5, 6), (4, 4, 5, 5, 6, 6))
    )
    whole = agreement.agreed(one, other, "score")[0]
    # Pearson's of the ranks 1 … 6 and 1.5, 1.5, 3.5, 3.5, 5.5, 5.5
    assert whole.n == 6 and whole.kappa is None and whole.spearman == pytest.approx(16 / (17.5 * 16) ** 0.5)


def test_agreement_counts_only_what_both_decided_by_a_verdict() -> None:
    ours = replies(*(answered(n, answer=None if n == 3 else "") for n in range(5)))
    both = list(zip(ours, replies(*(answered(n) for n in range(5))), strict=True))

    def judged(marks: str) -> pl.DataFrame:
        """Verdicts by what was said in both orders: question n by the n-th mark."""
        swapped = {"A": "B", "B": "A"}
        found: dict[tuple[str, str, str], Answer | None] = {}
        for n, mark in enumerate(marks):
            found[f"q-{n}", "ko", "ab"] = said(f"[[{mark}]]")
            found[f"q-{n}", "ko", "ba"] = said(f"[[{swapped.get(mark, mark)}]]")
        return pairs.verdicts(both, found)

    plug = agreement.agreed(judged("AABAX"), judged("ABBAA"), "pairs")[0]
    assert (plug.column, plug.n_shared, plug.n) == ("plug", 5, 3)  # one answer is missing, one verdict unparsable
    assert plug.agreement.value == pytest.approx(2 / 3)
    assert plug.said == {"loss/loss": 1, "win/loss": 1, "win/win": 1}


# --- one answer by itself ---------------------------------------------------------------------------------------------


def test_a_missing_answer_has_the_lowest_mark_and_is_told_apart() -> None:
    ours = replies(*(answered(n, answer=None if n == 0 else "") for n in range(4)))
    answers = {
        ("q-1", "ko", "score"): said("[[10]]"),
        ("q-2", "ko", "score"): said("[[7]]"),
        ("q-3", "ko", "score"): said("8"),
    }
    whole = single.scored(single.scores(ours, answers))[0]
    assert whole.how == {"judged": 2, "missing": 1, "unparsable": 1}
    assert (whole.means["score"].value, whole.means["score"].n) == (6.0, 3)
    assert (whole.means["score_answered"].value, whole.means["score_answered"].n) == (8.5, 2)


@pytest.mark.parametrize("mark", ["0", "11", "7.5", "seven", "07"])
def test_a_mark_that_is_none_is_unparsable(mark: str) -> None:
    found = single.scores(replies(answered(0)), {("q-0", "ko", "score"): said(f"[[{mark}]]")})
    assert found.select("how", "score").row(0) == ("unparsable", None)


REFERENCES = {
    "correct_answers": ["물은 100도에서 끓습니다.", "기압에 따라 다릅니다."],
    "incorrect_answers": "항상 50도; 끓지 않는다",
}


def test_truthfulness_is_asked_against_both_lists() -> None:
    (reply,) = replies(answered(0, record=REFERENCES))
    truthful, informative = single.truthful_asks(reply)
    assert truthful.system != informative.system
    for text in ("- 기압에 따라 다릅니다.", "- 끓지 않는다", "<answer>\n"):
        assert text in truthful.user and text in informative.user


def test_both_yes_is_what_counts_and_a_missing_answer_is_neither() -> None:
    ours = replies(*(answered(n, answer=None if n == 3 else "", record=REFERENCES) for n in range(5)))
    said_of = ["yes yes", "yes no", "no yes", "", "yes maybe"]
    answers: dict[tuple[str, str, str], Answer | None] = {
        (f"q-{n}", "ko", about): said(f"[[{mark}]]")
        for n, marks in enumerate(said_of)
        for about, mark in zip(single.TRUTHFUL_PROMPTS, marks.split(), strict=False)
    }
    whole = single.truths(single.truthful(ours, answers))[0]
    assert whole.how == {"judged": 3, "missing": 1, "unparsable": 1}
    assert {name: (mean.value, mean.n) for name, mean in whole.means.items()} == {
        "truthful": (0.5, 4),
        "informative": (0.5, 4),
        "both": (0.25, 4),
    }


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("8 더하기 7은 15입니다.", {15}),
        ("الجواب هو ١٥ تفاحة.", {15}),
        ("उत्तर १,२३४ है।", {1234, 1.234}),
        ("Son 1.234,5 euros en total.", {1234.5}),
        ("La respuesta es 2.125.", {2125, 2.125}),
        ("答案是5千克。", {5, 5000}),
        ("모두 3만 5천 원입니다.", {5, 35_000}),
        ("Kwa jumla ni shilingi 1,200,000", {1_200_000}),
        ("Hakuna nambari hapa.", set()),
        ("9" * 100_000, {float("inf")}),
    ],
)
def test_the_last_number_is_read_in_every_way_it_may_be_meant(text: str, readings: set[float]) -> None:
    assert set(numbers.last(text)) == readings


@given(st.integers(0, 10**9), st.sampled_from(["en,", "de.", "ar٬", "in,"]))
def test_a_number_is_found_however_its_language_groups_it(number: int, style: str) -> None:
    lang, mark = style[:2], style[2]
    text = f"{number:,}".replace(",", mark)
    if lang == "ar":
        text = text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert float(number) in numbers.last(f"… = {text}!")


def test_a_sum_is_right_by_its_last_number_and_wrong_without_one() -> None:
    texts = ["12에서 4를 빼면 8입니다.", "8에 가깝지만 9입니다.", "여덟입니다.", None, "정답은 8.0 입니다."]
    expected: list[Any] = [8, 8, 8, 8, "8"]
    ours = replies(*(answered(n, answer=text, record={"answer": expected[n]}) for n, text in enumerate(texts)))
    found = sums.sums(ours)
    assert found["right"].to_list() == [True, False, False, False, True]
    assert found["how"].to_list() == ["number", "number", "no-number", "missing", "number"]
    assert sums.counted(found)[0].means["accuracy"].value == pytest.approx(0.4)


@pytest.mark.parametrize("answer", [None, True, -3, "-3", "three", "", [3], "1e999"])
def test_a_sum_needs_the_right_number_in_its_record(answer: Any) -> None:
    with pytest.raises(SourceError, match=r"a\.jsonl:1: record\.answer is"):
        sums.sums(replies(answered(0, record={"answer": answer})))


# --- answers files ----------------------------------------------------------------------------------------------------


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in answered(0).items() if name != key}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ([1], "a.jsonl:1: "),
        (without("answer"), "a.jsonl:1: answer: "),
        (answered(0, lang="ko") | {"lang": "klingon"}, "unknown language 'klingon'"),
        (answered(0) | {"outcome": "perfect"}, "a.jsonl:1: outcome: "),
        (answered(0) | {"outcome": "cut"}, "outcome 'cut' with an answer"),
        (answered(0, answer=None) | {"outcome": "answered"}, "outcome 'answered' with no answer"),
        (answered(0) | {"id": 7}, "a.jsonl:1: id: "),
        (answered(0, answer="\ud800"), "half a surrogate pair"),
        (answered(0, record={"correct_answers": ["\ud800"]}), "half a surrogate pair"),
    ],
)
def test_a_bad_line_is_told_with_its_place_and_what_to_do(line: Any, told: str) -> None:
    with pytest.raises(SourceError) as raised:
        replies(line)
    assert told in str(raised.value) and "a.jsonl:1: " in str(raised.value) and raised.value.hint
    assert "\n" not in str(raised.value)


def test_an_answer_of_nothing_but_space_is_none() -> None:
    assert replies(answered(0, answer=" \n\t"))[0].answer is None


@pytest.mark.parametrize(
    ("record", "category"),
    [
        ({"dataset": "koala"}, "koala"),  # X-AlpacaEval
        ({"dataset": "koala", "category": "writing"}, "writing"),
        ({"dataset": "koala", "category": " "}, "koala"),
        ({"category": 7}, None),
        ({}, None),
    ],
)
def test_questions_are_grouped_by_their_category_or_the_set_they_are_from(
    record: dict[str, Any], category: str | None
) -> None:
    assert replies(answered(0, record=record))[0].category == category


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ([answered(0)], [answered(1)], "share no question"),
        ([answered(0)], [answered(0, "sw")], "share no question"),
        (
            [answered(0)],
            [answered(0) | {"instruction": "다른 질문입니다."}],
            "different questions under the same id: 'q-0' in ko",
        ),
    ],
)
def test_files_of_other_questions_are_refused(a: Sequence[Any], b: Sequence[Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        join(replies(*a), replies(*b))


def test_a_question_answered_twice_in_a_file_is_refused() -> None:
    with pytest.raises(PlugdataError, match=r"a\.jsonl:2: .* is answered at a\.jsonl:1 already"):
        replies(answered(0), answered(0))


def test_questions_that_one_file_lacks_are_named() -> None:
    joined = join(replies(answered(0), answered(1)), replies(answered(1), answered(2), answered(1, "sw")))
    assert [(one.id, other.id) for one, other in joined.pairs] == [("q-1", "q-1")]
    assert (joined.only_a, joined.only_b) == ([("q-0", "ko")], [("q-2", "ko"), ("q-1", "sw")])


# --- what needs no judge ----------------------------------------------------------------------------------------------

ENGLISH = "It is an old stone bridge, and in the morning the mist rises slowly over the river."


@pytest.mark.parametrize("lang", sorted(ANSWERS))
def test_a_line_in_another_language_fails_its_answer(lang: str, lid_model_path: Path) -> None:
    texts = [ANSWERS[lang], f"{ANSWERS[lang]}\n\n{ENGLISH}", ENGLISH, "OK", f"{ANSWERS[lang]}\n```\n{ENGLISH}\n```"]
    (found,) = free.check(replies(*(answered(n, lang, text) for n, text in enumerate(texts))), lid.load(lid_model_path))
    assert found.n_lines == 5 and found.lines_ok == pytest.approx(3 / 5)  # "OK" and code are not judged
    assert found.answers_ok.n == 4 and found.answers_ok.value == pytest.approx(2 / 4)
    assert found.named == {"en": 2}


@pytest.mark.parametrize(
    ("inserted", "is_pure"),
    [
        ("이 다리는 very 오래되었습니다.", False),
        ("이 다리는 bridge입니다.", False),
        ("이 다리는 아주 old.", True),  # three letters
        ("이 다리는 Python과 NASA와 iPhone으로 그렸습니다.", True),
        ("이 다리는 `drawn` 그림이며 http://bridge.example/stone 에 있습니다.", True),
        ("이 다리는 stone_bridge.png 파일에 있습니다.", True),
        ("x" * 100_000, False),
    ],
)
def test_a_word_of_another_language_within_a_line_is_counted_apart(
    inserted: str, is_pure: bool, lid_model_path: Path
) -> None:
    text = f"{ANSWERS['ko'] * (1 + len(inserted) // 30)} {inserted}"
    found, latin = free.check(replies(answered(0, answer=text), answered(0, "sw")), lid.load(lid_model_path))
    assert (found.answers_ok.value, found.words_ok.value) == (1, is_pure)
    assert latin.words_ok.n == 0


def test_what_answers_show_is_counted_over_those_that_are_there(lid_model_path: Path) -> None:
    loop = "강물이 천천히 흐릅니다. " * 60
    texts = [ANSWERS["ko"], loop, "```python\nprint(1)", " ", None]
    ours = replies(*(answered(n, answer=text) for n, text in enumerate(texts)), answered(9, answer=None, outcome="cut"))
    (found,) = free.check(ours, lid.load(lid_model_path))
    assert (found.n, found.n_empty) == (6, 1)
    assert found.outcomes == {"answered": 4, "cut": 1, "not-found": 1}
    assert (found.loops, found.repeats, found.unclosed) == (1 / 3, 1 / 3, 1 / 3)
    assert found.n_chars == len(ANSWERS["ko"])


def test_lengths_are_compared_where_both_answer() -> None:
    ours = replies(
        answered(0, answer="가나"), answered(1, answer="가나다라"), answered(2, answer=None), answered(0, "sw")
    )
    theirs = replies(
        answered(0, answer="가나다"), answered(1, answer="가나"), answered(2), answered(0, "sw", answer=None)
    )
    assert free.lengths(join(ours, theirs).pairs) == (free.Lengths("ko", 2, 1.0), free.Lengths("sw", 0, None))


def test_every_group_of_figures_is_json() -> None:
    verdicts = sums.sums(replies(answered(0, record={"answer": 1, "category": "sums"})))
    told = [dataclasses.asdict(measured) for measured in sums.counted(verdicts)]
    assert [one["group"] for one in json.loads(json.dumps(told))] == [
        {"kind": "all", "name": ""},
        {"kind": "lang", "name": "ko"},
        {"kind": "category", "name": "sums"},
    ]
