"""What a push refuses, tells beforehand, and keeps of what others wrote: on a Hub on the loopback and in a folder."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from plugdata.errors import CorpusError, GateError, InputError
from plugdata.publish.dist import SUMS
from plugdata.publish.hub import Preview, contract, folder
from tests import commands
from tests.commands import Run
from tests.servers import llm
from tests.servers.hub import Blob, HubServer
from tests.servers.llm import LlmServer
from tests.test_dist import TRAIN, build, dedup_rows
from tests.test_hub import REPO, n_commits, preview, push, run

run_command = commands.run


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """one: ko; two: ko and ar, a word changed; ar: ar alone."""
    path = tmp_path_factory.mktemp("dists")
    ko = dedup_rows("ko", 40)
    other = ko.with_columns(response=pl.when(pl.col("ordinal") == 7).then(pl.lit("배")).otherwise("response"))
    build(path / "one", {"ko": ko})
    build(path / "two", {"ko": other, "ar": dedup_rows("ar", 40)})
    build(path / "ar", {"ar": dedup_rows("ar", 40)})
    return {name: path / name / "dist" for name in ("one", "two", "ar")}


def writes(hub: HubServer) -> list[str]:
    """Every request so far that writes."""
    return [f"{r.method} {r.path}" for r in hub.requests if r.method in ("POST", "PUT", "DELETE")]


def on_disk(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def edit_card(hub: HubServer, change: Any) -> None:
    repo = hub.repos["dataset", REPO]
    files = repo.at("main").files
    edited = Blob(change(files["README.md"].content.decode()).encode(), False)
    repo.commit("refs/heads/main", {**files, "README.md": edited}, "by hand")


def test_a_dry_run_tells_files_and_card_and_sends_nothing(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    [new] = run(hub, tmp_path, preview(dists["one"]))
    assert writes(hub) == [] and hub.repos == {}
    assert new["found"]["added"] == sorted(on_disk(dists["one"]))
    assert new["found"]["n_bytes"] == sum(map(len, on_disk(dists["one"]).values()))
    assert "does not exist" in new["said"][0]
    assert "\n+license: cc-by-nc-4.0\n" in new["found"]["card"]
    run(hub, tmp_path, push(dists["one"]))
    before = writes(hub)
    same, other, unseen = run(
        hub, tmp_path, preview(dists["one"]), preview(dists["two"]), preview(dists["one"], token="hf_read")
    )
    assert writes(hub) == before and n_commits(hub) == 1
    assert same["found"]["n_bytes"] == 0 and same["found"]["card"] == ""
    assert same["found"]["unchanged"] == unseen["found"]["unchanged"] == sorted(on_disk(dists["one"]))
    assert f"ar/{TRAIN}" in other["found"]["added"] and f"ko/{TRAIN}" in other["found"]["changed"]
    assert "LICENSE" not in other["found"]["deleted"]
    assert "\n+- ar\n" in other["found"]["card"] and other["found"]["card"].startswith("--- published/README.md")


def test_an_unchanged_push_sends_nothing(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    run(hub, tmp_path, push(dists["two"]))
    before = writes(hub)
    run(hub, tmp_path, push(dists["two"]))
    assert writes(hub) == before


def test_a_grown_push_sends_only_what_is_new(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    run(hub, tmp_path, push(dists["ar"]))
    n = len(hub.requests)
    run(hub, tmp_path, push(dists["two"], schema_change=True))  # Korean comes first, and is the default now
    uploads = [(r.path, r.n_bytes) for r in hub.requests[n:] if r.method == "PUT"]
    korean = (dists["two"] / "ko" / TRAIN).read_bytes()
    assert uploads == [(f"/lfs/{hashlib.sha256(korean).hexdigest()}", len(korean))]


def test_a_broken_promise_is_refused_before_anything_is_sent(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    run(hub, tmp_path, push(dists["two"]))
    before = writes(hub)
    for asked in (push(dists["ar"]), preview(dists["ar"]), push(dists["ar"], revision="next")):
        [refused] = run(hub, tmp_path, asked)
        assert refused["error"] == "GateError"
        assert "config 'ko' vanishes; the default config changes from 'ko' to 'ar'" in refused["words"]
        assert "--allow-schema-change" in refused["hint"]
    assert writes(hub) == before
    [done] = run(hub, tmp_path, push(dists["ar"], schema_change=True))
    assert "error" not in done and f"ko/{TRAIN}" not in hub.files(REPO)


def card(**metadata: Any) -> dict[str, Any]:
    configs = metadata.get("configs", ["ko"])
    features = [{"name": "id", "dtype": "string"}, {"name": "score", "dtype": metadata.get("dtype", "float64")}]
    info = [{"config_name": name, "features": features + metadata.get("more", [])} for name in configs]
    named = [{"config_name": name, **({"default": True} if n == 0 else {})} for n, name in enumerate(configs)]
    return {"configs": named, "dataset_info": info}


RENAMED = card() | {"dataset_info": [{"config_name": "ko", "features": [{"name": "id", "dtype": "string"}]}]}


@pytest.mark.parametrize(
    ("ours", "published", "expected"),
    [
        (card(), card(), []),
        (card(), {}, []),
        (card(configs=["ko", "sw"]), card(), []),
        (card(more=[{"name": "new", "dtype": "string"}]), card(), []),
        (card(dtype="string"), card(), ["config 'ko': column 'score' is string, was float64"]),
        (RENAMED, card(), ["config 'ko': column 'score' vanishes"]),
        (card(configs=["sw", "ko"]), card(), ["the default config changes from 'ko' to 'sw'"]),
        (card(configs=["ko"]), card(configs=["ko", "theirs"]), []),
        (card(), {"configs": "ko", "dataset_info": [{"features": 3}, None, "x"]}, []),
        (
            card(more=[{"name": "m", "list": [{"name": "role", "dtype": "string"}]}]),
            card(more=[{"name": "m", "list": "string"}]),
            ["config 'ko': column 'm' is {list: [{dtype: string, name: role}]}, was {list: string}"],
        ),
    ],
)
def test_a_promise_is_a_config_the_default_one_a_column_and_its_type(
    ours: dict[str, Any], published: dict[str, Any], expected: list[str]
) -> None:
    assert contract.broken(ours, published, ["README.md", f"ko/{TRAIN}", f"sw/{TRAIN}"]) == expected


def test_metadata_stands_between_two_fences(dists: dict[str, Path]) -> None:
    found = contract.metadata((dists["one"] / "README.md").read_text())
    assert [config["config_name"] for config in found["configs"]] == ["ko"]
    for text in ("", "---\n", "no: fence\n", "---\nlicense: [\n---\n", "---\n- a\n---\n", "text\n---\na: 1\n---\n"):
        assert contract.metadata(text) == {}


def test_a_persons_words_in_the_card_stay(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    run(hub, tmp_path, push(dists["one"]))
    theirs = "\n\n## Thanks\n\nTo everybody who read along: 감사합니다.\n"
    edit_card(hub, lambda text: text + theirs)
    pushed, again = run(hub, tmp_path, push(dists["two"]), push(dists["two"]))
    published = hub.files(REPO)["README.md"].decode()
    assert "감사합니다" in published and yaml.safe_load(published.split("---\n")[1])["language"][:2] == ["ko", "ar"]
    assert "already holds exactly this" in again["said"][-1]
    sums = dict(line.split("  ")[::-1] for line in hub.files(REPO)[SUMS].decode().splitlines())
    assert sums["README.md"] == hashlib.sha256(published.encode()).hexdigest()
    assert pushed["found"]["commit"] == again["found"]["commit"]


def test_a_card_that_cannot_be_read_is_explained_and_replaced_only_by_force(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    run(hub, tmp_path, push(dists["one"]))
    edit_card(hub, lambda text: text.replace("---\n", "---\nlanguage: [ko\n", 1))
    before = writes(hub)
    for asked in (push(dists["two"]), preview(dists["two"])):
        [refused] = run(hub, tmp_path, asked)
        assert refused["error"] == "GateError" and "YAML" in refused["words"] and "--force" in refused["hint"]
        assert re.search(r"line \d+", refused["words"])
    assert writes(hub) == before
    [forced] = run(hub, tmp_path, push(dists["two"], force=True))
    assert "error" not in forced
    assert hub.files(REPO)["README.md"] == (dists["two"] / "README.md").read_bytes()


def test_a_tag_is_set_once_and_moved_only_by_force(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    first, same = run(hub, tmp_path, push(dists["one"], tag="v1"), push(dists["one"], tag="v1"))
    repo = hub.repos["dataset", REPO]
    assert repo.refs["refs/tags/v1"] == first["found"]["commit"] == same["found"]["commit"]
    before = writes(hub)
    refused, as_branch = run(hub, tmp_path, push(dists["two"], tag="v1"), push(dists["two"], revision="v1"))
    assert refused["error"] == "GateError" and "the tag 'v1'" in refused["words"] and "--force" in refused["hint"]
    assert as_branch["error"] == "InputError" and "is a tag" in as_branch["words"]
    assert writes(hub) == before
    [moved] = run(hub, tmp_path, push(dists["two"], tag="v1", force=True))
    assert repo.refs["refs/tags/v1"] == moved["found"]["commit"] != first["found"]["commit"]


def test_a_branch_is_made_from_main_and_grows_by_itself(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    run(hub, tmp_path, push(dists["one"]), push(dists["two"], revision="next"), push(dists["two"], revision="next"))
    repo = hub.repos["dataset", REPO]
    assert n_commits(hub) == 2
    assert repo.at("next").parent == repo.refs["refs/heads/main"]
    assert f"ar/{TRAIN}" in hub.files(REPO, "next") and f"ar/{TRAIN}" not in hub.files(REPO)


def test_a_model_of_the_same_name_is_left_alone(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    made = "from huggingface_hub import HfApi; HfApi().create_repo('tester/plug')"
    subprocess.run([sys.executable, "-c", made], env={**os.environ, **hub.environment(tmp_path)}, check=True)
    [pushed] = run(hub, tmp_path, push(dists["one"]))
    assert pushed["found"]["url"] == hub.url_of("dataset", REPO)
    assert set(hub.files(REPO, kind="model")) == {".gitattributes"}


# --- a folder in place of the Hub ------------------------------------------------------------------------------------


def to_folder(dist: Path, to: Path, schema_change: bool = False, force: bool = False) -> Preview:
    return folder.push(dist, to, schema_change=schema_change, force=force)


def test_a_folder_holds_what_the_hub_would(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    to = tmp_path / "there"
    run(hub, tmp_path / "hf", push(dists["one"]))
    edit_card(hub, lambda text: text + "\nMine.\n")
    assert len(to_folder(dists["one"], to).changes.added) == len(on_disk(dists["one"]))
    (to / "README.md").write_text((to / "README.md").read_text() + "\nMine.\n")
    (to / "notes.md").write_text("mine")
    run(hub, tmp_path / "hf", push(dists["two"]))
    seen = folder.preview(dists["two"], to, schema_change=False, force=False)
    assert f"ar/{TRAIN}" in seen.changes.added and not (to / "ar").exists()
    assert to_folder(dists["two"], to) == seen
    there = hub.files(REPO)
    del there[".gitattributes"]
    assert on_disk(to) == {**there, "notes.md": b"mine"}
    inode = (to / "LICENSE").stat().st_ino
    assert not to_folder(dists["two"], to).changes
    assert (to / "LICENSE").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir() if path.name != "hf"] == ["there"]


def test_a_folder_that_is_not_ours_or_would_break_is_refused_untouched(tmp_path: Path, dists: dict[str, Path]) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds files that plugdata did not write"):
        to_folder(dists["one"], theirs)
    with pytest.raises(InputError, match="is a file"):
        to_folder(dists["one"], theirs / "thesis.tex")
    for own in (dists["one"], dists["one"].parent, dists["one"] / "ko-copy"):
        with pytest.raises(InputError, match="the corpus's own"):
            to_folder(dists["one"], own)
    to_folder(dists["two"], tmp_path / "there")
    before = on_disk(tmp_path / "there")
    with pytest.raises(GateError, match="config 'ko' vanishes"):
        to_folder(dists["ar"], tmp_path / "there")
    assert on_disk(tmp_path / "there") == before
    assert to_folder(dists["ar"], tmp_path / "there", schema_change=True).changes.deleted == (f"ko/{TRAIN}",)


def test_a_folder_whose_push_was_killed_between_its_two_renames_is_found_again(
    tmp_path: Path, dists: dict[str, Path]
) -> None:
    to = tmp_path / "there"
    to_folder(dists["one"], to)
    (to / "README.md").write_text((to / "README.md").read_text() + "\nMine.\n")
    (to / "notes.md").write_text("mine")
    to.rename(tmp_path / ".there.old")
    seen = folder.preview(dists["two"], to, schema_change=False, force=False)
    assert f"ar/{TRAIN}" in seen.changes.added and seen.changes.unchanged and not to.exists()
    assert to_folder(dists["two"], to) == seen
    assert (to / "notes.md").read_text() == "mine" and (to / "README.md").read_text().endswith("\nMine.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


FULL = """
import resource, signal, sys
from pathlib import Path
from plugdata.publish.hub import folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
folder.push(Path(sys.argv[1]), Path(sys.argv[2]), schema_change=False, force=False)
"""


def test_a_full_disk_leaves_the_folder_as_it_was(tmp_path: Path, dists: dict[str, Path]) -> None:
    to_folder(dists["one"], tmp_path / "there")
    before = on_disk(tmp_path)
    command = [sys.executable, "-c", FULL, str(dists["two"]), str(tmp_path / "there")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert f"{CorpusError.__name__}: cannot write {tmp_path / 'there'}: File too large" in done.stderr
    assert on_disk(tmp_path) == before


# --- as people type it -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("lid_model_path")
def test_push_into_a_folder_as_typed(run_command: Run, tmp_path: Path) -> None:
    with LlmServer(faults=[llm.when(lambda request: "gardens" in request.text, llm.server_error())]) as server:
        recipe = commands.write_recipe(tmp_path, server, translate={"retries": 0}, filter={"lid": {"min": 0.1}})
        assert run_command("run", recipe)[0] == 3
    code, out, err = run_command("push", "corpus", "--to", "there")
    assert (code, out) == (4, "") and not (tmp_path / "there").exists()
    assert "the calls of 1 of 6 rows failed, and `publish.max_failed` is 0" in err and "plugdata run" in err
    allowed = ["--set", "publish.max_failed=0.2"]
    code, out, err = run_command("push", "corpus", "--to", "there", "--dry-run", *allowed)
    assert code == 0 and not (tmp_path / "there").exists(), err
    assert re.search(r"^added      ko/train-00000-of-00001.parquet +[\d,]+ B$", out, re.MULTILINE)
    assert re.search(r"^\d+ to send \([\d,]+ B\), 0 unchanged, 0 to delete$", out, re.MULTILINE)
    assert "\n+++ README.md\n" in out
    assert run_command("push", "corpus", "--to", "there", *allowed)[0] == 0
    assert pl.read_parquet(tmp_path / "there" / "ko" / "*.parquet").height == 5
    code, out, _ = run_command("push", "corpus", "--to", "there")
    assert (code, out) == (0, "there already holds exactly this\n")
    code, out, err = run_command("push", "corpus", "--to", "there", "--tag", "v1")
    assert (code, out) == (2, "") and "--to DIR takes none of" in err
    code, _, err = run_command("push", "corpus", "--to", "there", "--set", "filter.length.max_chars=1")
    assert code == 4 and "no row is kept" in err
    code, _, err = run_command(
        "push", "corpus", "--to", "there", "--set", "filter.length.max_chars=20000", "--set", "layouts=[mono]"
    )
    assert code == 0, err
