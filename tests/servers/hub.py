"""A Hugging Face Hub in memory, for the real `huggingface_hub` and `datasets` clients.

It owns the part of the Hub's protocol that publishing a corpus and reading it back needs: accounts, repositories,
commits of regular and LFS files, refs, pull requests, trees (in pages) and downloads. It must not know plugdata. It has
no Xet, no discussions but pull requests, and it reads no YAML.

    with HubServer() as hub:
        hub.faults.append(HubFault("POST", "/commit/", 503, times=1))
        subprocess.run([...], env={**os.environ, **hub.environment(tmp_path)})
        assert "README.md" in hub.files("tester/corpus")

Clients read HF_ENDPOINT when they are imported, so they run in a process of their own.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit


@dataclass(frozen=True)
class Account:
    name: str
    may_write: bool


ACCOUNTS = {"hf_test": Account("tester", may_write=True), "hf_read": Account("tester", may_write=False)}
ORGANIZATIONS = ("testers",)  # namespaces that every account with write access may use beside its own name
LFS_SUFFIXES = (".parquet", ".arrow", ".bin", ".gz", ".zst", ".zip", ".safetensors", ".gguf", ".ftz")
LFS_FROM_BYTES = 10 * 1024 * 1024


# --- repositories ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blob:
    content: bytes
    is_lfs: bool

    @property
    def etag(self) -> str:
        """What the client compares with its local file: sha256 for LFS, git's blob hash otherwise."""
        if self.is_lfs:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    files: Mapping[str, Blob]
    title: str
    description: str
    date: str


@dataclass
class Repo:
    kind: str  # model, dataset, space
    id: str
    private: bool
    gated: str | bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # refs/heads/main, refs/tags/v1, refs/pr/1 → commit
    closed: set[int] = field(default_factory=set)  # numbers of pull requests that are no longer open

    def commit(self, ref: str, files: Mapping[str, Blob], title: str, description: str = "") -> Commit:
        parent = self.refs.get(ref)
        named = [self.id, len(self.commits), parent, title, {path: blob.etag for path, blob in files.items()}]
        oid = hashlib.sha1(json.dumps(named, sort_keys=True).encode()).hexdigest()
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.commits[oid] = Commit(oid, parent, files, title, description, date)
        self.refs[ref] = oid
        return self.commits[oid]

    def ref_of(self, revision: str) -> str | None:
        """The full name of the ref that a branch, tag or ref name means."""
        names = (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
        return next((name for name in names if name in self.refs), None)

    def at(self, revision: str) -> Commit:
        """The commit that a ref, a commit hash or at least 7 letters of one means."""
        ref = self.ref_of(revision)
        if ref:
            return self.commits[self.refs[ref]]
        found = [oid for oid in self.commits if len(revision) >= 7 and oid.startswith(revision)]
        if not found:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[found[0]]


class HubError(Exception):
    """An answer other than 2xx; `code` is the X-Error-Code from which the client chooses its exception."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


# --- one request -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class HubFault:
    """Answers `status` (0: drops the connection) to the next `times` requests that match.

    `after=True`: the request is carried out first, and only its answer is lost.
    """

    method: str  # GET …, or * for any
    path: str  # a regular expression, searched for in the path
    status: int
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = field(default_factory=lambda: {"error": "injected fault"})
    after: bool = False


@dataclass(frozen=True)
class LoggedRequest:
    method: str
    path: str  # with the query
    status: int  # 0: the connection was dropped
    n_bytes: int  # of the request's body


@dataclass(frozen=True)
class Call:
    """What a handler gets: the request, who sent it, and the named parts of its path, unquoted."""

    hub: HubServer
    account: Account | None
    path: str  # as it was asked, without the query
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def writer(self, namespace: str) -> Account:
        """The account, if it may write in `namespace`."""
        if not self.account:
            raise HubError(401, "Invalid username or password.")
        if not self.account.may_write or namespace not in (self.account.name, *ORGANIZATIONS):
            raise HubError(403, f"You don't have the rights to write in the namespace {namespace}")
        return self.account

    def repo(self, *, write: bool = False) -> Repo:
        """The repository that the path names, if the account may see (or write) it."""
        kind, repo_id = (self.parts["kind"] or "models").removesuffix("s"), self.parts["repo"]
        namespace = repo_id.split("/")[0]
        found = self.hub.repos.get((kind, repo_id))
        is_member = self.account is not None and namespace in (self.account.name, *ORGANIZATIONS)
        if found is None or (found.private and not is_member):
            # A visitor must not learn whether a private repository exists.
            raise HubError(404 if self.account else 401, "Repository not found", "RepoNotFound")
        if write:
            self.writer(namespace)
        return found


def json_reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})


# --- handlers: accounts and repositories -----------------------------------------------------------------------------


def whoami(call: Call) -> Reply:
    if not call.account:
        raise HubError(401, "Invalid username or password.")
    role = "write" if call.account.may_write else "read"
    return json_reply(
        {
            "type": "user",
            "id": call.account.name,
            "name": call.account.name,
            "fullname": call.account.name,
            "email": "tester@example.com",
            "orgs": [{"type": "org", "id": name, "name": name, "fullname": name} for name in ORGANIZATIONS],
            "auth": {"type": "access_token", "accessToken": {"displayName": "tests", "role": role}},
        }
    )


def named_repo(call: Call) -> tuple[str, str]:
    """(kind, id) of the repository that the body of create or delete names, once the account may write there."""
    namespace = call.json.get("organization") or (call.account.name if call.account else "")
    call.writer(namespace)
    return call.json.get("type") or "model", f"{namespace}/{call.json['name']}"


def create_repo(call: Call) -> Reply:
    kind, repo_id = named_repo(call)
    url = call.hub.url_of(kind, repo_id)
    if (kind, repo_id) in call.hub.repos:
        raise HubError(409, "You already created this repo", url=url, id=repo_id)
    repo = Repo(kind, repo_id, private=call.json.get("visibility") == "private" or bool(call.json.get("private")))
    repo.commit("refs/heads/main", {".gitattributes": Blob(b"*.parquet filter=lfs -text\n", False)}, "initial commit")
    call.hub.repos[kind, repo_id] = repo
    return json_reply({"url": url, "name": repo_id, "id": repo_id})


def delete_repo(call: Call) -> Reply:
    if call.hub.repos.pop(named_repo(call), None) is None:
        raise HubError(404, "Repository not found", "RepoNotFound")
    return json_reply({})


def change_settings(call: Call) -> Reply:
    repo = call.repo(write=True)
    if "private" in call.json or "visibility" in call.json:
        repo.private = call.json.get("visibility") == "private" or bool(call.json.get("private"))
    repo.gated = call.json.get("gated", repo.gated)
    return json_reply({"private": repo.private, "gated": repo.gated})


def validate_yaml(call: Call) -> Reply:
    has_metadata = call.json["content"].startswith("---\n")
    warnings = [] if has_metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return json_reply({"errors": [], "warnings": warnings})


# --- handlers: writing -----------------------------------------------------------------------------------------------


def preupload(call: Call) -> Reply:
    """Which files go as LFS, and the etags of those that are already there."""
    files = call.repo(write=True).at(call.parts["revision"]).files

    def plan(path: str, size: int) -> dict[str, object]:
        is_lfs = path.endswith(LFS_SUFFIXES) or size > LFS_FROM_BYTES
        oid = files[path].etag if path in files else None
        return {"path": path, "uploadMode": "lfs" if is_lfs else "regular", "shouldIgnore": False, "oid": oid}

    return json_reply({"files": [plan(file["path"], file["size"]) for file in call.json["files"]]})


def lfs_batch(call: Call) -> Reply:
    """Where to put each object; no action for one that is already stored."""
    call.repo(write=True)
    objects = []
    for wanted in call.json["objects"]:
        answer = {"oid": wanted["oid"], "size": wanted["size"], "authenticated": True}
        if wanted["oid"] not in call.hub.lfs:
            upload = {"href": f"{call.hub.url}/lfs/{wanted['oid']}", "header": {}}
            answer["actions"] = {"upload": upload, "verify": {"href": f"{call.hub.url}/lfs-verify", "header": {}}}
        objects.append(answer)
    return json_reply(
        {"transfer": "basic", "objects": objects}, headers={"Content-Type": "application/vnd.git-lfs+json"}
    )


def lfs_put(call: Call) -> Reply:
    oid = call.parts["oid"]
    if hashlib.sha256(call.body).hexdigest() != oid:
        raise HubError(400, "The content does not have this sha256.")
    call.hub.lfs[oid] = call.body
    return Reply(200, headers={"ETag": f'"{oid}"'})


def lfs_verify(call: Call) -> Reply:
    if len(call.hub.lfs.get(call.json["oid"], b"")) != call.json["size"]:
        raise HubError(404, "No such object.")
    return json_reply({})


def commit(call: Call) -> Reply:
    """Apply a body of JSON lines (a header, then operations) to a branch or, with create_pr, to a new pull request."""
    repo = call.repo(write=True)
    head = repo.at(call.parts["revision"])
    header, *operations = (json.loads(line) for line in call.body.splitlines() if line.strip())
    expected = header["value"].get("parentCommit")
    if expected and not head.oid.startswith(expected):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for operation in operations:
        apply(operation["key"], operation["value"], files, call.hub.lfs)
    if call.query.get("create_pr"):
        n = 1 + sum(name.startswith("refs/pr/") for name in repo.refs)
        ref, pull_request = f"refs/pr/{n}", {"pullRequestUrl": f"{call.hub.url_of(repo.kind, repo.id)}/discussions/{n}"}
        repo.refs[ref] = head.oid
    else:
        ref, pull_request = repo.ref_of(call.parts["revision"]) or "", {}
        if not ref or ref.startswith("refs/tags/"):
            raise HubError(404, f"Not a branch: {call.parts['revision']}", "RevisionNotFound")
    new = repo.commit(ref, files, header["value"].get("summary", ""), header["value"].get("description", ""))
    url = f"{call.hub.url_of(repo.kind, repo.id)}/commit/{new.oid}"
    return json_reply({"success": True, "commitOid": new.oid, "commitUrl": url, "hookOutput": "", **pull_request})


def apply(key: str, value: Mapping[str, str], files: dict[str, Blob], lfs: Mapping[str, bytes]) -> None:
    path = value["path"]
    if key == "file":
        files[path] = Blob(base64.b64decode(value["content"]), is_lfs=False)
    elif key == "lfsFile":
        if value["oid"] not in lfs:
            raise HubError(400, f"LFS object {value['oid']} was not uploaded.")
        files[path] = Blob(lfs[value["oid"]], is_lfs=True)
    elif key == "deletedFile":
        if files.pop(path, None) is None:
            raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
    elif key == "deletedFolder":
        for inside in [name for name in files if name.startswith(path.rstrip("/") + "/")]:
            del files[inside]
    else:
        raise HubError(400, f"Unknown operation: {key}")


def create_tag(call: Call) -> Reply:
    return create_ref(call.repo(write=True), f"refs/tags/{call.json['tag']}", call.parts["revision"])


def create_branch(call: Call) -> Reply:
    start = call.json.get("startingPoint") or "main"
    return create_ref(call.repo(write=True), f"refs/heads/{call.parts['name']}", start)


def create_ref(repo: Repo, ref: str, revision: str) -> Reply:
    if ref in repo.refs:
        raise HubError(409, f"Reference already exists: {ref}")
    repo.refs[ref] = repo.at(revision).oid
    return json_reply({})


def delete_ref(call: Call) -> Reply:
    folder = {"tag": "tags", "branch": "heads"}[call.parts["what"]]
    ref = f"refs/{folder}/{call.parts['name']}"
    repo = call.repo(write=True)
    if ref == "refs/heads/main":
        raise HubError(403, "The branch main cannot be deleted.")
    if repo.refs.pop(ref, None) is None:
        raise HubError(404, f"No such reference: {ref}", "RevisionNotFound")
    return json_reply({})


# --- handlers: reading -----------------------------------------------------------------------------------------------


def described(path: str, files: Mapping[str, Blob]) -> dict[str, object]:
    """A file, or a folder, as the tree and paths-info list it."""
    if path not in files:
        return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
    blob = files[path]
    git_oid = Blob(blob.content, is_lfs=False).etag
    about: dict[str, object] = {"type": "file", "path": path, "oid": git_oid, "size": len(blob.content)}
    return about | ({"lfs": {"oid": blob.etag, "size": len(blob.content), "pointerSize": 134}} if blob.is_lfs else {})


def folders(files: Mapping[str, Blob]) -> set[str]:
    parents = (str(parent) for path in files for parent in Path(path).parents)
    return {parent for parent in parents if parent != "."}


def info(call: Call) -> Reply:
    repo = call.repo()
    head = repo.at(call.parts["revision"] or "main")
    siblings: list[dict[str, object]] = []
    for path, blob in sorted(head.files.items()):
        about = {"blobId": described(path, head.files)["oid"], "size": len(blob.content)}
        lfs = {"sha256": blob.etag, "size": len(blob.content), "pointerSize": 134} if blob.is_lfs else None
        siblings.append({"rfilename": path, **({**about, "lfs": lfs} if call.query.get("blobs") else {})})
    return json_reply(
        {
            "_id": hashlib.sha1(repo.id.encode()).hexdigest()[:24],
            "id": repo.id,
            "author": repo.id.split("/")[0],
            "sha": head.oid,
            "lastModified": head.date,
            "createdAt": next(iter(repo.commits.values())).date,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }
    )


def tree(call: Call) -> Reply:
    files = call.repo().at(call.parts["revision"]).files
    parent = call.parts["path"] or ""
    inside = [path for path in sorted({*files, *folders(files)}) if not parent or path.startswith(parent + "/")]
    if parent and not inside:
        raise HubError(404, f"{parent} does not exist", "EntryNotFound")
    if call.query.get("recursive", "").lower() not in ("true", "1"):
        inside = [path for path in inside if path.count("/") == (parent.count("/") + 1 if parent else 0)]
    at = int(call.query.get("cursor", 0))
    end = at + call.hub.page
    asked = urlencode({**call.query, "cursor": end})
    more = {"Link": f'<{call.hub.url}{call.path}?{asked}>; rel="next"'} if inside[end:] else {}
    return json_reply([described(path, files) for path in inside[at:end]], headers=more)


def paths_info(call: Call) -> Reply:
    files = call.repo().at(call.parts["revision"]).files
    is_json = "json" in call.headers.get("content-type", "")
    wanted = call.json["paths"] if is_json else parse_qs(call.body.decode()).get("paths", [])
    present = {*files, *folders(files)}
    return json_reply([described(path, files) for path in map(str, wanted) if path in present])


def list_refs(call: Call) -> Reply:
    repo = call.repo()

    def under(folder: str) -> list[dict[str, str]]:
        found = {ref: oid for ref, oid in repo.refs.items() if ref.startswith(folder)}
        return [{"name": ref.removeprefix(folder), "ref": ref, "targetCommit": oid} for ref, oid in found.items()]

    listed = {"branches": under("refs/heads/"), "tags": under("refs/tags/"), "converts": []}
    return json_reply(listed | ({"pullRequests": under("refs/pr/")} if call.query.get("include_prs") else {}))


def list_requests(call: Call) -> Reply:
    """The open pull requests: all the discussions there are."""
    repo = call.repo()
    numbers = [int(ref.rpartition("/")[2]) for ref in repo.refs if ref.startswith("refs/pr/")]
    open_ones = [
        {
            "title": repo.at(f"refs/pr/{n}").title,
            "num": n,
            "author": {"name": repo.id.split("/")[0]},
            "createdAt": repo.at(f"refs/pr/{n}").date,
            "status": "open",
            "repo": {"name": repo.id, "type": repo.kind},
            "isPullRequest": True,
        }
        for n in numbers
        if n not in repo.closed
    ]
    return json_reply({"discussions": open_ones, "count": len(open_ones), "start": 0})


def list_commits(call: Call) -> Reply:
    repo = call.repo()
    listed = []
    oid: str | None = repo.at(call.parts["revision"]).oid
    while oid:
        each = repo.commits[oid]
        authors = [{"user": repo.id.split("/")[0]}]
        about = {"id": oid, "title": each.title, "message": each.description, "authors": authors, "date": each.date}
        listed.append(about)
        oid = each.parent
    return json_reply(listed, headers={"X-Total-Count": str(len(listed))})


def resolve(call: Call) -> Reply:
    """A file's bytes, whole or the asked range, with the headers by which the client caches them."""
    head = call.repo().at(call.parts["revision"])
    blob = head.files.get(call.parts["path"])
    headers = {"X-Repo-Commit": head.oid, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if blob is None:
        absent = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        return Reply(404, b"Entry not found", {**headers, **absent})
    headers["ETag"] = f'"{blob.etag}"'
    if blob.is_lfs:
        headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(len(blob.content))}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers.get("range", ""))
    if not asked or asked[0] == "bytes=-":
        return Reply(200, blob.content, headers)
    size = len(blob.content)
    first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
    if first > last:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    return Reply(206, blob.content[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{size}"})


# --- the table of routes ---------------------------------------------------------------------------------------------

Handler = Callable[[Call], Reply]

API_REPO = r"/api/(?P<kind>models|datasets|spaces)/(?P<repo>[\w.-]+/[\w.-]+)"
WEB_REPO = r"/(?:(?P<kind>datasets|spaces)/)?(?P<repo>[\w.-]+/[\w.-]+)"
REVISION = r"(?P<revision>[^/]+)"

ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    (method, re.compile(path), handler)
    for method, path, handler in [
        ("GET", "/api/whoami-v2", whoami),
        ("POST", "/api/repos/create", create_repo),
        ("DELETE", "/api/repos/delete", delete_repo),
        ("POST", "/api/validate-yaml", validate_yaml),
        ("PUT", f"{API_REPO}/settings", change_settings),
        ("POST", f"{API_REPO}/preupload/{REVISION}", preupload),
        ("POST", rf"{WEB_REPO}\.git/info/lfs/objects/batch", lfs_batch),
        ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", lfs_put),
        ("POST", "/lfs-verify", lfs_verify),
        ("POST", f"{API_REPO}/commit/{REVISION}", commit),
        ("POST", f"{API_REPO}/tag/{REVISION}", create_tag),
        ("POST", f"{API_REPO}/branch/(?P<name>[^/]+)", create_branch),
        ("DELETE", f"{API_REPO}/(?P<what>tag|branch)/(?P<name>[^/]+)", delete_ref),
        ("GET", f"{API_REPO}(?:/revision/{REVISION})?", info),
        ("GET", f"{API_REPO}/tree/{REVISION}(?:/(?P<path>.+))?", tree),
        ("POST", f"{API_REPO}/paths-info/{REVISION}", paths_info),
        ("GET", f"{API_REPO}/refs", list_refs),
        ("GET", f"{API_REPO}/discussions", list_requests),
        ("GET", f"{API_REPO}/commits/{REVISION}", list_commits),
        ("GET|HEAD", f"{WEB_REPO}/resolve/{REVISION}/(?P<path>.+)", resolve),
    ]
]


# --- the server ------------------------------------------------------------------------------------------------------


class HubServer:
    """The server on its own threads: listening inside `with`, stopped after it, which raises what failed in a handler.

    `repos`, `lfs`, `faults`, `watch`, `page` are open to tests; `requests` is what was asked, in the order of answers.
    """

    def __init__(self, port: int = 0) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}  # (kind, id)
        self.lfs: dict[str, bytes] = {}  # sha256 → content
        self.faults: list[HubFault] = []
        self.page = 1000  # entries of a tree in one answer
        self.watch: Callable[[str, bool], None] = lambda request, is_done: None  # before and after "GET /path"
        self._requests: list[LoggedRequest] = []
        self._errors: list[Exception] = []
        self._lock = threading.Lock()
        self._port = port

    def __enter__(self) -> HubServer:
        hub = self

        class BoundExchange(Exchange):
            server_hub = hub

        self._server = QuietServer(("127.0.0.1", self._port), BoundExchange)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="hub-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._errors and exception == (None, None, None):
            raise self._errors[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._requests)

    def environment(self, hf_home: Path, token: str | None = "hf_test", *, xet: bool = False) -> dict[str, str]:
        """What a client's process needs in its environment to use this Hub and a cache of its own.

        xet: as people have it, though this Hub has none: the client by itself then sends no large file.
        """
        quiet = {"HF_HUB_DISABLE_XET": "" if xet else "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(hf_home), "HF_TOKEN": token or "", **quiet}

    def files(self, repo_id: str, revision: str = "main", kind: str = "dataset") -> dict[str, bytes]:
        """Path → content, as a commit has them. Raises: KeyError if there is no such repository."""
        with self._lock:
            return {path: blob.content for path, blob in self.repos[kind, repo_id].at(revision).files.items()}

    def url_of(self, kind: str, repo_id: str) -> str:
        return f"{self.url}/{'' if kind == 'model' else kind + 's/'}{repo_id}"

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request carried out (or struck by a fault) and logged; handlers run one at a time."""
        split = urlsplit(target)
        with self._lock:
            fault = self._fault_for(method, unquote(split.path))
            self.watch(f"{method} {split.path}", False)
            if fault is None or fault.after:
                reply = self._handle(method, split.path, split.query, headers, body)
            self.watch(f"{method} {split.path}", True)
            if fault is not None:
                reply = json_reply(fault.body, fault.status, fault.headers)
            self._requests.append(LoggedRequest(method, target, reply.status, len(body)))
        return reply

    def _fault_for(self, method: str, path: str) -> HubFault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method in (method, "*") and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def _handle(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply:
        try:
            for methods, pattern, handler in ROUTES:
                match = pattern.fullmatch(path)
                if match and method in methods.split("|"):
                    parts = {name: unquote(part or "") for name, part in match.groupdict().items()}
                    asked = {name: values[0] for name, values in parse_qs(query).items()}
                    return handler(Call(self, account_of(headers), path, headers, asked, body, parts))
            raise HubError(404, f"This test Hub has no {method} {path}")
        except HubError as error:
            named = {"X-Error-Message": error.message} | ({"X-Error-Code": error.code} if error.code else {})
            return json_reply({"error": error.message, **error.body}, error.status, named)
        except Exception as error:
            self._errors.append(error)
            return json_reply({"error": f"The test server failed: {error!r}"}, 500)


def account_of(headers: Mapping[str, str]) -> Account | None:
    """The account of the bearer token; None without one."""
    authorization = headers.get("authorization")
    if authorization is None:
        return None
    account = ACCOUNTS.get(authorization.removeprefix("Bearer "))
    if account is None:
        raise HubError(401, "Invalid credentials in Authorization header")
    return account


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, which tests do on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Exchange(BaseHTTPRequestHandler):
    """HTTP around `HubServer.answer`."""

    server_hub: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: with it, every answer waits 40 ms

    def exchange(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.read_body(headers)
        if len(body) < int(headers.get("content-length", 0)):  # the client died while it sent
            self.close_connection = True
            return
        reply = self.server_hub.answer(self.command, self.path, headers, body)
        if reply.status == 0:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = exchange

    def read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        chunks = []
        while n_bytes := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(n_bytes))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read `HubServer.requests`."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve an empty Hub on 127.0.0.1; tokens: hf_test, hf_read.")
    parser.add_argument("port", nargs="?", type=int, default=0)
    with HubServer(parser.parse_args().port) as hub:
        print(hub.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
