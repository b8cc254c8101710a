"""`plugdata judge` at a real server: what is sent, what it comes to, and what is never sent twice."""

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata.checks.prose import MIN_LETTERS
from plugdata.cli import judging
from plugdata.evaluate import estimates, free, pairs, single
from tests import commands
from tests.answers import ANSWERS, answered, write, write_both
from tests.commands import Run
from tests.servers import llm
from tests.servers.llm import LlmServer
from tests.servers.verdicts import Choose, comparing, marking, prefers_the_first, shown

run = commands.run

PAGE = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")

WINS, TIES = 5, 2
"""Of ten questions: those that model a wins, and those that neither does; model b wins the others."""


def number(question: str) -> int:
    return int(re.findall(r"\d+", question)[0])


def planted(question: str, first: str, second: str) -> str:
    """What a fair judge says: a question's verdict is its own, whichever answer stands first."""
    turn = number(question) * 7 % 10
    if turn < TIES:
        return "C"
    better = "(a)" if turn < TIES + WINS else "(b)"
    return "A" if first.endswith(better) else "B"


def careless(question: str) -> bool:
    """A quarter of the questions."""
    return number(question) % 4 == 1


def even(question: str, first: str, second: str) -> str:
    return "C"


def here(server: LlmServer, *more: object) -> list[object]:
    return ["-o", "judged", "--model", "strict", "--base-url", server.base_url, "--concurrency", 4, *more]


def judged(run: Run, *args: object) -> dict[str, Any]:
    code, out, err = run("judge", *args, "--json", "-q")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def agreed(run: Run, one: str, other: str) -> dict[str, Any]:
    """How far two judges agree over all questions, by column."""
    code, out, err = run("judge", "agree", one, other, "--json")
    assert code == 0, err
    return {found["column"]: found for found in json.loads(out)["groups"] if found["group"]["kind"] == "all"}


def whole(found: dict[str, Any]) -> dict[str, Any]:
    group: dict[str, Any] = found["groups"][0]
    assert group["group"]["kind"] == "all"
    return group


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_planted_win_rates_are_recovered_within_the_interval(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 120, ("ko", "sw"))
    with LlmServer(answer=comparing(planted)) as server:
        found = judged(run, "pairs", a, b, *here(server))
    groups = {group["group"]["name"]: group for group in found["groups"]}
    assert set(groups) == {"", "ko", "sw", "bridges", "rivers", "gardens"}
    for name in ("", "ko", "sw"):
        plug, strict = groups[name]["plug"], groups[name]["strict"]
        assert plug == strict  # a fair judge says the same in both orders
        assert plug["difference"]["value"] == pytest.approx(0.2)
        assert 0 < plug["difference"]["low"] < 0.2 < plug["difference"]["high"] < 0.4
        assert groups[name]["first_share"] == 0.5
    assert (whole(found)["n"], whole(found)["n_ids"]) == (240, 120)
    assert whole(found)["plug"]["p"] < 0.05
    assert found["cost"]["calls"] == len(server.requests) == 480


@pytest.mark.parametrize("truth", [even, planted])
def test_a_judge_who_always_takes_the_first_is_neutralised_by_the_swap(run: Run, tmp_path: Path, truth: Choose) -> None:
    a, b = write_both(tmp_path, 40)
    with LlmServer(answer=comparing(prefers_the_first(truth, lambda question: True))) as server:
        group = whole(judged(run, "pairs", a, b, *here(server)))
    verdicts = pl.read_parquet("judged/verdicts.parquet")
    assert set(verdicts["winner_ab"]) == {"a"}  # in one order alone a would have won everything
    assert (group["plug"]["ties"], group["plug"]["difference"]["value"]) == (40, 0)
    assert group["first_share"] == 1


def test_a_careless_judge_says_the_same_of_the_files_in_the_other_order(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 80)
    choose = prefers_the_first(planted, careless)
    with LlmServer(answer=comparing(choose)) as server:
        one = whole(judged(run, "pairs", a, b, *here(server)))
        n_asked = len(server.requests)
        other = whole(judged(run, "pairs", b, a, *here(server), "-o", "other", "--ledger", "judged/ledger.sqlite"))
        assert len(server.requests) == n_asked  # both orders were asked before
    for tally in ("plug", "strict"):
        assert (one[tally]["wins"], one[tally]["losses"]) == (other[tally]["losses"], other[tally]["wins"])
        assert one[tally]["difference"]["value"] == -other[tally]["difference"]["value"] > 0
    assert one["first_share"] == other["first_share"] > 0.6


def test_unparsable_verdicts_are_counted_and_decide_nothing(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 12)
    with LlmServer(
        answer=lambda request: "Both." if "3번째" in request.text else comparing(planted)(request)
    ) as server:
        found = judged(run, "pairs", a, b, *here(server))
    group = whole(found)
    assert (group["plug"]["errors"], group["unparsable"], group["plug"]["difference"]["n"]) == (1, 2, 12)
    bad = pl.read_parquet("judged/verdicts.parquet").filter(pl.col("plug") == "error")
    assert bad.select("id", "winner_ab", "reason_ab").row(0) == ("q-3", "unparsable", "Both.")


def test_an_answer_that_is_missing_loses_without_a_call(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [answered(0), answered(1, answer=None), answered(2, answer=None), answered(3)])
    b = write(tmp_path / "b.jsonl", [answered(0, answer=None), answered(1), answered(2, answer=None), answered(3)])
    with LlmServer(answer=comparing(even)) as server:
        group = whole(judged(run, "pairs", a, b, *here(server)))
        assert all("3번째" in request.text for request in server.requests)
    assert group["how"] == {"judged": 1, "missing-a": 1, "missing-b": 1, "missing-both": 1}
    assert (group["plug"]["wins"], group["plug"]["ties"], group["plug"]["losses"]) == (1, 1, 1)


def test_questions_of_one_file_alone_are_named_on_stderr_and_in_the_result(run: Run, tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [answered(n) for n in range(3)])
    b = write(tmp_path / "b.jsonl", [answered(n) for n in range(1, 3)])
    with LlmServer(answer=comparing(even)) as server:
        code, out, err = run("judge", "pairs", a, b, *here(server))
    assert code == 0
    assert "a.jsonl has 1 of the questions: q-0 (ko)" in err
    assert json.loads(Path("judged/result.json").read_text())["only_a"] == [["q-0", "ko"]]
    assert "ko: 2 questions: judged 2\n" in out and "0 verdicts unparsable" in out


def test_what_is_sent_is_temperature_0_the_rubric_and_the_parameters_asked_for(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 1)
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("Only courtesy in $language counts.")
    more = ("--rubric", rubric, "--param", "max_tokens=null", "--param", "reasoning_effort=low")
    with LlmServer(answer=comparing(even)) as server:
        found = judged(run, "pairs", a, b, *here(server), *more)
        sent = server.requests[0].json
    assert (sent["temperature"], sent["reasoning_effort"], "max_tokens" in sent) == (0, "low", False)
    assert "Only courtesy in Korean counts." in sent["messages"][0]["content"]
    assert found["prompts"][0].startswith("judge-pair-v1/rubric-")


def test_a_rerun_sends_nothing_and_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 10)
    with LlmServer(answer=comparing(planted)) as server:
        asked = ("pairs", a, b, *here(server))
        judged(run, *asked)
        before = [Path("judged", name).read_bytes() for name in ("verdicts.parquet", "result.json")]
        judged(run, *asked)
        assert len(server.requests) == 20
    judged(run, *asked)  # the server is gone
    assert [Path("judged", name).read_bytes() for name in ("verdicts.parquet", "result.json")] == before


def test_what_was_answered_before_a_kill_is_not_asked_again(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 30)
    concurrency = 3
    with LlmServer(answer=comparing(planted)) as server:
        args = ["judge", "pairs", str(a), str(b), *map(str, here(server)), "--concurrency", str(concurrency)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        process = subprocess.Popen([sys.executable, "-m", "plugdata", *args, "-q"], cwd=tmp_path, env=environment)
        server.wait_for(20, timeout_s=60)
        server.hold()
        process.send_signal(signal.SIGKILL)
        process.wait()
        server.release()
        assert not Path("judged/result.json").exists()
        n_before = len(server.requests)
        found = judged(run, *args[1:])
        n_asked = Counter(request.digest for request in server.requests)
    assert n_before < 60 == len(n_asked)
    assert sum(n - 1 for n in n_asked.values()) <= concurrency  # what was in flight
    assert whole(found)["how"] == {"judged": 30}


def test_a_first_look_is_part_of_the_whole(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 8)
    with LlmServer(answer=comparing(planted)) as server:
        assert whole(judged(run, "pairs", a, b, *here(server), "--limit", 3))["n"] == 3
        assert whole(judged(run, "pairs", a, b, *here(server)))["n"] == 8
        assert len(server.requests) == 16


def test_other_verdicts_never_take_the_place_of_those_in_a_folder(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 3)
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("Only courtesy counts.")
    with LlmServer(answer=comparing(even)) as server:
        judged(run, "pairs", a, b, *here(server))
        before = [
            path.read_bytes() for path in sorted(Path("judged").glob("*.*")) if path.suffix in (".json", ".parquet")
        ]
        for args, told in (
            (("pairs", b, a, *here(server)), "answers"),
            (("score", a, *here(server)), "command, rubric or prompt, answers"),
            (("pairs", a, b, *here(server), "--model", "other"), "judge"),
            (("pairs", a, b, *here(server), "--param", "max_tokens=9"), "--param"),
            (("pairs", a, b, *here(server), "--rubric", rubric), "rubric or prompt"),
        ):
            code, out, err = run("judge", *args)
            assert (code, out) == (2, "") and "--ledger judged/ledger.sqlite" in err
            assert err.splitlines()[0].endswith(f"by strict on a.jsonl and b.jsonl: not the same {told}")
        assert len(server.requests) == 6
    after = [path.read_bytes() for path in sorted(Path("judged").glob("*.*")) if path.suffix in (".json", ".parquet")]
    assert before == after


@pytest.mark.usefixtures("lid_model_path")
def test_no_figure_is_cut_off_in_80_columns(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    record = {
        "category": "a category of a rather long name",
        "correct_answers": ["맞아요."],
        "incorrect_answers": ["아니."],
    }
    files = [
        write(
            tmp_path / f"{name}.jsonl",
            [answered(n, answer=f"{ANSWERS['ko']} ({name})", record=record) for n in range(9)],
        )
        for name in "ab"
    ]

    def says(request: llm.Request) -> str:
        if "answer_a" in shown(request):
            return comparing(planted)(request)
        return marking(lambda system, answer: "yes" if "[[yes]]" in system else "6")(request)

    with LlmServer(answer=says) as server:
        asked = ("--model", "strict", "--base-url", server.base_url)
        for args in (
            ("pairs", *files, "-o", "pairs", *asked),
            ("score", files[0], "-o", "score", *asked),
            ("truthful", files[0], "-o", "truthful", *asked),
            ("check", *files),
            ("agree", "pairs", "pairs"),
        ):
            code, out, err = run("judge", *args)
            assert code == 0, err
            assert "…" not in out and max(map(len, out.splitlines())) <= 80


# --- money, failures, exit codes --------------------------------------------------------------------------------------


def test_a_budget_ends_the_run_and_a_larger_one_goes_on(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 10)
    with LlmServer(answer=comparing(planted)) as server:
        asked = ["judge", "pairs", a, b, *here(server), "--price", "1,1", "-q", "--param", "max_tokens=100"]
        code, _, err = run(*asked, "--budget", "0.0000001")
        assert (code, len(server.requests)) == (4, 0), err
        code, _, err = run(*asked, "--budget", "0.006", "--concurrency", 1)
        n_paid = len(server.requests)
        assert code == 3 and 0 < n_paid < 20, err
        code, out, _ = run(*asked, "--budget", 1)
        assert (code, len(server.requests)) == (0, 20)
    assert "20 answers of the judge" in out and "$0.0" in out


def test_questions_whose_calls_fail_are_shown_and_asked_for_again(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 6)
    is_one = llm.when(lambda request: "2번째" in request.text, llm.server_error())
    with LlmServer([is_one], answer=comparing(planted)) as server:
        code, out, err = run("judge", "pairs", a, b, *here(server))
        assert code == 3
        assert "failed 1" in out and "1 question without a verdict" in err
        n_before = len(server.requests)
        server.faults.clear()
        assert whole(judged(run, "pairs", a, b, *here(server)))["how"] == {"judged": 6}
        assert len(server.requests) == n_before + 2


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("-o", "judged"), "no model to judge with"),
        (("-o", "judged", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--rubric", "none.txt"), "none.txt"),
        (("-o", "judged", "--model", "unheard-of", "--base-url", "http://judge.example/v1"), "price"),
        (("-o", "judged", "--model", "m", "--param", "stream=true"), "'stream'"),
        (("-o", "taken", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"), "taken"),
        (("-o", "corpus", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"), "is a corpus"),
        (("-o", "a.jsonl", "--model", "m", "--base-url", "http://127.0.0.1:9/v1"), "a.jsonl is a file"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line_or_two(
    run: Run, tmp_path: Path, args: tuple[str, ...], told: str
) -> None:
    a, b = write_both(tmp_path, 1)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "recipe.yaml").write_text("pivot: en")
    code, out, err = run("judge", "pairs", a, b, *args)
    assert (code, out) == (2, "") and told in err and len(err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "holds no answer"), ("{", "a.jsonl:1: not valid JSON"), ('{"id": "x"}\n', "a.jsonl:1: lang: Field required")],
)
def test_a_broken_answers_file_is_told_by_file_and_line(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    code, _, err = run("judge", "check", "a.jsonl")
    assert code == 2 and told in err and "→" in err


# --- one answer by itself ---------------------------------------------------------------------------------------------


def test_marks_are_averaged_by_language_and_category(run: Run, tmp_path: Path) -> None:
    lines = [answered(n, lang, answer=None if n == 5 else "") for lang in ("ko", "es") for n in range(6)]
    with LlmServer(answer=marking(lambda system, answer: "9" if "Korean" in system else "5")) as server:
        found = judged(run, "score", write(tmp_path / "a.jsonl", lines), *here(server))
        assert len(server.requests) == 10
    means = {group["group"]["name"]: group["means"]["score"]["value"] for group in found["groups"]}
    assert (means["ko"], means["es"]) == ((45 + 1) / 6, (25 + 1) / 6)
    assert whole(found)["means"]["score_answered"]["value"] == 7


def test_truthfulness_is_two_questions_of_each_answer(run: Run, tmp_path: Path) -> None:
    record = {"correct_answers": ["돌다리입니다."], "incorrect_answers": ["나무다리입니다."]}
    lines = [answered(n, answer=f"{ANSWERS['ko']} {n}", record=record) for n in range(6)]

    def says(system: str, answer: str) -> str:
        return "yes" if "truthful" in system or int(answer[-1]) < 2 else "no"

    with LlmServer(answer=marking(says)) as server:
        found = judged(run, "truthful", write(tmp_path / "a.jsonl", lines), *here(server))
        assert len(server.requests) == 12 and all("incorrect_answers" in shown(one) for one in server.requests)
    means = {name: mean["value"] for name, mean in whole(found)["means"].items()}
    assert means == {"truthful": 1, "informative": pytest.approx(1 / 3), "both": pytest.approx(1 / 3)}
    assert agreed(run, "judged", "judged")["informative"]["n"] == 6


def test_a_question_without_its_references_is_refused_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=marking(lambda system, answer: "yes")) as server:
        code, _, err = run("judge", "truthful", write(tmp_path / "a.jsonl", [answered(0)]), *here(server))
        assert (code, server.requests) == (2, [])
    assert "a.jsonl:1: the record has no correct_answers" in err


@pytest.mark.parametrize(("name", "told"), [("nowhere.jsonl", "does not exist"), (".", "is a folder")])
def test_an_answers_file_that_is_none_is_told(run: Run, name: str, told: str) -> None:
    code, _, err = run("judge", "check", name)
    assert code == 2 and f"{name} {told}" in err and "generate.py" in err


def test_sums_are_counted_without_a_model(run: Run, tmp_path: Path) -> None:
    lines = [answered(n, answer=f"정답은 {n * 2}개입니다.", record={"answer": 4}) for n in range(4)]
    code, out, _ = run("judge", "math", write(tmp_path / "a.jsonl", lines), "-o", "judged")
    assert code == 0 and "25.0%" in out
    assert pl.read_parquet("judged/verdicts.parquet")["right"].to_list() == [False, False, True, False]
    assert json.loads(Path("judged/result.json").read_text())["cost"] is None


@pytest.mark.usefixtures("lid_model_path")
def test_checks_are_shown_for_both_files_and_cost_nothing(run: Run, tmp_path: Path) -> None:
    english = "It is an old stone bridge, and in the morning the mist rises slowly over the river."
    a = write(tmp_path / "a.jsonl", [answered(0), answered(1, answer=None)])
    b = write(tmp_path / "b.jsonl", [answered(0, answer=english), answered(1)])
    code, out, _ = run("judge", "check", a, b)
    assert code == 0
    assert "ko: 2 questions: answered 2; lines in other languages: en 1" in out
    assert "the second file's answers are" in out
    code, out, _ = run("judge", "check", a, "--json")
    assert json.loads(out)["checked"][0][0]["outcomes"] == {"answered": 1, "not-found": 1}


# --- two judges -------------------------------------------------------------------------------------------------------


def test_two_judges_of_the_same_answers_are_compared(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 40)
    for folder, choose in (("one", planted), ("other", prefers_the_first(planted, careless))):
        with LlmServer(answer=comparing(choose)) as server:
            judged(run, "pairs", a, b, *here(server), "-o", folder)
    plug = agreed(run, "one", "other")["plug"]
    assert plug["n"] == 40
    assert 0.3 < plug["kappa"] < plug["agreement"]["value"] < 1
    same = agreed(run, "one", "one")["strict"]
    assert (same["agreement"]["value"], same["kappa"]) == (1, 1)


def test_verdicts_on_other_answers_are_not_compared(run: Run, tmp_path: Path) -> None:
    a, b = write_both(tmp_path, 2)
    with LlmServer(answer=comparing(even)) as server:
        judged(run, "pairs", a, b, *here(server), "-o", "one")
        judged(run, "pairs", b, a, *here(server), "-o", "other")
    code, _, err = run("judge", "agree", "one", "other")
    assert code == 2 and "different answers files" in err
    code, _, err = run("judge", "agree", "one", "nowhere")
    assert code == 2 and "nowhere holds no verdicts" in err
    code, _, err = run("judge", "agree", a, "one")
    assert code == 2 and "a.jsonl holds no verdicts" in err
    Path("one/result.json").write_text("{")
    code, _, err = run("judge", "agree", "one", "other")
    assert code == 2 and "the verdicts in one cannot be read" in err and "judge anew" in err


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("lid_model_path")
def test_every_command_of_the_page_works(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, name in zip(write_both(tmp_path, 6, ("ko", "sw")), ("plug", "mono"), strict=True):
        path.rename(tmp_path / f"{name}.jsonl")
    references = {"correct_answers": ["맞아요."], "incorrect_answers": ["아니에요."], "answer": 7}
    for name in ("truthfulqa", "svamp"):
        write(tmp_path / f"{name}.jsonl", [answered(0, answer="답은 7입니다.", record=references)])

    def says(request: llm.Request) -> str:
        if "answer_a" in shown(request):
            return comparing(planted)(request)
        return marking(lambda system, answer: "yes" if "[[yes]]" in system else "6")(request)

    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    typed = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert {args[2] for args in typed} == set(judging.judge.commands)
    with LlmServer(answer=says) as server:
        monkeypatch.setenv("PLUGDATA_BASE_URL", server.base_url)
        for args in typed:
            code, out, err = run(*args[1:])
            assert code == 0 and out, (args, err)


def test_the_page_has_the_tallies_of_the_code() -> None:
    rows = [
        re.findall(r"[\w-]+", line) for line in PAGE.splitlines() if re.match(r"\| (a|b|tie|unparsable|any) \|", line)
    ]
    told = {(ab, ba): (plug, strict) for ab, ba, plug, strict in rows}
    for ab, ba in itertools.product(pairs.Winner, pairs.Winner):
        key = ("unparsable", "any") if ab == "unparsable" else ("any", "unparsable") if ba == "unparsable" else (ab, ba)
        assert told[key] == (pairs.plug(ab, ba), pairs.strict(ab, ba))
    assert len(told) == 11


def test_the_page_has_the_numbers_of_the_code() -> None:
    for number in (
        f"{estimates.RESAMPLES:,} resamples",
        f"fewer than {free.MIN_TOKENS} words or {MIN_LETTERS} letters",
    ):
        assert number in PAGE
    assert f"more than {free.REPEATED} of their words" in PAGE and f"with {single.LOWEST} for what is missing" in PAGE
