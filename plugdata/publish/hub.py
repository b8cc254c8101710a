"""The Hub: send a dist/ as one commit, and read that commit back.

Owns everything that is said to the Hub, its retries and its errors in words. Must not know what lies in a dist/
beyond its list of files (`SUMS`) and its Parquet.

- One commit, made with `create_commit`: `upload_folder` cuts a large folder into several, and a reader between two of
  them would find a card that does not fit the data. If nothing changed, the library makes no commit and gives the last.
- Deleted are the files that the list of an earlier push, on the Hub, names and this dist/ lacks. Files that others put
  there stay; the card is ours and is overwritten.
- The library retries all routes but `/repos/create` and `/commit`; those two are ours to retry. A commit whose answer
  was lost is no danger: every try looks at the repo anew, and finds nothing left to commit. A pull request would be
  opened twice, so one is tried again only where the Hub said that it did nothing (429, 503).
- A data set and a model (or Space) of one name are two repos on the Hub, which may both exist: no reason to refuse.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plugdata.errors import CorpusError, HubError, InputError
from plugdata.publish import readback
from plugdata.publish.dist import SUMS

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from tenacity import AttemptManager

TRIES = 6  # of a request that is ours to retry: some 45 s of waiting in all unless the Hub names a time
LONGEST_WAIT_S = 300  # the Hub's windows of rate limits

Say = Callable[[str], None]


class Pushed(NamedTuple):
    """url: of the data set, or of the pull request. commit: its hash, to load exactly this. n_files: of dist/."""

    url: str
    commit: str
    n_files: int


def push(dist: Path, repo: str, *, public: bool, create_pr: bool, token: str | None, say: Say) -> Pushed:
    """Make dist/ the content of a data set on the Hub, created (private unless `public`) if there is none.

    Without a token the one of `hf auth login` or HF_TOKEN is used. `say` gets a line on what is done, for people.
    Raises: HubError if the Hub refuses or cannot be reached; InputError for a repo that is no ORG/NAME; CorpusError
    for a folder that build() did not write.
    """
    from huggingface_hub import HfApi, get_token

    if repo.count("/") != 1:
        raise InputError(f"{repo!r} is no name of a data set", "name it ORG/NAME")
    files = _files(dist)
    token = token or get_token()
    if token is None:
        raise HubError("no token for the Hub", "run `hf auth login`, or set HF_TOKEN")
    api = HfApi(token=token, library_name="plugdata")
    with _quiet(say), _explained(repo, api.endpoint):
        _create(api, repo, public, say)
        made, head = _commit(api, dist, files, repo, create_pr, say)
    if made.oid == head:
        say(f"{repo} already holds exactly this: no commit was made")
    return Pushed(made.pr_url or f"{api.endpoint}/datasets/{repo}", made.oid, len(files))


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


def _create(api: "HfApi", repo: str, public: bool, say: Say) -> None:
    for attempt in _tries(say, "creating the repo"):
        with attempt:
            api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
    is_private = api.dataset_info(repo).private
    if is_private is public:
        say(f"{repo} exists and is {'private' if is_private else 'public'}: a push does not change that")


def _commit(
    api: "HfApi", dist: Path, files: list[str], repo: str, create_pr: bool, say: Say
) -> tuple["CommitInfo", str | None]:
    """The commit, and the one that was the head before the first try."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    before: str | None = None
    for attempt in _tries(say, "committing", once_only=create_pr):
        with attempt:
            info = api.dataset_info(repo)
            before = before or info.sha
            there = {sibling.rfilename for sibling in info.siblings or []}
            stale = sorted((_owned(api, repo, info.sha) if SUMS in there else set()) & there - set(files))
            say(f"{repo}: {len(files)} files" + (f", {len(stale)} of an earlier push deleted" if stale else ""))
            made = api.create_commit(
                repo,
                [
                    *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=dist / name) for name in files),
                    *(CommitOperationDelete(path_in_repo=name) for name in stale),
                ],
                commit_message="Publish with plugdata",
                repo_type="dataset",
                create_pr=create_pr,
                parent_commit=info.sha,
            )
    return made, before


def _files(dist: Path) -> list[str]:
    try:
        return sorted([SUMS, *_listed((dist / SUMS).read_text(encoding="utf-8"))])
    except FileNotFoundError:
        raise CorpusError(f"{dist} holds no {SUMS}, so it was not built to the end", "build it again") from None


def _owned(api: "HfApi", repo: str, revision: str | None) -> set[str]:
    """The files that an earlier push put into a repo."""
    with tempfile.TemporaryDirectory() as cache:
        path = api.hf_hub_download(repo, SUMS, repo_type="dataset", revision=revision, cache_dir=cache)
        return set(_listed(Path(path).read_text(encoding="utf-8", errors="replace")))


def _listed(sums: str) -> list[str]:
    return [name for _, _, name in (line.partition("  ") for line in sums.splitlines()) if name]


def _tries(say: Say, doing: str, once_only: bool = False) -> "Iterator[AttemptManager]":
    """Attempts at a request that the library does not retry, with the wait the Hub asks for or a growing one."""
    import tenacity

    def wait_s(state: tenacity.RetryCallState) -> float:
        asked = _asked_wait_s(state.outcome.exception() if state.outcome else None)
        return growing(state) if asked is None else min(asked, LONGEST_WAIT_S)

    def told(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        say(f"{doing}: {_brief(error)}; trying again in {state.upcoming_sleep:.0f} s")

    growing = tenacity.wait_exponential_jitter(initial=1, max=30)
    return iter(
        tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=wait_s,
            retry=tenacity.retry_if_exception(lambda error: _is_passing(error, once_only)),
            before_sleep=told,
            reraise=True,
        )
    )


def _is_passing(error: BaseException, once_only: bool) -> bool:
    """Whether a failure of one of the two requests that are ours to retry may pass by itself."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, httpx2.HTTPError):
        return False
    response = error.response if isinstance(error, HfHubHTTPError) else None
    path = (error.request if response is None else response.request).url.path
    if not (path.endswith("/api/repos/create") or "/commit/" in path):
        return False
    if response is not None:
        return response.status_code in ((429, 503) if once_only else (429, 500, 502, 503, 504))
    return not once_only and not isinstance(error, httpx2.ConnectError)


def _asked_wait_s(error: BaseException | None) -> float | None:
    """The seconds that an answer asks us to wait (Retry-After, or the Hub's RateLimit header), if it does."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    if not isinstance(error, HfHubHTTPError):
        return None
    headers = error.response.headers
    if (after := headers.get("Retry-After", "")).isdigit():
        return float(after)
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit and error.response.status_code == 429 else None


@contextmanager
def _explained(repo: str, endpoint: str) -> Iterator[None]:
    """Turn what the library raises into a HubError that says what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(error, repo) from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be pushed", "unset it") from error
    except (httpx2.HTTPError, ConnectionError) as error:  # the second: Xet's
        raise HubError(
            f"cannot reach the Hub at {endpoint}: {_brief(error)}", "check the network and HF_ENDPOINT, then push again"
        ) from error
    except HFValidationError as error:
        raise InputError(f"{repo!r} is no name of a data set: {_brief(error)}", "name it ORG/NAME") from error
    except (RuntimeError, ValueError) as error:  # an upload that failed for good; a card or a body that is refused
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(error.__cause__, repo) from error
        raise HubError(f"the Hub did not take {repo}: {_brief(error)}", "nothing was published") from error


def _refusal(error: "HfHubHTTPError", repo: str) -> HubError:
    status, words = error.response.status_code, _brief(error)
    org = repo.partition("/")[0]
    if status == 401:
        return HubError(
            f"the Hub does not know this token (401): {words}",
            "log in again with `hf auth login`, or set HF_TOKEN to one from https://huggingface.co/settings/tokens",
        )
    if status == 403:
        return HubError(
            f"this token may not write to {repo} (403): {words}",
            f"it is read-only, or has no rights on {org}: make one with write access to {org}",
        )
    if status == 404:
        return HubError(f"{repo} was not found (404): {words}", f"does {org} exist, and may this token see it?")
    if status in (409, 412):
        return HubError(f"{repo} was changed by someone else meanwhile ({status}): {words}", "push again")
    if status == 429 or status >= 500:
        return HubError(f"the Hub keeps failing ({status}): {words}", "nothing was published; push again later")
    return HubError(f"the Hub refused {repo} ({status}): {words}", "nothing was published")


def _brief(error: BaseException | None) -> str:
    """One line of what an error says: the server's own words where it sent some."""
    said = getattr(error, "server_message", None) or str(error)
    return " ".join(said.split())[:300] or type(error).__name__


@contextmanager
def _quiet(say: Say) -> Iterator[None]:
    """No progress bars, log lines or Python warnings of the library meanwhile; its warnings go to `say`."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    log, had_bars = logging.getLogger("huggingface_hub"), not are_progress_bars_disabled()
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if had_bars:
            disable_progress_bars()
        try:
            yield
        finally:
            log.setLevel(level)
            if had_bars:
                enable_progress_bars()
    for warning in caught:
        if warning.category is UserWarning:  # not its own or httpx2's deprecations
            say(" ".join(str(warning.message).split()))
