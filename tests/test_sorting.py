"""Sorting on disk, and groups that no frame boundary parts."""

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.corpus import BATCH, sorting
from plugdata.sources import whole_groups


def _frames(n: int, size: int) -> list[pl.DataFrame]:
    drawn = random.Random(5)
    rows = [{"id": f"r{drawn.randrange(n):07}", "ordinal": n - at, "text": "어느 산 " * 40} for at in range(n)]
    return [pl.DataFrame(rows[at : at + size]) for at in range(0, n, size)]


@pytest.mark.parametrize("run_bytes", [100_000_000, 1_000_000, 1])
def test_rows_come_back_sorted_in_batches_also_when_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_bytes: int
) -> None:
    monkeypatch.setattr(sorting, "RUN_BYTES", run_bytes)
    frames = _frames(30_000, 700)
    found = list(sorting.by_columns(iter(frames), ["id", "ordinal"], tmp_path / "spill"))
    assert pl.concat(found).equals(pl.concat(frames).sort("id", "ordinal"))
    assert [frame.height for frame in found] == [BATCH] * 6
    assert list(tmp_path.iterdir()) == []


def test_no_rows_sorted_are_no_rows(tmp_path: Path) -> None:
    assert list(sorting.by_columns(iter([]), ["id"], tmp_path / "spill")) == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=8))
def test_every_group_comes_whole(drawn: list[list[int]]) -> None:
    ids = iter(sorted(n for part in drawn for n in part))
    frames = [pl.DataFrame({"id": [next(ids) for _ in part]}, schema={"id": pl.Int64}) for part in drawn if part]
    found = list(whole_groups(frames))
    assert [n for frame in found for n in frame["id"]] == [n for frame in frames for n in frame["id"]]
    seen = [set(frame["id"]) for frame in found]
    assert len(set().union(*seen)) == sum(map(len, seen))
