"""Pushing to a Hub on the loopback with the real clients: one commit, its retries, its refusals, and reading it back.

The clients read their endpoint when they are imported, so every test runs its steps in one process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plugdata.publish.dist import SUMS
from tests.servers.hub import Blob, HubFault, HubServer
from tests.test_dist import TRAIN, build, dedup_rows

REPO = "tester/plug"
AT_ONCE = {"Retry-After": "0"}

STEPS = """
import json, sys
from pathlib import Path
from plugdata.errors import PlugdataError
from plugdata.publish import hub

for step in json.loads(sys.argv[1]):
    said = []
    do, dist, repo, token = (step.pop(key) for key in ("do", "dist", "repo", "token"))
    try:
        if do == "verify":
            found = hub.verify(Path(dist), repo, commit, token)
        elif do == "preview":
            seen = hub.preview(Path(dist), hub.Target(repo, **step), token=token, say=said.append)
            found = {**seen.changes._asdict(), "n_bytes": seen.changes.n_bytes, "card": seen.card}
        else:
            found = hub.push(Path(dist), hub.Target(repo, **step), token=token, say=said.append)
            commit = found.commit
            found = found._asdict()
        answer = {"found": found, "said": said}
    except PlugdataError as error:
        answer = {"error": type(error).__name__, "words": str(error), "hint": error.hint, "said": said}
    print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """large: ko and ar in two layouts; small: ko alone; changed: small with one word changed."""
    folder = tmp_path_factory.mktemp("dists")
    ko, ar = dedup_rows("ko", 40, dropped=[1]), dedup_rows("ar", 40)
    other = ko.with_columns(response=pl.when(pl.col("ordinal") == 7).then(pl.lit("배")).otherwise("response"))
    build(folder / "large", {"ko": ko, "ar": ar}, layouts=["plug", "mono"], split={"validation": 0.2})
    build(folder / "small", {"ko": ko})
    build(folder / "changed", {"ko": other})
    return {name: folder / name / "dist" for name in ("large", "small", "changed")}


def push(dist: Path, repo: str = REPO, **asked: Any) -> dict[str, Any]:
    return {"do": "push", "dist": str(dist), "repo": repo, "token": None, **asked}


def preview(dist: Path, repo: str = REPO, **asked: Any) -> dict[str, Any]:
    return push(dist, repo, **asked) | {"do": "preview"}


def verify(dist: Path, repo: str = REPO) -> dict[str, Any]:
    """Of the commit that the last push of the same run made."""
    return {"do": "verify", "dist": str(dist), "repo": repo, "token": None}


def run(hub: HubServer, home: Path, *steps: dict[str, Any], token: str | None = "hf_test") -> list[dict[str, Any]]:
    """What each step answered. Nothing but the answers may be on stdout, and nothing at all on stderr."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, **hub.environment(home, token, xet=True), "PYTHONPATH": root}
    command = [sys.executable, "-c", STEPS, json.dumps(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stderr == "" and done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def n_commits(hub: HubServer) -> int:
    """Commits of the repo, without the one that creates it."""
    return len(hub.repos["dataset", REPO].commits) - 1


def posts(hub: HubServer, part: str) -> list[int]:
    return [request.status for request in hub.requests if request.method == "POST" and part in request.path]


def test_a_push_is_one_private_commit_of_exactly_the_folder_and_loads_back(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    large = dists["large"]
    first, checked, again, public = run(
        hub, tmp_path, push(large), verify(large), push(large), push(large, public=True)
    )
    repo = hub.repos["dataset", REPO]
    assert first["found"] == {"url": hub.url_of("dataset", REPO), "commit": repo.refs["refs/heads/main"], "n_files": 14}
    assert checked == {"found": None, "said": []}
    files = hub.files(REPO)
    del files[".gitattributes"]
    on_disk = {p.relative_to(large).as_posix(): p.read_bytes() for p in large.rglob("*") if p.is_file()}
    assert files == on_disk
    assert repo.private and n_commits(hub) == 1
    assert again["found"] == first["found"] and "no commit was made" in again["said"][-1]
    assert "exists and is private" in public["said"][0] and repo.private
    assert sorted(path.name for path in large.parent.iterdir()) == ["dist", "rows"]


def test_a_later_push_deletes_what_an_earlier_one_left_and_nothing_else(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    run(hub, tmp_path, push(dists["large"], public=True))
    repo = hub.repos["dataset", REPO]
    assert not repo.private
    theirs = {"mine/train-00000-of-00001.parquet": Blob(b"PAR1", True), "notes.md": Blob(b"mine", False)}
    repo.commit("refs/heads/main", {**repo.at("main").files, **theirs, "README.md": Blob(b"edited", False)}, "by hand")
    pushed, _ = run(hub, tmp_path, push(dists["small"], schema_change=True), verify(dists["small"]))
    assert any("7 of an earlier push deleted" in line for line in pushed["said"])
    ours = {"README.md", "LICENSE", "recipe.yaml", "manifest.json", "layouts.json", SUMS, f"ko/{TRAIN}"}
    assert set(hub.files(REPO)) == ours | set(theirs) | {".gitattributes"}
    card = hub.files(REPO)["README.md"]
    assert card.endswith(b"edited\n") and b"config_name: ar" not in card


def test_a_pull_request_leaves_the_main_branch_alone(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    small, changed = dists["small"], dists["changed"]
    run(hub, tmp_path, push(small))
    before = hub.files(REPO)
    asked, checked = run(hub, tmp_path, push(changed, create_pr=True), verify(changed))
    assert asked["found"]["url"].endswith("/discussions/1")
    assert hub.files(REPO) == before and hub.files(REPO, "refs/pr/1") != before
    assert checked == {"found": None, "said": []}


def test_verify_finds_a_word_that_differs(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    _, other, gone = run(
        hub, tmp_path, push(dists["small"]), verify(dists["changed"]), verify(dists["small"], repo="tester/gone")
    )
    assert other["error"] == "HubError" and "config 'ko'" in other["words"] and "does not hold" in other["words"]
    assert gone["error"] == "HubError" and "tester/gone cannot be loaded back" in gone["words"]


def test_busy_and_broken_answers_are_tried_again_and_a_lost_one_commits_once(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    limited = {"RateLimit": '"api";r=0;t=0'}
    hub.faults += [
        HubFault("POST", "/api/repos/create", 503, 2, AT_ONCE),
        HubFault("POST", "/commit/", 429, 2, limited),
        HubFault("POST", "/commit/", 502, 1, AT_ONCE, after=True),
    ]
    [pushed] = run(hub, tmp_path, push(dists["small"]))
    assert posts(hub, "/repos/create") == [503, 503, 200]
    assert posts(hub, "/commit/") == [429, 429, 502]  # the last one was carried out: the next try finds nothing to do
    assert n_commits(hub) == 1
    assert pushed["found"]["commit"] == hub.repos["dataset", REPO].refs["refs/heads/main"]
    assert sum("trying again" in line for line in pushed["said"]) == 5
    assert not any("no commit was made" in line for line in pushed["said"])


# what a push asks, beside what the library retries by itself (a HEAD, preupload, LFS)
ROUTES = [
    ("GET", r"/api/datasets/tester/plug$"),
    ("GET", "/refs"),
    ("GET", "/tree/"),
    ("GET", "/resolve/.*README.md"),
    ("GET", "/resolve/.*plugdata.sha256"),
    ("POST", "/validate-yaml"),
    ("POST", "/preupload/"),
    ("GET", "/xet-write-token/"),
    ("POST", "/lfs/objects/batch"),
    ("PUT", "/lfs/"),
    ("POST", "/lfs-verify"),
    ("POST", "/branch/"),
    ("POST", "/commit/"),
    ("POST", "/tag/"),
]


@pytest.mark.parametrize("status", [503, 429])
def test_a_fault_at_any_request_is_outlived(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path], status: int
) -> None:
    hub.faults += [HubFault(method, path, status, 1, AT_ONCE) for method, path in ROUTES]
    small, changed = dists["small"], dists["changed"]
    first, second = run(hub, tmp_path, push(small), push(changed, revision="next", tag="v1"))
    assert [fault.path for fault in hub.faults if fault.times] == []
    assert n_commits(hub) == 2 and "error" not in first
    repo = hub.repos["dataset", REPO]
    assert repo.refs["refs/tags/v1"] == repo.refs["refs/heads/next"] == second["found"]["commit"]
    assert repo.refs["refs/heads/main"] == first["found"]["commit"]


def test_a_commit_that_somebody_else_came_before_is_made_upon_theirs(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    run(hub, tmp_path, push(dists["small"]))
    repo = hub.repos["dataset", REPO]
    theirs = {"notes.md": Blob(b"mine", False)}

    def intrude(request: str, is_done: bool) -> None:  # when the push has looked, and before it commits
        if is_done and "/preupload/" in request and n_commits(hub) == 1:
            repo.commit("refs/heads/main", {**repo.at("main").files, **theirs}, "by hand")

    hub.watch = intrude
    [pushed] = run(hub, tmp_path, push(dists["changed"]))
    assert posts(hub, "/commit/")[1:] == [412, 200]
    assert "error" not in pushed and hub.files(REPO)["notes.md"] == b"mine"
    assert hub.files(REPO)[f"ko/{TRAIN}"] == (dists["changed"] / "ko" / TRAIN).read_bytes()


def test_a_pull_request_is_not_opened_twice(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    run(hub, tmp_path, push(dists["small"]))
    hub.faults.append(HubFault("POST", "/commit/", 502, 1, AT_ONCE, after=True))
    lost, again = run(hub, tmp_path, *[push(dists["changed"], create_pr=True)] * 2)
    repo = hub.repos["dataset", REPO]
    assert [ref for ref in repo.refs if "pr" in ref] == ["refs/pr/1"]
    assert lost["found"] == again["found"] and lost["found"]["url"].endswith("/discussions/1")
    assert "no other was opened" in again["said"][-1]
    repo.closed.add(1)  # a closed one is no answer to a new push
    [anew] = run(hub, tmp_path, push(dists["changed"], create_pr=True))
    assert anew["found"]["url"].endswith("/discussions/2")


def test_refusals_say_what_to_do(hub: HubServer, tmp_path: Path, dists: dict[str, Path]) -> None:
    small = dists["small"]
    run(hub, tmp_path, push(small))
    hub.faults += [
        HubFault("POST", "/lfs/objects/batch", 403, 1),
        HubFault("POST", "/commit/", 412, 6, AT_ONCE),
        HubFault("POST", "/commit/", 503, 6, AT_ONCE),
        HubFault("POST", "/commit/", 400, 1, body={"error": 'Invalid metadata: "language[0]" must be ISO 639'}),
        HubFault("POST", "/validate-yaml", 200, 1, body={"errors": [{"message": '"language[0]" …'}], "warnings": []}),
    ]
    changed = dists["changed"]
    answers = run(
        hub,
        tmp_path,
        push(changed),
        push(changed),
        push(changed),
        push(changed),
        push(changed, create_pr=True, tag="v1"),
        push(small, token="hf_wrong"),
        push(small, repo="tester/new", token="hf_read"),
        push(small, repo="stranger/new"),
        push(small, repo="a b/c"),
        push(small, repo="plain"),
        push(small.parent),
    )
    expected = [
        ("HubError", "may not write to tester/plug (403)", "write access to tester"),
        ("HubError", "changed by someone else meanwhile (412)", "push again"),
        ("HubError", "the Hub keeps failing (503)", "the same command again later"),
        ("HubError", 'refused tester/plug (400): Invalid metadata: "language[0]" must be ISO', "mend what it names"),
        ("InputError", "a pull request goes to main", "--tag"),
        ("HubError", "does not know this token (401)", "hf auth login"),
        ("HubError", "may not write to tester/new (403)", "read-only"),
        ("HubError", "may not write to stranger/new (403)", "write access to stranger"),
        ("InputError", "'a b/c' is no name", "ORG/NAME"),
        ("InputError", "'plain' is no name", "ORG/NAME"),
        ("CorpusError", "was not built to the end", "build it again"),
    ]
    for answer, (error, words, hint) in zip(answers, expected, strict=True):
        assert answer["error"] == error and words in answer["words"] and hint in answer["hint"], answer
    assert n_commits(hub) == 1


def test_a_repo_that_is_there_but_not_to_be_seen_is_told_in_a_line(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    run(hub, tmp_path, push(dists["small"]))
    hub.faults.append(HubFault("GET", f"^/api/datasets/{REPO}$", 404, 2, {"X-Error-Code": "RepoNotFound"}))
    [answer] = run(hub, tmp_path, push(dists["changed"]))
    assert (answer["error"], n_commits(hub)) == ("HubError", 1) and "exists, but not for this token" in answer["words"]


def test_without_a_token_or_a_hub_the_push_fails_at_once(
    hub: HubServer, tmp_path: Path, dists: dict[str, Path]
) -> None:
    [nobody] = run(hub, tmp_path, push(dists["small"]), token=None)
    assert nobody["words"] == "no token for the Hub" and "HF_TOKEN" in nobody["hint"]
    assert hub.requests == []
    with HubServer() as closed:
        pass
    [refused] = run(closed, tmp_path, push(dists["small"]))
    assert "cannot reach the Hub" in refused["words"] and closed.url in refused["words"]
    assert refused["said"] == []
