"""The corpus directory: written whole or not at all, by one writer, with every row accounted for."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from plugdata.corpus import BATCH, Corpus, Manifest, Progress, replacing
from plugdata.errors import ContractError, CorpusError, FunnelError, InputError
from plugdata.hashing import tagged_hash
from plugdata.rows import VERDICT, Reason, Status, row_id, take_out

CONTRACT: dict[str, pl.DataType] = {"id": pl.String(), "ordinal": pl.Int64(), **VERDICT}


def _rows(n: int, start: int = 0) -> pl.DataFrame:
    ordinals = range(start, start + n)
    return pl.DataFrame(
        {
            "id": [tagged_hash(i) for i in ordinals],
            "ordinal": ordinals,
            "status": ["kept"] * n,
            "stage": [None] * n,
            "reason": [None] * n,
            "reasons": [[]] * n,
            "detail": [None] * n,
        },
        schema=CONTRACT,
    )


def _dropped(rows: pl.DataFrame, stage: str, ordinals: list[int]) -> pl.DataFrame:
    hit = pl.col("ordinal").is_in(ordinals)
    return take_out(rows, stage, Status.DROPPED, [(Reason.LID, hit, pl.lit("p 0.1"))])


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "corpus")


def test_rows_come_back_as_they_were_written(corpus: Corpus) -> None:
    frames = [_rows(BATCH), _rows(7, start=BATCH)]
    written = corpus.write("screen", None, frames, CONTRACT)
    assert corpus.rows("screen").equals(pl.concat(frames))
    assert [batch.height for batch in corpus.batches("screen")] == [BATCH, 7]
    assert written == corpus.write("screen", None, frames, CONTRACT)  # the same rows, the same bytes


def test_a_folder_whose_name_is_a_pattern_is_that_folder_alone(tmp_path: Path) -> None:
    corpus, other = Corpus.create(tmp_path / "[ab]*"), Corpus.create(tmp_path / "a")
    corpus.write("screen", None, [_rows(3)], CONTRACT)
    other.write("screen", None, [_rows(5)], CONTRACT)
    assert corpus.rows("screen").equals(_rows(3))
    assert corpus.scan("screen").collect().equals(_rows(3))


def test_counts_tell_apart_what_this_stage_and_earlier_ones_took_out(corpus: Corpus) -> None:
    rows = _dropped(_dropped(_rows(10), "screen", [1]), "filter", [1, 2, 3])
    counts = corpus.write("filter", "ko", [rows], CONTRACT).counts
    assert (counts.rows, counts.kept, counts.carried, counts.out) == (10, 7, 1, {"dropped": {"lid": 2}})


def test_a_stage_without_rows_is_written_with_its_columns(corpus: Corpus) -> None:
    corpus.write("filter", "ko", [], CONTRACT)
    assert corpus.rows("filter", "ko").schema == CONTRACT


@pytest.mark.parametrize("damage", ["lost", "doubled", "exchanged"])
def test_a_stage_that_does_not_give_back_its_rows_writes_nothing(corpus: Corpus, damage: str) -> None:
    before = corpus.write("screen", None, [_rows(5)], CONTRACT)
    rows = {
        "lost": _rows(4),
        "doubled": pl.concat([_rows(5), _rows(1)]),
        "exchanged": _rows(5).with_columns(id=pl.col("id").replace(tagged_hash(3), tagged_hash(99))),
    }[damage]
    with pytest.raises(FunnelError):
        corpus.write("pair", "ko", [rows], CONTRACT, census=before.census)
    assert not corpus.part("pair", "ko").exists()
    corpus.write("pair", "ko", [_rows(5).reverse()], CONTRACT, census=before.census)  # order alone is no loss


def test_a_frame_without_a_column_is_refused(corpus: Corpus) -> None:
    with pytest.raises(ContractError, match="'detail'"):
        corpus.write("pair", "ko", [_rows(1).drop("detail")], CONTRACT)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as handle:
        handle.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_one_writer_at_a_time_and_the_lock_dies_with_its_process(corpus: Corpus) -> None:
    hold = (
        "import sys, pathlib; from plugdata.corpus import Corpus\n"
        f"with Corpus(pathlib.Path({str(corpus.path)!r})).lock():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert corpus.is_locked()
        with pytest.raises(CorpusError, match="written by another process"), corpus.lock():
            pass
        holder.kill()
    assert not corpus.is_locked()
    with corpus.lock():
        assert corpus.is_locked()


def test_manifest_and_progress_are_read_back(corpus: Corpus) -> None:
    assert (corpus.manifest(), corpus.progress()) == (None, None)
    manifest = Manifest(pivot="en", sources=())
    progress = Progress(stage="translate", done=1, total=2, started_at=1.0, updated_at=2.0)
    corpus.write_manifest(manifest)
    corpus.write_progress(progress)
    assert (corpus.manifest(), corpus.progress()) == (manifest, progress)
    corpus.write_progress(None)
    assert corpus.progress() is None


def test_a_damaged_manifest_is_told_in_a_line(corpus: Corpus) -> None:
    (corpus.path / "manifest.json").write_text('{"version": 1, "pi')
    with pytest.raises(CorpusError, match=r"manifest\.json cannot be read"):
        corpus.manifest()


def test_a_folder_of_other_things_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="not a corpus and not empty"):
        Corpus.create(tmp_path)
    with pytest.raises(InputError, match="is not a corpus"):
        Corpus.open(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        Corpus.open(tmp_path / "absent")


def test_what_the_system_refuses_to_write_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="cannot write"):
        Corpus.create(tmp_path / "file" / "corpus")


def test_an_id_is_of_the_texts_alone_whatever_their_edges_and_composition() -> None:
    assert row_id("Écrire", "", "x") == row_id(" E\u0301crire\n", " ", "x ")
    assert len({row_id("a", "b", "c"), row_id("ab", "", "c"), row_id("a", "b", "c", "system")}) == 3
    assert (
        row_id("a", "b", "c") == tagged_hash(["a", "b", "c"]) == "b2:e32dd4b8e1fbd865f4421ba4a555b563"
    )  # b2sum -l 128
