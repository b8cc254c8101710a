"""A published corpus pulled by somebody else, who adds a language to it: the same ids, and no row asked for again."""

import json
from pathlib import Path

import polars as pl
import pytest

from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.publish.pull import PIVOT, _merged, _of_languages
from plugdata.recipe import Source, resolve
from plugdata.sources import read
from tests.servers.hub import Blob, HubFault, HubServer
from tests.servers.llm import LlmServer
from tests.test_hub_to_hub import _Shell

TOPICS = ["an old bridge", "a quiet garden", "the night train", "an island market", "the village school", "a mill"]
FLAT = [*PIVOT, "instruction", "response", "lang"]


def write_sources(folder: Path) -> Path:
    """Two files under two licences; every second record has an input, the ids of both start at 0."""
    for name, license in (("first", "cc-by-4.0"), ("second", "apache-2.0")):
        records = [
            {
                "id": n,
                "instruction": f"Describe {topic} to somebody who has never been there, as the {name} of two friends.",
                "input": "Speak of voices and of colours." if n % 2 else "",
                "output": f"When you come to {topic}, you hear voices first, and then you see colours in {name} light.",
                "license": license,
            }
            for n, topic in enumerate(TOPICS)
        ]
        (folder / f"{name}.json").write_text(json.dumps(records))
    recipe = folder / "my.yaml"
    asked = {
        "corpus": "made",
        "sources": [{"path": "first.json"}, {"path": "second.json"}],
        "languages": ["ko", "es"],
        "layouts": ["plug", "mono"],
        "split": {"validation": 0.3, "seed": 7},
        "filter": {"lid": {"min": 0.1, "mixed": None}},
    }
    recipe.write_text(json.dumps(asked))
    return recipe


def published(corpus: Path, lang: str) -> pl.DataFrame:
    return pl.read_parquet(corpus / "dist" / lang / "*.parquet").select(FLAT).sort("id")


@pytest.mark.usefixtures("lid_model_path")
def test_a_language_is_added_to_a_pulled_corpus_and_only_it_is_asked_for(tmp_path: Path, hub: HubServer) -> None:
    for name in ("maker", "other"):
        (tmp_path / name).mkdir()
    maker, other = (_Shell(tmp_path / name, hub) for name in ("maker", "other"))
    recipe = write_sources(tmp_path / "maker")
    with LlmServer() as server:
        code, _, err = maker.plugdata("run", str(recipe), "--model", "m", "--base-url", server.base_url)
        assert code == 0, err
    code, _, err = maker.plugdata("push", "made", "--repo", "tester/plug", "--tag", "v1")
    assert code == 0, err
    first = {lang: published(tmp_path / "maker" / "made", lang) for lang in ("ko", "es")}
    assert first["ko"].height == 12 and first["ko"]["license"].n_unique() == 2

    code, out, err = other.plugdata("pull", "--repo", "tester/plug", "--revision", "v1", "mine")
    assert code == 0, err
    assert "12 rows in ko, es" in err and "kept" in out
    code, _, err = other.plugdata("pull", "--repo", "tester/plug", "mine")
    assert (code, "is a corpus already" in err) == (2, True)
    with LlmServer() as server:
        asked = ["--set", "languages=[ko,es,fr]", "--model", "m", "--base-url", server.base_url]
        code, _, err = other.plugdata("run", str(tmp_path / "other" / "mine" / "recipe.yaml"), *asked)
        assert code == 0, err
        texts = [json.dumps(request.json) for request in server.requests]
    assert len(texts) == 12 and all("French (fr)" in text for text in texts)

    mine = tmp_path / "other" / "mine"
    for lang, rows in first.items():
        assert published(mine, lang).equals(rows)
        for split in ("train", "validation"):
            ids = [
                pl.read_parquet(c / "dist" / lang / f"{split}-*.parquet")["id"] for c in (mine, tmp_path / "maker/made")
            ]
            assert ids[0].equals(ids[1])
    added = published(mine, "fr")
    assert added.height > 0
    assert added.select(PIVOT).equals(first["ko"].select(PIVOT).filter(pl.col("id").is_in(added["id"].implode())))
    assert set(Corpus(mine).rows("translate", "ko")["model"]) == {
        f"tester/plug@{hub.repos['dataset', 'tester/plug'].at('v1').oid[:12]}"
    }
    code, _, err = other.plugdata("push", "mine", "--repo", "tester/plug")
    assert code == 0, err
    assert {name.split("/")[0] for name in hub.files("tester/plug") if name.endswith(".parquet")} == {
        *("ko", "ko-mono", "es", "es-mono", "fr", "fr-mono")
    }


def test_what_cannot_be_pulled_is_told_in_a_line(tmp_path: Path, hub: HubServer) -> None:
    person = _Shell(tmp_path, hub)
    made = "from huggingface_hub import HfApi; a = HfApi(); a.create_repo('tester/net'); "
    made += "a.create_repo('tester/bare', repo_type='dataset')"
    assert person.python("-c", made)[0] == 0
    for repo, revision, code, words in [
        ("tester/none", "main", 1, "tester/none was not found (404)"),
        ("tester/net", "main", 2, "tester/net is a model, not a data set"),
        ("tester/bare", "v9", 2, "tester/bare has no revision 'v9'"),
        ("tester/bare", "main", 2, "holds no plugdata.sha256, so plugdata did not publish it"),
        ("plain", "main", 2, "'plain' is no name of a data set"),
    ]:
        found, _, err = person.plugdata("pull", "--repo", repo, "--revision", revision, "mine")
        assert (found, "Traceback" in err) == (code, False), err
        assert words in err
    bare = hub.repos["dataset", "tester/bare"]
    sums = f"{'0' * 64}  ko/train-00000-of-00001.parquet\n".encode()
    files = {"recipe.yaml": b"languages: [ko]\n", "plugdata.sha256": sums, "ko/train-00000-of-00001.parquet": b"PAR1"}
    bare.commit("refs/heads/main", {name: Blob(content, False) for name, content in files.items()}, "by hand")
    for edited, words in [
        (b"languages: 5\n", "languages: "),
        (b"languages: [ko]\nlayouts: 5\n", "layouts: "),
        (b"languages: [ko]\nfilter: {lid: 3}\n", "filter.lid: is not a block of keys"),
    ]:
        bad = {**files, "recipe.yaml": edited}
        bare.commit("refs/heads/main", {name: Blob(content, False) for name, content in bad.items()}, "by hand")
        found, _, err = person.plugdata("pull", "--repo", "tester/bare", "mine")
        assert (found, words in err, "Traceback" in err) == (2, True, False), err
    bare.commit("refs/heads/main", {name: Blob(content, False) for name, content in files.items()}, "by hand")
    for method, status, words in [
        ("HEAD", 403, "may not read tester/bare (403)"),
        ("HEAD", 0, "cannot reach the Hub"),
        ("GET", 401, "(401): injected fault"),
    ]:
        hub.faults[:] = [HubFault(method, "/resolve/", status)]
        found, _, err = person.plugdata("pull", "--repo", "tester/bare", "mine")
        assert (found, words in err, "Traceback" in err) == (1, True, False), err
    once = {"Retry-After": "0"}
    hub.faults[:] = [HubFault("HEAD", "/resolve/", 503, 1, once), HubFault("GET", "/resolve/", 503, 1, once)]
    found, _, err = person.plugdata("pull", "--repo", "tester/bare", "mine")
    assert (found, "is not the file that was published" in err) == (2, True), err
    assert not (tmp_path / "mine" / "recipe.yaml").exists()


def test_configs_of_the_default_layout_are_told_from_the_others() -> None:
    configs = ["es", "es-MX", "es-MX-mono", "es-cc-by-4.0", "es-mono", "es-mono-cc-by-4.0", "esx", "mine"]
    names = [f"{config}/train-00000-of-00001.parquet" for config in configs]
    asked = {"languages": ["es", "es-MX"], "layouts": ["plug", "mono"]}
    found = _of_languages([*names, "README.md", "../es/x.parquet"], asked)
    assert found == {
        "es": ["es-cc-by-4.0/train-00000-of-00001.parquet", "es/train-00000-of-00001.parquet"],
        "es-MX": ["es-MX/train-00000-of-00001.parquet"],
    }


def frame(*rows: tuple[str, str, str]) -> pl.DataFrame:
    made = [{**dict.fromkeys(PIVOT, "x"), "id": id, "lang": lang, "pivot_response": text} for id, lang, text in rows]
    return pl.DataFrame(made).select(*PIVOT, "lang")


def test_each_id_comes_once_wherever_frames_are_cut() -> None:
    rows = [("a", "es", "1"), ("a", "ko", "1"), ("b", "ko", "2"), ("c", "es", "3"), ("c", "ko", "3")]
    for cut in range(1, len(rows)):
        found = pl.concat(_merged([frame(*rows[:cut]), frame(*rows[cut:])]))
        assert found["id"].to_list() == ["a", "b", "c"] and found.columns == PIVOT
    for cut in (1, 2):
        odd = [rows[0], ("a", "ko", "2"), rows[2]]
        with pytest.raises(InputError, match="the pivot's texts of a in 'ko'"):
            list(_merged([frame(*odd[:cut]), frame(*odd[cut:])]))


def test_a_record_keeps_the_id_and_source_that_its_columns_name(tmp_path: Path) -> None:
    id = "b2:" + "0" * 32
    record = {"id": id, "by": "their/set", "q": "Name a river.", "a": "The Nile.", "source_id": "17", "license": "mit"}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({**record, "id": each}) + "\n" for each in (id, "17", None)))
    columns = {"instruction": "q", "response": "a", "id": "id", "source": "by"}
    [found] = read(Source(path=str(path), columns=columns), Path())
    assert found.select("id", "source", "source_id", "license").row(0) == (id, "their/set", "17", "mit")
    assert found["provenance"][0].to_list() == [{"source": "their/set", "source_id": "17", "license": "mit"}]
    assert found["status"].to_list() == ["kept", "quarantined", "quarantined"]
    assert found["detail"].to_list()[1:] == [
        "id is '17', not that of a published row",
        "id is '', not that of a published row",
    ]
    [plain] = read(Source(path=str(path), columns={"instruction": "q", "response": "a"}), Path())
    assert plain["id"][0] != id and plain["source"][0] == "rows"


@pytest.mark.parametrize(("asked", "most"), [(0, 0), (3, 3), (0.25, 0.25), (1.0, 1.0)])
def test_failed_rows_may_be_a_number_or_a_share(asked: float, most: float) -> None:
    found = resolve({"corpus": "c", "sources": [{"path": "x"}], "languages": ["ko"], "publish": {"max_failed": asked}})
    assert (found.publish.max_failed, type(found.publish.max_failed)) == (most, type(asked))
