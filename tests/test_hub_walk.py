"""The life of a published corpus, as people type it: pushed, pushed again, grown, changed, read, pulled.

A Hub on the loopback whose listings come in pages, with the real clients as people have them. Kills are
test_push_killed's, faults test_hub's.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.servers.hub import HubServer
from tests.test_hub_to_hub import _Shell

REPO = "tester/plug"
PAIRS: list[tuple[tuple[str, str, str], dict[str, tuple[str, str, str]]]] = [
    (
        ("Name a fruit.", "", "An apple."),
        {"ko": ("과일 하나를 말해 보세요.", "", "사과입니다."), "es": ("Di una fruta.", "", "Una manzana.")},
    ),
    (
        ("Summarize this article.", "The river rose, and the old bridge was closed.", "A flood closed the bridge."),
        {
            "ko": ("이 기사를 요약하세요.", "강물이 불어 옛 다리가 폐쇄되었습니다.", "홍수로 다리가 폐쇄되었습니다."),
            "es": (
                "Resume este artículo.",
                "El río creció y cerraron el viejo puente.",
                "Una crecida cerró el puente.",
            ),
        },
    ),
    (
        ("Print this list in reverse order.", "let list = [4, 5, 6]", "Use list.reverse() to turn it around."),
        {
            "ko": ("이 목록을 거꾸로 출력하세요.", "let 목록 = [4, 5, 6]", "list.reverse()로 뒤집으세요."),
            "es": ("Imprime esta lista al revés.", "let lista = [4, 5, 6]", "Dale la vuelta con list.reverse()."),
        },
    ),
    (
        ("Put these requests in order.", "Write a poem that rhymes; add 2 and 3.", "First the sum, then the poem."),
        {
            "ko": (
                "이 요청들의 순서를 정하세요.",
                "운율이 맞는 시를 쓰세요. 2와 3을 더하세요.",
                "먼저 덧셈, 다음에 시입니다.",
            ),
            "es": (
                "Ordena estas peticiones.",
                "Escribe un poema que rime; suma 2 y 3.",
                "Primero la suma, luego el poema.",
            ),
        },
    ),
]
"""Pivot and targets: instruction, input, response. Folded, as they are published, checks see other things in them."""

LOAD = """
import json
from datasets import load_dataset
for config in ("ko", "es", "es-mono"):
    rows = load_dataset("tester/plug", config, split="train")
    streamed = load_dataset("tester/plug", config, split="train", streaming=True)
    assert list(rows) == list(streamed)
    print(json.dumps([config, rows["id"][:]]))
"""


def write_files(folder: Path) -> None:
    def record(texts: tuple[str, str, str]) -> dict[str, str]:
        return dict(zip(("instruction", "input", "output"), texts, strict=True))

    files = {"en": [pivot for pivot, _ in PAIRS], **{lang: [by[lang] for _, by in PAIRS] for lang in ("ko", "es")}}
    for name, rows in files.items():
        (folder / f"{name}.json").write_text(json.dumps([record(row) for row in rows]))


def write_recipe(folder: Path, *langs: str, **more: Any) -> str:
    asked = {
        "corpus": "made",
        "sources": [{"path": "en.json", "license": "cc-by-4.0"}],
        "languages": langs,
        "translations": [{"lang": lang, "path": f"{lang}.json"} for lang in langs],
        "layouts": ["plug", "mono"],
        "screen": {"route": "llm"},
        "translate": {"mode": "batch"},
        "filter": {"lid": {"min": 0.1, "mixed": None}},
        **more,
    }
    (folder / "recipe.yaml").write_text(json.dumps(asked))
    return "recipe.yaml"


@pytest.mark.usefixtures("lid_model_path")
def test_a_corpus_is_pushed_and_pushed_again_and_grows_and_is_read_and_pulled(hub: HubServer, tmp_path: Path) -> None:
    hub.page = 3
    for name in ("maker", "reader"):
        (tmp_path / name).mkdir()
    home = tmp_path / "maker"
    maker, reader = _Shell(home, hub), _Shell(tmp_path / "reader", hub)
    write_files(home)

    def asked(start: int) -> list[str]:
        """Every request from the `start`th on that writes."""
        return [f"{r.method} {r.path}" for r in hub.requests[start:] if r.method in ("POST", "PUT", "DELETE")]

    def push(*options: str, code: int = 0) -> tuple[str, list[str]]:
        """What a push said, and what it wrote."""
        start = len(hub.requests)
        found, _, err = maker.plugdata("push", "made", "--repo", REPO, *options)
        assert (found, "Traceback" in err) == (code, False), err
        return err, asked(start)

    code, _, err = maker.plugdata("run", write_recipe(home, "es"))
    assert code == 0, err
    said, wrote = push("--tag", "v1")
    assert sum("/commit/" in request for request in wrote) == 1 and hub.repos["dataset", REPO].private
    said, wrote = push("--tag", "v1")
    assert wrote == [] and "no commit was made" in said

    # a language more: its files and those that speak of it are sent, the other's are not
    code, _, err = maker.plugdata("run", write_recipe(home, "es", "ko"))
    assert code == 0, err
    said, wrote = push("--tag", "v2")
    korean = [home / "made/dist" / config / "train-00000-of-00001.parquet" for config in ("ko", "ko-mono")]
    assert {request for request in wrote if request.startswith("PUT")} == {
        f"PUT /lfs/{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in korean
    }
    code, out, err = maker.plugdata("push", "made", "--repo", REPO, "--dry-run")
    assert "0 to send" in out, err

    # a config less is refused, and nothing is sent
    start = len(hub.requests)
    said, wrote = push("--set", "layouts=[plug]", code=4)
    assert wrote == [] and "config 'es-mono' vanishes" in said
    assert len([r for r in hub.requests[start:] if "/commit/" in r.path]) == 0
    push("--set", "layouts=[plug]", "--allow-schema-change")
    assert "es-mono/train-00000-of-00001.parquet" not in hub.files(REPO)
    push("--set", "layouts=[plug,mono]")

    # read with `datasets`, whole and streamed, and with DuckDB over what `hf` fetches
    code, out, err = reader.python("-c", LOAD)
    assert code == 0, err
    loaded = {config: ids for config, ids in map(json.loads, out.splitlines())}
    assert {config: len(ids) for config, ids in loaded.items()} == {"ko": 4, "es": 4, "es-mono": 4}
    assert loaded["ko"] == loaded["es"]
    code, _, err = reader.hf("download", REPO, "--repo-type", "dataset", "--revision", "v2", "--local-dir", "there")
    assert code == 0, err
    files = tmp_path / "reader" / "there"
    counts = duckdb.sql(f"select lang, count(*), count(distinct id) from '{files}/??/*.parquet' group by 1 order by 1")
    assert counts is not None and counts.fetchall() == [("es", 4, 4), ("ko", 4, 4)]

    # a stranger's corpus again: whole, though checks see other things in folded texts
    code, _, err = reader.plugdata("pull", "--repo", REPO, "mine")
    assert code == 0, err
    recipe = (tmp_path / "reader/mine/recipe.yaml").read_text()
    assert "by: rules" in recipe and "mode: online" in recipe and "llm" not in recipe
    code, _, err = reader.plugdata("run", "mine/recipe.yaml")
    assert code == 0, err
    for config in ("es", "ko", "ko-mono"):
        mine, made = (
            pl.read_parquet(path / "dist" / config / "*.parquet") for path in (tmp_path / "reader/mine", home / "made")
        )
        assert mine.equals(made)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
from plugdata.cli import main
sys.argv = ["plugdata", *sys.argv[1:]]
main()
"""


@pytest.mark.usefixtures("lid_model_path")
def test_a_disk_that_fills_during_a_pull_is_told_in_a_line_and_nothing_half_stays(
    hub: HubServer, tmp_path: Path
) -> None:
    person = _Shell(tmp_path, hub)
    write_files(tmp_path)
    assert person.plugdata("run", write_recipe(tmp_path, "es"))[0] == 0
    code, _, err = person.plugdata("push", "made", "--repo", REPO)
    assert code == 0, err
    code, out, err = person.python("-c", FULL, "pull", "--repo", REPO, "mine")
    assert (code, out) == (1, "") and "Traceback" not in err
    assert "plugdata: cannot write" in err and "File too large" in err and "is the disk full?" in err
    assert not (tmp_path / "mine").exists()
    (tmp_path / "mine").mkdir()  # one that was there before stays, without what was fetched
    assert person.python("-c", FULL, "pull", "--repo", REPO, "mine")[0] == 1
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [".lock"]
    code, _, err = person.plugdata("pull", "--repo", REPO, "mine")
    assert code == 0, err
