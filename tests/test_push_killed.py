"""A push that is killed (SIGKILL) before and after each of its requests, and pushed again."""

import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.servers.hub import Blob, HubServer, Repo
from tests.test_dist import build, dedup_rows

REPO = "tester/plug"

# Imports once, then a process for each push, forked: it starts when it is told to, so that its id is known before.
PUSHES = """
import json, os, sys
from pathlib import Path
import httpx2, huggingface_hub._commit_api, huggingface_hub.hf_api, huggingface_hub.utils.tqdm, tenacity
from plugdata.publish import hub

for line in sys.stdin:
    asked = json.loads(line)
    start, told = os.pipe()
    child = os.fork()
    if not child:
        os.read(start, 1)
        code = 1
        try:
            hub.push(Path(asked.pop("dist")), hub.Target(**asked), token=None, say=lambda line: None)
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
    sys.stdin.readline()
    os.write(told, b".")
    _, status = os.waitpid(child, 0)
    os.close(start), os.close(told)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""

State = dict[str, dict[str, str]]
"""Ref → path → hash."""


class Pusher:
    """Makes pushes, each in a process of its own."""

    def __init__(self, hub: HubServer, home: Path) -> None:
        environment = {**os.environ, **hub.environment(home, xet=True), "PYTHONPATH": str(Path(__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PUSHES], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def push(self, asked: dict[str, Any], started: Callable[[int], None] = lambda pid: None) -> int:
        """The exit code of a push; `started` is told its process id before it asks for anything."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        started(int(self.process.stdout.readline()))
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def pusher(hub: HubServer, tmp_path: Path) -> Iterator[Pusher]:
    made = Pusher(hub, tmp_path / "hf")
    yield made
    made.process.communicate()


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dists")
    ko = dedup_rows("ko", 20)
    other = ko.with_columns(response=pl.when(pl.col("ordinal") == 7).then(pl.lit("배")).otherwise("response"))
    build(folder / "old", {"ko": ko}, layouts=["plug", "mono"])
    build(folder / "new", {"ko": other, "ar": dedup_rows("ar", 20)}, layouts=["plug", "mono"])
    return {name: folder / name / "dist" for name in ("old", "new")}


def state(repo: Repo | None) -> State:
    if repo is None:
        return {}
    return {ref: {path: blob.etag for path, blob in repo.commits[oid].files.items()} for ref, oid in repo.refs.items()}


@pytest.mark.parametrize(
    ("before", "asked"),
    [(None, {}), ("old", {"revision": "next", "tag": "v1", "force": True}), ("old", {"create_pr": True})],
    ids=["a new repo", "a new branch and a moved tag", "a pull request"],
)
def test_a_killed_push_shows_nothing_half_and_the_next_one_ends_as_if_it_had_not_been(
    hub: HubServer, pusher: Pusher, dists: dict[str, Path], before: str | None, asked: dict[str, Any]
) -> None:
    if before:
        assert pusher.push({"dist": str(dists[before]), "repo": REPO, "tag": "v1"}) == 0
    at_first = copy.deepcopy(hub.repos), dict(hub.lfs)
    wanted = {"dist": str(dists["new"]), "repo": REPO, **asked}

    def there() -> Repo | None:
        return hub.repos.get(("dataset", REPO))

    assert pusher.push(wanted) == 0
    clean, n_commits = state(there()), len(hub.repos["dataset", REPO].commits)
    whole = [*state(at_first[0].get(("dataset", REPO))).values(), *clean.values()]
    whole.append({".gitattributes": Blob(b"*.parquet filter=lfs -text\n", False).etag})  # of a repo just made
    half: list[State] = []

    def push_killed_at(nth: int, after: bool) -> bool:
        """Whether the push was killed at its nth request; it may make fewer."""
        pushing, seen = 0, 0

        def started(pid: int) -> None:
            nonlocal pushing
            pushing = pid

        def strike(request: str, is_done: bool) -> None:
            nonlocal seen
            half.extend(state(there()) for files in state(there()).values() if files not in whole)
            seen += not is_done
            if seen == nth and is_done is after:
                os.kill(pushing, signal.SIGKILL)
                if not is_done:
                    raise ConnectionAbortedError

        hub.watch = strike
        code = pusher.push(wanted, started)
        hub.watch = lambda request, is_done: None
        return code == -signal.SIGKILL

    def push_again() -> None:
        assert pusher.push(wanted) == 0
        assert state(there()) == clean
        assert len(hub.repos["dataset", REPO].commits) == n_commits
        hub.repos, hub.lfs = copy.deepcopy(at_first[0]), dict(at_first[1])

    hub.repos, hub.lfs = copy.deepcopy(at_first[0]), dict(at_first[1])
    nth = 1
    while push_killed_at(nth, after=False):  # which is after the one before it
        push_again()
        nth += 1
    hub.repos, hub.lfs = copy.deepcopy(at_first[0]), dict(at_first[1])
    assert nth > 8 and push_killed_at(nth - 1, after=True)
    push_again()
    assert half == []
