"""What the README tells people to type works as it stands there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.hub import HubServer
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PEOPLE = {"me/": "tester/", "id: vicgalle/alpaca-gpt4": "path: alpaca.json"}
"""Whom the loopback Hub knows, and what lies in the folder, in place of what the README names."""


def _blocks(kind: str) -> list[str]:
    found = re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)
    for name, ours in PEOPLE.items():
        found = [block.replace(name, ours) for block in found]
    return found


def _commands() -> list[list[str]]:
    lines = [line.partition("#")[0].strip() for block in _blocks("console") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("plugdata ")]


@pytest.mark.usefixtures("lid_model_path")
def test_every_command_and_snippet_of_the_readme_works(tmp_path: Path) -> None:
    topics = ["an old bridge", "a quiet garden", "the night train", "an island market", "the village school"]
    records = [
        {
            "instruction": f"Describe {topic} to somebody who has never been there.",
            "input": "",
            "output": f"When you come to {topic}, you hear voices first, and then you see colours between the trees.",
        }
        for topic in topics
    ]
    (tmp_path / "alpaca.json").write_text(json.dumps(records))
    korean = {"instruction": "오래된 다리를 설명해 주세요.", "response": "나무 사이로 물소리가 먼저 들립니다."}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(korean))
    (tmp_path / "recipe.yaml").write_text(_blocks("yaml")[0])
    commands = _commands()
    assert [command[1] for command in commands] == [
        *("translate", "status", "filter", "sample", "filter", "dedup", "report", "push"),
        *("run", "run", "filter", "dedup"),
    ]
    with LlmServer() as llm, HubServer() as hub:
        theirs = hub.environment(tmp_path / "hf") | {"OPENAI_API_KEY": "any", "PLUGDATA_BASE_URL": llm.base_url}
        environment = {**os.environ, **theirs, "PYTHONPATH": str(ROOT)}
        snippets = [["-c", block] for block in _blocks("python")]
        for args in [*(["-m", *command] for command in commands), *snippets]:
            done = subprocess.run(
                [sys.executable, *args], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, (args, done.stderr)
        assert "ko/train-00000-of-00001.parquet" in hub.files("tester/plug-ko-sw")
    assert len(snippets) == 2
