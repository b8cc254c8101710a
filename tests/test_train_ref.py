"""What the training scripts read of a corpus is what plugdata wrote: by their own reader, which has no plugdata."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from plugdata import pair
from published import Published, open_published
from tests.exports import lessons
from tests.servers.hub import HubServer

TRAIN_REF = Path(__file__).parents[1] / "train_ref"
WRITTEN = Published(".", None, json.loads(json.dumps(pair.layouts_json(pair.LAYOUTS, "en", ["ko", "zh"]))), {})

words = st.text(alphabet="가사과。 \t\r\x1c\u2028:：\n", max_size=12)
lines = st.one_of(
    words,
    st.sampled_from([label + end for label in pair.all_labels("en", "ko") for end in ("", "\n", " ", "\r\n")]),
    st.sampled_from([" English response:", "\tEnglish instruction:\n", "한국어 응답", "中文回复：", "\n\n"]),
)


@given(st.lists(lines, max_size=8).map("\n".join), st.sampled_from(list(pair.LAYOUTS)))
def test_an_output_is_taken_apart_as_plugdata_takes_it_apart(output: str, layout: pair.LayoutName) -> None:
    ours = pair.extract(output, layout, "en", "ko")
    theirs = WRITTEN.extract(output, pair.LAYOUTS[layout].template, "ko")
    assert theirs == (ours and {part.field: getattr(ours, part.field) for part in pair.LAYOUTS[layout].parts})


@given(words, words, words, st.sampled_from(list(pair.LAYOUTS)))
def test_what_plugdata_renders_gives_its_parts_back(one: str, two: str, three: str, layout: pair.LayoutName) -> None:
    parts = pair.Parts(one, two, three, one)
    found = WRITTEN.extract(pair.render(parts, layout, "en", "ko"), pair.LAYOUTS[layout].template, "ko")
    assert found == {part.field: getattr(parts, part.field).strip() for part in pair.LAYOUTS[layout].parts}


def test_the_scripts_never_import_plugdata() -> None:
    found = sorted(TRAIN_REF.rglob("*.py"))
    assert len(found) > 5
    for path in found:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("plugdata", "tests")], path


def test_a_corpus_to_train_on_has_every_layout_of_the_same_rows(tmp_path: Path) -> None:
    lessons.main(tmp_path / "dist")
    corpus = open_published(tmp_path / "dist")
    assert len(corpus.configs()) == 2 * len(pair.LAYOUTS)
    assert len({tuple(corpus.rows(config)["id"]) for config in corpus.configs()}) == 1
    assert list(corpus.layouts) == [layout.template for layout in pair.LAYOUTS.values()]


UPLOAD = """
import sys
from huggingface_hub import HfApi
HfApi().create_repo("tester/plug", repo_type="dataset")
HfApi().upload_folder(repo_id="tester/plug", repo_type="dataset", folder_path=sys.argv[1])
"""
READ = """
import json
from published import PublishedError, open_published
corpus = open_published("tester/plug", "main")
print(json.dumps([corpus.revision, corpus.configs()[:2], corpus.rows("ko")["id"][:], corpus.sha256("ko")]))
for where, revision in (("tester/none", None), ("tester/plug", "v9")):
    try:
        open_published(where, revision)
    except PublishedError as error:
        print(error)
"""


def test_from_the_hub_only_the_files_of_the_config_are_fetched(hub: HubServer, tmp_path: Path) -> None:
    lessons.main(tmp_path / "dist")
    environment = {**os.environ, **hub.environment(tmp_path / "hf"), "PYTHONPATH": str(TRAIN_REF)}

    def run(code: str, *words: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run(UPLOAD, str(tmp_path / "dist"))
    first, *told = run(READ)
    revision, configs, ids, sha256 = json.loads(first)
    local = open_published(tmp_path / "dist")
    assert (configs, ids, sha256) == (local.configs()[:2], local.rows("ko")["id"][:], local.sha256("ko"))
    assert len(revision) == 40
    fetched = {path.name for path in (tmp_path / "hf/hub").rglob("snapshots/*/*")}
    assert fetched == {"layouts.json", "ko"}
    assert len(told) == 2 and all("is no folder here, and the Hub does not give it" in line for line in told)


AWAY = """
from published import PublishedError, open_published
try:
    open_published("tester/plug")
except PublishedError as error:
    print(error)
"""


def test_a_hub_that_is_away_is_told_in_a_line(tmp_path: Path) -> None:
    with HubServer() as hub:
        away = hub.environment(tmp_path / "hf")  # nothing listens there once it has ended
    environment = {**os.environ, **away, "PYTHONPATH": str(TRAIN_REF)}
    done = subprocess.run([sys.executable, "-c", AWAY], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("'tester/plug' is no folder here, and the Hub does not give it: "), done.stderr
    assert done.stdout.count("\n") == 1
