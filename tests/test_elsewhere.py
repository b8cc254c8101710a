"""Other data sets that no row may repeat: what is read of each kind, and what a corpus made against one lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from plugdata import pipeline, recipe
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.recipe import Recipe
from plugdata.stages import elsewhere
from tests.servers.hub import HubServer

PAIRS = [
    ("Name a river in Spain.", "The Ebro flows to the sea.", "Nombra un río de España.", "El Ebro corre hacia el mar."),
    ("What do bees make?", "Bees make honey.", "¿Qué hacen las abejas?", "Las abejas hacen miel."),
]


def _made(folder: Path, n: int = 2) -> Recipe:
    """A corpus of Spanish pairs in `folder`/corpus, without a call."""
    folder.mkdir()
    for name, at in (("en", 0), ("es", 2)):
        made = [{"instruction": pair[at], "input": "", "output": pair[at + 1]} for pair in PAIRS[:n]]
        (folder / f"{name}.json").write_text(json.dumps(made))
    asked = recipe.for_pairs(folder / "en.json", [folder / "es.json"], folder / "corpus", None, "auto", "mit", ())
    pipeline.run(asked, until="dedup")
    return asked


def _texts(name: Path) -> list[str]:
    return sorted(text for frame in elsewhere.texts([str(name)]) for text in frame["text"])


def test_of_a_file_each_row_is_a_text(tmp_path: Path) -> None:
    _made(tmp_path / "one")
    (frame,) = elsewhere.texts([str(tmp_path / "one" / "es.json")])
    assert frame["id"].to_list() == ["es.json:1", "es.json:1"]
    assert [text.split() for text in frame["text"]] == [f"{pair[2]} {pair[3]}".split() for pair in PAIRS]


def test_of_a_corpus_and_of_what_it_publishes_both_sides_of_each_pair_are_texts(tmp_path: Path) -> None:
    asked = _made(tmp_path / "one")
    assert _texts(asked.corpus) == sorted("\n".join(pair[at : at + 2]) for pair in PAIRS for at in (0, 2))
    pipeline.run(asked)
    assert _texts(Corpus(asked.corpus).dist) == _texts(asked.corpus)


def test_of_a_data_set_that_plugdata_published_both_sides_of_every_configuration_are_texts(tmp_path: Path) -> None:
    asked = _made(tmp_path / "one").model_copy(update={"layouts": ("plug", "mono")})
    pipeline.run(asked)
    code = (
        "import sys; from pathlib import Path; from plugdata.publish import hub; from plugdata.stages import elsewhere;"
        "target = hub.Target('tester/plug', public=True);"
        "hub.push(Path(sys.argv[1]), target, token=None, say=lambda line: None);"
        "print(*sorted({repr(t) for f in elsewhere.texts(['tester/plug']) for t in f['text']}), sep='\\n')"
    )
    with HubServer() as server:
        environment = {**os.environ, **server.environment(tmp_path / "hf", "hf_test"), "PYTHONPATH": os.getcwd()}
        done = subprocess.run(
            [sys.executable, "-c", code, Corpus(asked.corpus).dist], env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == sorted(map(repr, _texts(asked.corpus)))


@pytest.mark.parametrize("what", ["corpus", "es.json", "en.json"])
def test_rows_that_another_data_set_has_are_dropped_and_its_content_is_what_counts(what: str, tmp_path: Path) -> None:
    _made(tmp_path / "one", n=1)
    other = tmp_path / "one" / what
    asked = _made(tmp_path / "two")
    against = asked.model_copy(update={"dedup": asked.dedup.model_copy(update={"against": (str(other),)})})
    pipeline.run(against, until="dedup")
    done = Corpus(asked.corpus).rows("dedup", "es")
    dropped = done.filter(pl.col("status") == "dropped")
    assert dropped["pivot_response"].to_list() == [PAIRS[0][1]]
    assert dropped["reason"].to_list() == ["duplicate-exact"]
    assert what in dropped["detail"][0]
    corpus = Corpus(asked.corpus)
    before = elsewhere.digests([str(other)], corpus)
    assert before == elsewhere.digests([str(other)], corpus)
    if what != "corpus":
        other.write_text(other.read_text() + " ")
        assert before != elsewhere.digests([str(other)], corpus)


def test_a_corpus_is_not_compared_with_itself(tmp_path: Path) -> None:
    asked = _made(tmp_path / "one")
    with pytest.raises(InputError, match="the corpus itself"):
        elsewhere.digests([str(asked.corpus)], Corpus(asked.corpus))
