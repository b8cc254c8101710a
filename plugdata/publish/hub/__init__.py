"""The Hub: send a dist/ as one commit, and read that commit back.

Owns what a push asks of the Hub, in which order. What it would change is changes.py's, what it may not change
contract.py's, the commit itself sending.py's, retries and refusals are requests.py's, a folder in place of the Hub is
folder.py's. Must not know what lies in a dist/ beyond its list of files, its card's metadata and its Parquet.

- One commit, made with `create_commit`: `upload_folder` cuts a large folder into several, and a reader between two of
  them would find a card that does not fit the data. It holds what changed and nothing else; if nothing did, none is
  made. Large files go up first, unseen until the commit names them: a push that was cut off finds them there.
- Every try looks at the data set anew, so a commit whose answer was lost is found to be done, and one that somebody
  else's came before (412) is made again upon it. A pull request too: an open one with this very content is taken as
  ours.
- What must not be is refused before anything is sent: a broken promise to those who load it, a tag that stands
  elsewhere, a card that cannot be read.
- A data set and a model (or Space) of one name are two repos on the Hub, which may both exist: no reason to refuse.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plugdata.errors import GateError, HubError, InputError
from plugdata.publish import readback
from plugdata.publish.dist import SUMS
from plugdata.publish.hub.changes import (
    CARD,
    Changes,
    Content,
    Held,
    Published,
    compare,
    content,
    difference,
    digests,
    text,
)
from plugdata.publish.hub.contract import broken, metadata
from plugdata.publish.hub.requests import Say, explained, quiet, tries
from plugdata.publish.hub.sending import TITLE, send

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True)
class Target:
    """Where to push, and how. `force`: move a tag that stands elsewhere, replace a card that cannot be read."""

    repo: str
    public: bool = False  # of a repo that is made; one that is there stays as it is
    revision: str = "main"  # a branch, made from main if absent
    tag: str | None = None
    create_pr: bool = False
    schema_change: bool = False
    force: bool = False


class Pushed(NamedTuple):
    """url: of the data set, or of the pull request. commit: its hash, to load exactly this. n_files: of dist/."""

    url: str
    commit: str
    n_files: int


class Preview(NamedTuple):
    """What a push would do: its files, and the card's diff."""

    changes: Changes
    card: str


class _Seen(NamedTuple):
    """A data set on the Hub before a push. private None: there is none."""

    published: Published
    private: bool | None = None
    has_branch: bool = False
    tagged: str | None = None  # the commit under the target's tag


def push(dist: Path, to: Target, *, token: str | None, say: Say) -> Pushed:
    """Make dist/ the content of a data set on the Hub, created (private unless `public`) if there is none.

    Without a token the one of `hf auth login` or HF_TOKEN is used. `say` gets a line on what is done, for people.
    Raises: GateError, with nothing sent, for a change that breaks what is published; HubError if the Hub refuses or
    cannot be reached; InputError for a repo that is no ORG/NAME; CorpusError for a folder that build() did not write.
    """
    api, known = _api(to, token)
    if not known:
        raise HubError("no token for the Hub", "run `hf auth login`, or set HF_TOKEN")
    with quiet(say), explained(to.repo, api.endpoint):
        pushed, n_tries = None, 0
        for attempt in tries(say, "pushing"):
            with attempt:
                n_tries += 1
                pushed = _pushed(api, dist, to, say, first=n_tries == 1)
    assert pushed is not None
    return pushed


def preview(dist: Path, to: Target, *, token: str | None, say: Say) -> Preview:
    """What `push` would send and delete; nothing is written, here or there. A private repo needs a token to be seen.

    Raises as `push`.
    """
    api, _ = _api(to, token)
    with quiet(say), explained(to.repo, api.endpoint):
        for attempt in tries(say, "looking"):
            with attempt:
                seen = _look(api, to)
        made, changes = _planned(dist, seen, to)
        if seen.private is None:
            say(f"{to.repo} does not exist, or not for this token: it would be made")
    return Preview(changes, difference(made, seen.published.card))


def verify(dist: Path, repo: str, revision: str, token: str | None) -> None:
    """Load every config of a commit from the Hub, with empty caches, and compare all rows with dist/.

    Raises HubError if a config does not load, or holds other rows.
    """
    from huggingface_hub import get_token

    written = readback.written(dist)
    with tempfile.TemporaryDirectory(prefix=f".{dist.name}.verify.", dir=dist.parent) as folder:
        found = readback.from_hub(repo, list(written), revision, token or get_token(), Path(folder))
    if found != written:
        differences = readback.differences(written, found)
        raise HubError(f"{repo} at {revision[:12]} does not hold what was pushed: {differences}", "push again")


def planned(dist: Path, published: Published, *, schema_change: bool, force: bool) -> tuple[Content, Changes]:
    """What is to take the place of what is published, and what that changes.

    Raises GateError if it must not: who loads what is published would miss something, or the published card cannot be
    read, so that what a person wrote there would be lost. Either may be asked for.
    """
    made = content(dist, published.card, force=force)
    promised = metadata(published.card or "")
    changes = broken(metadata(text(made[CARD])), promised, published.owned)
    if changes and not schema_change:
        raise GateError(
            "who loads what is published would miss: " + "; ".join(changes),
            "give --allow-schema-change if that is meant, or push it elsewhere (--repo, --revision)",
        )
    return made, compare(made, published)


def _api(to: Target, token: str | None) -> tuple["HfApi", bool]:
    """The client, and whether it has a token. Raises InputError for a target that cannot be."""
    from huggingface_hub import HfApi, get_token

    if to.repo.count("/") != 1:
        raise InputError(f"{to.repo!r} is no name of a data set", "name it ORG/NAME")
    if to.create_pr and (to.tag or to.revision != "main"):
        raise InputError(
            "a pull request goes to main and is not yet published", "leave --revision and --tag out beside --create-pr"
        )
    token = token or get_token()
    return HfApi(token=token or False, library_name="plugdata"), token is not None


def _pushed(api: "HfApi", dist: Path, to: Target, say: Say, *, first: bool) -> Pushed:
    """One try."""
    seen = _look(api, to)
    made, changes = _planned(dist, seen, to)
    url = f"{api.endpoint}/datasets/{to.repo}"
    if seen.private is None:
        api.create_repo(to.repo, repo_type="dataset", private=not to.public, exist_ok=True)
        seen = _look(api, to)
        made, changes = _planned(dist, seen, to)
    elif first and seen.private is to.public:
        say(f"{to.repo} exists and is {'private' if seen.private else 'public'}: a push does not change that")
    head = seen.published.head
    if head is None:  # the Hub says that it is there, and that it is not
        raise HubError(
            f"{to.repo} exists, but not for this token", "give the token the right to read it, or name another"
        )
    if not seen.has_branch:
        api.create_branch(to.repo, branch=to.revision, revision=head, repo_type="dataset")
    if changes and to.create_pr and (open_one := _open_request(api, to, made)):
        url, head = open_one
        if first:
            say(f"{url} already holds exactly this: no other was opened")
    elif changes:
        gone = f", {len(changes.deleted)} of an earlier push deleted" if changes.deleted else ""
        say(f"{to.repo}: {len(changes.sent)} of {len(made)} files{gone}")
        done = send(api, to.repo, made, changes, upon=head, revision=to.revision, create_pr=to.create_pr)
        url, head = done.pr_url or url, done.oid
    elif first:
        say(f"{to.repo} already holds exactly this: no commit was made")
    if to.tag:
        _tag(api, to, seen.tagged, head)
    return Pushed(url, head, len(made))


def _look(api: "HfApi", to: Target) -> _Seen:
    """What is there now."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.dataset_info(to.repo)
    except RepositoryNotFoundError:
        return _Seen(Published())
    head, has_branch, tagged = str(info.sha), True, None
    if to.tag or to.revision != "main":
        refs = api.list_repo_refs(to.repo, repo_type="dataset")
        tags, branches = ({ref.name: ref.target_commit for ref in found} for found in (refs.tags, refs.branches))
        if to.revision in tags:
            raise InputError(f"{to.revision!r} is a tag of {to.repo}, not a branch", "--tag NAME sets a tag")
        tagged, has_branch, head = tags.get(str(to.tag)), to.revision in branches, branches.get(to.revision, head)
    return _Seen(_published(api, to.repo, head), bool(info.private), has_branch, tagged)


def _published(api: "HfApi", repo: str, commit: str) -> Published:
    """What a commit holds."""
    from huggingface_hub.hf_api import RepoFile

    files = {
        entry.path: Held(entry.size, sha256=entry.lfs.sha256 if entry.lfs else None, git=entry.blob_id)
        for entry in api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
        if isinstance(entry, RepoFile)
    }
    card = _text(api, repo, CARD, commit) if CARD in files else None
    owned = frozenset([SUMS, *digests(_text(api, repo, SUMS, commit))]) if SUMS in files else frozenset()
    return Published(files, card, owned, commit)


def _text(api: "HfApi", repo: str, name: str, revision: str) -> str:
    """A small file of a commit."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    url = hf_hub_url(repo, name, repo_type="dataset", revision=revision, endpoint=api.endpoint)
    response = get_session().get(url, headers=build_hf_headers(token=api.token), follow_redirects=True)
    hf_raise_for_status(response)
    return response.content.decode(errors="replace")


def _planned(dist: Path, seen: _Seen, to: Target) -> tuple[Content, Changes]:
    """As `planned`; and a tag must not stand elsewhere."""
    made, changes = planned(dist, seen.published, schema_change=to.schema_change, force=to.force)
    if seen.tagged and not to.force and (changes or seen.tagged != seen.published.head):
        raise GateError(
            f"the tag {to.tag!r} of {to.repo} stands at {seen.tagged[:12]}, which holds something else",
            "name another tag, or give --force to move it",
        )
    return made, changes


def _open_request(api: "HfApi", to: Target, made: Content) -> tuple[str, str] | None:
    """An open pull request that holds this very content: its address and commit."""
    asked = api.get_repo_discussions(
        to.repo, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
    )
    for request in asked:
        if request.title == TITLE:
            commit = str(api.dataset_info(to.repo, revision=f"refs/pr/{request.num}").sha)
            if not compare(made, _published(api, to.repo, commit)):
                return request.url, commit
    return None


def _tag(api: "HfApi", to: Target, tagged: str | None, commit: str) -> None:
    assert to.tag
    if tagged == commit:
        return
    if tagged:
        api.delete_tag(to.repo, tag=to.tag, repo_type="dataset")
    api.create_tag(to.repo, tag=to.tag, revision=commit, repo_type="dataset")
