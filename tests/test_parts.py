"""Row-wise work over processes: what `map` gives, in its order, in bounded memory, and nothing left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from plugdata import recipe, stages
from plugdata.corpus import BATCH, Corpus, Workers, parts
from plugdata.errors import GateError, InputError, PlugdataError
from plugdata.hashing import tagged_hash
from plugdata.rows import PAIR

ROOT = Path(__file__).parents[1]
N = 12


def _frames(n: int = N) -> Iterator[pl.DataFrame]:
    return (pl.DataFrame({"at": [i], "text": [f"{i}번째 문장입니다."]}) for i in range(n))


def _tripled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("at") * 3, by=pl.lit(os.getpid()))


def _refused(frame: pl.DataFrame, at: int) -> pl.DataFrame:
    if frame["at"][0] == at:
        raise GateError(f"row {at} says no", "leave it out")
    return frame


def _ended(frame: pl.DataFrame, how: int) -> pl.DataFrame:
    os.kill(os.getpid(), how) if how else os._exit(3)
    return frame


def _loud(frame: pl.DataFrame) -> pl.DataFrame:
    print("a library says something")  # noqa: T201
    os.write(1, b"and another past Python")
    return frame


def _threads(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(threads=pl.lit(pl.thread_pool_size()))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("n_frames", [0, 1, parts.ALONE, parts.ALONE + 1, N])
def test_any_number_of_workers_gives_what_map_gives(n: int, n_frames: int) -> None:
    with Workers(n) as workers:
        found = [frame.drop("by") for frame in workers.map(_tripled, _frames(n_frames))]
    assert [frame.rows() for frame in found] == [_tripled(frame).drop("by").rows() for frame in _frames(n_frames)]


def test_few_frames_start_no_process_and_many_share_all_of_them() -> None:
    with Workers(2) as workers:
        here = {frame["by"][0] for frame in workers.map(_tripled, _frames(parts.ALONE))}
        there = {frame["by"][0] for frame in workers.map(_tripled, _frames(50))}
        again = {frame["by"][0] for frame in workers.map(_tripled, _frames(50))}
    assert here == {os.getpid()}
    assert len(there) == 2 and os.getpid() not in there
    assert again == there  # started once


def test_a_bounded_number_of_frames_is_read_ahead() -> None:
    read = []

    def frames() -> Iterator[pl.DataFrame]:
        for frame in _frames(40):
            read.append(frame)
            yield frame

    with Workers(2) as workers:
        for done, _ in enumerate(workers.map(_tripled, frames())):
            assert len(read) <= done + 2 + parts.AHEAD


def test_an_error_of_a_worker_comes_back_as_it_was() -> None:
    with Workers(2) as workers, pytest.raises(GateError, match="row 7 says no") as raised:
        list(workers.map(partial(_refused, at=7), _frames()))
    assert raised.value.hint == "leave it out"


@pytest.mark.parametrize(("how", "told"), [(signal.SIGKILL, "-9"), (0, "3")])
def test_a_worker_that_ends_is_told_and_not_waited_for(how: int, told: str) -> None:
    with Workers(2) as workers, pytest.raises(PlugdataError, match=rf"ended with {told}$"):
        list(workers.map(partial(_ended, how=how), _frames()))


def test_what_a_worker_prints_does_not_get_between_its_answers(capfd: pytest.CaptureFixture[str]) -> None:
    with Workers(2) as workers:
        assert [frame["at"][0] for frame in workers.map(_loud, _frames())] == list(range(N))
    assert capfd.readouterr().out == ""


def test_a_worker_has_one_thread_of_polars() -> None:
    with Workers(2) as workers:
        assert {frame["threads"][0] for frame in workers.map(_threads, _frames())} == {1}


def test_rows_that_are_not_wanted_any_more_end_the_workers() -> None:
    with Workers(2) as workers:
        next(iter(workers.map(_tripled, _frames())))
    assert all(worker.returncode == -signal.SIGKILL for worker in workers._started)


_BUSY = """
import sys
from itertools import count
from plugdata.corpus import Workers
from tests.test_parts import _tripled
import polars as pl

with Workers(2) as workers:
    for frame in workers.map(_tripled, (pl.DataFrame({"at": [i]}) for i in count())):
        print("at work", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(how: signal.Signals) -> None:
    """Workers hold the parent's stderr open, so that it ends when the last of them does. The script has no guard."""
    with subprocess.Popen([sys.executable, "-c", _BUSY], cwd=ROOT, stdout=-1, stderr=-1, text=True) as parent:
        assert parent.stdout and parent.stderr
        assert parent.stdout.readline() == "at work\n"
        parent.send_signal(how)
        parent.stdout.close()
        told = parent.stderr.read()
    assert parent.returncode == -how
    assert told.count("Traceback") == (1 if how == signal.SIGINT else 0)  # the parent's own


@pytest.mark.parametrize("said", ["0", "-1", "many", "²"])
def test_a_number_of_workers_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUGDATA_WORKERS", said)
    with pytest.raises(InputError, match=r"PLUGDATA_WORKERS is '"):
        Workers()


def test_the_user_says_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUGDATA_WORKERS", "5")
    assert Workers().n == 5
    monkeypatch.delenv("PLUGDATA_WORKERS")
    assert 1 <= Workers().n <= len(os.sched_getaffinity(0))


def _pairs(n: int) -> Iterator[pl.DataFrame]:
    """Pairs of which most are too short to be looked at closely."""
    long = (
        "The ferry leaves at seven, and the last one at nine. " * 3,
        "페리는 일곱 시에 떠나고 마지막 배는 아홉 시에 있습니다. " * 3,
    )
    for start in range(0, n, BATCH):
        at = range(start, min(n, start + BATCH))
        texts = [long if i % 50 == 0 else (f"Yes, {i}.", f"네, {i}.") for i in at]
        known = pl.DataFrame(
            {"id": [tagged_hash(i) for i in at], "ordinal": at, "pivot_response": [e for e, _ in texts]}
        )
        known = known.with_columns(response=pl.Series([ko for _, ko in texts]), instruction=pl.lit("언제 떠나나요?"))
        known = known.with_columns(lang=pl.lit("ko"), pivot_lang=pl.lit("en"), status=pl.lit("kept"))
        known = known.with_columns(pivot_instruction=pl.lit("When does it leave?"))
        yield known.select(pl.col(c) if c in known.columns else pl.lit(None, PAIR[c]).alias(c) for c in PAIR)


@pytest.mark.usefixtures("lid_model_path")
def test_the_bytes_of_a_stage_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    asked = recipe.resolve({"corpus": str(tmp_path), "sources": [{"id": "a/b"}], "languages": ["ko"]})
    corpus = Corpus.create(tmp_path)
    given = corpus.write("pair", "ko", _pairs(parts.ALONE * BATCH + 2_000), PAIR)
    found = []
    for n in (1, 3):
        with Workers(n) as workers:
            (step,) = stages.measure(corpus, asked, print, workers.map)
            found.append(corpus.write("measure", "ko", step.frames(), step.contract, given.census))
        assert len(workers._started) == (0 if n == 1 else n)
    assert found[0] == found[1]
    assert corpus.rows("measure", "ko")["lid_response"].is_not_null().any()
