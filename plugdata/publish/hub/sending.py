"""The one commit of a push, and the way that large files take to it.

Owns what is sent, once it is known what that is. Must not know what a dist/ is, or what was published before.

The client sends large files by Xet where hf_xet is installed, and by nothing else: it fails at a Hub without Xet, which
a mirror may be (huggingface_hub 2.4, `_upload_files`). So the Hub is asked first whether it has it. Files that are
handed over opened go by LFS in any case.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from plugdata.publish.hub.changes import Changes, Content

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

TITLE = "Publish with plugdata"


def send(
    api: "HfApi", repo: str, made: Content, changes: Changes, *, upon: str, revision: str, create_pr: bool
) -> "CommitInfo":
    """One commit that holds the changes and nothing else, upon another one."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with ExitStack() as files:
        by_xet = _has_xet(api, repo, revision, create_pr=create_pr)
        additions = []
        for name in changes.sent:
            data = made[name].data
            sent = files.enter_context(open(data, "rb")) if isinstance(data, Path) and not by_xet else data
            additions.append(CommitOperationAdd(path_in_repo=name, path_or_fileobj=sent))
        return api.create_commit(
            repo,
            [*additions, *(CommitOperationDelete(path_in_repo=name) for name in changes.deleted)],
            commit_message=TITLE,
            repo_type="dataset",
            revision=revision,
            create_pr=create_pr,
            parent_commit=upon,
        )


def _has_xet(api: "HfApi", repo: str, revision: str, *, create_pr: bool) -> bool:
    """Whether the Hub gives leave to write to this data set by Xet."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    url = f"{api.endpoint}/api/datasets/{repo}/xet-write-token/{quote(revision, safe='')}"
    asked = {"create_pr": 1} if create_pr else None
    response = get_session().get(url, params=asked, headers=build_hf_headers(token=api.token))
    if response.status_code == 404:
        return False
    hf_raise_for_status(response)
    return True
