"""Commands as people type them, in an empty folder, and the recipes and rows that they are given.

It owns the typing side; what servers do stands in tests/servers.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from plugdata import cli
from plugdata.calls import retry
from tests.servers.llm import LlmServer

TOPICS = ["rivers", "bridges", "gardens", "trains", "islands", "markets", "schools", "forests", "kitchens", "stars"]

Run = Callable[..., tuple[int, str, str]]
"""`plugdata ARGS`: exit code, stdout, stderr."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PLUGDATA_MODEL", "PLUGDATA_BASE_URL", "PLUGDATA_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(retry, "WAIT_FIRST_S", 0.001)

    def typed(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["plugdata", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return typed


def records(n: int) -> list[dict[str, Any]]:
    """Rows as long as real ones, each about something else: row 3 is about "the 3th kind"."""
    return [
        {
            "id": f"row-{i}",
            "instruction": f"Tell me about {TOPICS[i % 10]} of the {i}th kind and say why people like to visit them.",
            "input": "Use simple words, please." if i % 3 == 0 else "",
            "output": f"Many people like {TOPICS[i % 10]} because they are quiet in the morning. Number {i} on my list "
            f"lies {i * 7} kilometres from the town, and the way there leads along {TOPICS[(i * 7 + 3) % 10]}.",
        }
        for i in range(n)
    ]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def write_recipe(folder: Path, server: LlmServer, n: int = 6, **settings: Any) -> Path:
    """The user's own recipe: `n` rows into Korean and Spanish, in the corpus `corpus`."""
    write_rows(folder / "rows.json", records(n))
    asked = {
        "corpus": "corpus",
        "sources": [{"path": "rows.json", "license": "apache-2.0"}],
        "languages": ["ko", "es"],
        "models": [{"model": "cheap", "base_url": server.base_url, "limits": {"concurrency": 4}}],
        **settings,
    }
    path = folder / "my.yaml"
    path.write_text(json.dumps(asked))  # JSON is YAML
    return path


def kept(run: Run, corpus: str = "corpus") -> dict[str, int]:
    found: dict[str, int] = json.loads(run("status", corpus, "--json")[1])["kept"]
    return found
