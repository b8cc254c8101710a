"""How the Hub is asked: which requests are tried again, and its refusals in words.

Owns retries and errors. Must not know what is asked for.

The library retries what moves data (preupload, LFS, PUT, HEAD); everything else is ours to retry: each of our requests
may be made twice without harm, since a push looks at the data set anew before each try.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plugdata.errors import CorpusError, HubError, InputError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError
    from tenacity import AttemptManager

TRIES = 6  # of a request that is ours to retry: some 45 s of waiting in all unless the Hub names a time
LONGEST_WAIT_S = 300  # the Hub's windows of rate limits

_RETRIED_BY_THE_LIBRARY = ("/preupload/", ".git/info/lfs/")

Say = Callable[[str], None]


def tries(say: Say, doing: str) -> "Iterator[AttemptManager]":
    """Attempts at what the library does not retry, with the wait that the Hub asks for or a growing one."""
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
            retry=tenacity.retry_if_exception(_is_passing),
            before_sleep=told,
            reraise=True,
        )
    )


def _is_passing(error: BaseException) -> bool:
    """Whether a failure may pass by itself: the Hub is busy or broken, or somebody else committed meanwhile."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, httpx2.HTTPError) or isinstance(error, httpx2.ConnectError):
        return False
    response = error.response if isinstance(error, HfHubHTTPError) else None
    request = error.request if response is None else response.request
    if request.method in ("PUT", "HEAD") or any(part in request.url.path for part in _RETRIED_BY_THE_LIBRARY):
        return False
    return response is None or response.status_code in (409, 412, 429, 500, 502, 503, 504)


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
def explained(repo: str, endpoint: str) -> Iterator[None]:
    """Turn what the library raises into a HubError that says what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        raise _refusal(error, repo) from error
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE is set, so the Hub cannot be asked", "unset it") from error
    except (httpx2.HTTPError, ConnectionError) as error:  # the second: Xet's
        raise HubError(
            f"cannot reach the Hub at {endpoint}: {_brief(error)}", "check the network and HF_ENDPOINT, then try again"
        ) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise CorpusError(f"cannot write{where}: {error.strerror or error}", "is the disk full?") from error
    except HFValidationError as error:
        raise InputError(f"{repo!r} is no name of a data set: {_brief(error)}", "name it ORG/NAME") from error
    except (RuntimeError, ValueError) as error:  # an upload that failed for good; a card or a body that is refused
        if isinstance(error.__cause__, HfHubHTTPError):
            raise _refusal(error.__cause__, repo) from error
        raise HubError(f"the Hub did not take {repo}: {_brief(error)}", "nothing was changed there") from error


def _refusal(error: "HfHubHTTPError", repo: str) -> HubError:
    status, words = error.response.status_code, _brief(error)
    org = repo.partition("/")[0]
    if status == 401:
        return HubError(
            f"the Hub does not know this token (401): {words}",
            "log in again with `hf auth login`, or set HF_TOKEN to one from https://huggingface.co/settings/tokens",
        )
    if status == 403 and error.response.request.method in ("GET", "HEAD"):
        return HubError(f"this token may not read {repo} (403): {words}", "is it gated? Ask for access on its page")
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
        return HubError(f"the Hub keeps failing ({status}): {words}", "give the same command again later")
    return HubError(f"the Hub refused {repo} ({status}): {words}", "mend what it names, then try again")


def _brief(error: BaseException | None) -> str:
    """One line of what an error says: the server's own words where it sent some."""
    said = getattr(error, "server_message", None) or str(error)
    return " ".join(said.split())[:300] or type(error).__name__


@contextmanager
def quiet(say: Say) -> Iterator[None]:
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
