"""From a data set on the Hub to a corpus on the Hub, by the commands, against loopback servers and real clients."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.hub import HubServer
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
TOPICS = ["an old bridge", "a quiet garden", "the night train", "an island market", "the village school", "a mill"]

CHANGE = """
from huggingface_hub import HfApi
there = {"repo_id": "tester/alpaca", "repo_type": "dataset"}
HfApi().upload_file(path_or_fileobj=b"{}", path_in_repo="notes.json", **there)
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
there = {"repo_id": "tester/alpaca", "repo_type": "dataset"}
HfApi().create_repo(**there)
HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo="train.jsonl", **there)
"""
LOAD = """
from datasets import load_dataset
rows = load_dataset("tester/plug", "ko", split="train")
print(rows.num_rows, rows.column_names)
"""


class _Shell:
    """Commands of one person: a folder, a cache and a token of their own."""

    def __init__(self, folder: Path, hub: HubServer, token: str = "hf_test") -> None:
        self._folder = folder
        self._environment = {**os.environ, **hub.environment(folder / "hf", token, xet=True), "PYTHONPATH": str(ROOT)}

    def python(self, *args: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    def plugdata(self, *args: str) -> tuple[int, str, str]:
        return self.python("-m", "plugdata", *args)

    def hf(self, *args: str) -> tuple[int, str, str]:
        return self.python("-m", "huggingface_hub.cli.hf", *args)


@pytest.mark.usefixtures("lid_model_path")
def test_a_data_set_on_the_hub_becomes_a_corpus_on_the_hub(tmp_path: Path, hub: HubServer) -> None:
    records = [
        {
            "instruction": f"Describe {topic} to somebody who has never been there.",
            "input": "",
            "output": f"When you come to {topic}, you hear voices first, and then you see colours between the trees.",
        }
        for topic in TOPICS
    ]
    rows = tmp_path / "train.jsonl"
    rows.write_text("".join(json.dumps(record) + "\n" for record in records))
    person = _Shell(tmp_path, hub)
    assert person.python("-c", UPLOAD, str(rows))[0] == 0

    with LlmServer() as server:
        asked = ["--to", "ko", "--model", "m", "--base-url", server.base_url]
        code, _, err = person.plugdata("translate", "tester/absent", "corpus", *asked)
        assert (code, "tester/absent" in err, "Traceback" in err) == (2, True, False)
        code, out, err = person.plugdata("translate", "tester/alpaca", "corpus", *asked)
        assert code == 0, err
        assert "100 %" in out
        assert person.python("-c", CHANGE)[0] == 0  # what its owner does later blocks no resume
        code, _, err = person.plugdata("translate", "tester/alpaca", "corpus", *asked)
        assert (code, len(server.requests)) == (0, 6), err

    code, _, err = person.plugdata("push", "corpus", "--repo", "tester/plug")
    assert (code, "licence" in err or "license" in err) == (4, True), err  # nobody said under which licence
    with_license = ["--set", "publish.license=cc-by-4.0"]
    code, _, err = _Shell(tmp_path, hub, token="hf_read").plugdata(
        "push", "corpus", "--repo", "tester/plug", *with_license
    )
    assert (code, "Traceback" in err) == (1, False)
    assert ("dataset", "tester/plug") not in hub.repos
    code, out, err = person.plugdata("push", "corpus", "--repo", "tester/plug", *with_license)
    assert code == 0, err
    assert out.strip().startswith(f"{hub.url}/datasets/tester/plug")

    code, out, err = person.python("-c", LOAD)
    assert code == 0, err
    assert out.startswith("6 ['id', 'source', 'source_id', 'lang', 'pivot_lang'")
    card = hub.files("tester/plug")["README.md"].decode()
    assert 'load_dataset("tester/plug", "ko"' in card
    assert "tester/alpaca" in card
    assert "revision: " in hub.files("tester/plug")["recipe.yaml"].decode()  # the commit that the rows are from
    assert str(tmp_path) not in "".join(map(str, hub.files("tester/plug").values()))
