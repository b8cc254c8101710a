"""The route over the Hugging Face Hub: probed first, and silent about its retries."""

import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from plugdata.assets.known import Asset, HubFile, Miss

PROBE_S = 3.0
"""Seconds within which the Hub must answer, name resolution included, before the next route is taken."""


def download(asset: Asset, hub: HubFile, folder: Path) -> Path:
    """The file from the Hub (HF_ENDPOINT, HF_TOKEN and proxies honoured), not yet checked. Raises Miss.

    The Hub's ETag of a large file is its sha256, so a wrong one is not downloaded at all.
    """
    import httpx2
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import silent_tqdm

    if is_offline_mode():
        raise Miss("HF_HUB_OFFLINE is set")
    endpoint = os.environ.get("HF_ENDPOINT") or None
    url = hf_hub_url(hub.repo, hub.filename, revision=hub.revision, endpoint=endpoint)
    probe(url)
    try:
        with quiet("huggingface_hub"):
            etag = get_hf_file_metadata(url, endpoint=endpoint).etag or ""
            if re.fullmatch("[0-9a-f]{64}", etag) and etag != asset.sha256:
                raise Miss(f"checksum mismatch: it holds sha256 {etag}, not {asset.sha256}")
            file = hf_hub_download(
                hub.repo,
                hub.filename,
                revision=hub.revision,
                local_dir=folder,
                endpoint=endpoint,
                tqdm_class=cast(Any, silent_tqdm),
            )
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise Miss(str(error).strip().partition("\n")[0] or type(error).__name__) from error
    return Path(file)


def probe(url: str) -> None:
    """Make sure that the host, or the proxy before it, takes a connection within PROBE_S. Raises Miss.

    Without it an unreachable Hub costs minutes of retries. In a thread: no socket timeout bounds name resolution.
    """
    at = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(at.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(at.hostname or ""):
        at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    address = at.hostname or "", at.port or (443 if at.scheme == "https" else 80)
    results: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection(address, PROBE_S).close()
            results.append(None)
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PROBE_S)
    if not results or isinstance(results[0], TimeoutError):
        raise Miss(f"{at.hostname} does not answer within {PROBE_S:.0f} s")
    if error := results[0]:
        raise Miss(f"{at.hostname} cannot be reached ({error.strerror or error})") from error


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Its retries are not the user's business: what comes of them is said once, by us."""
    noisy = logging.getLogger(logger)
    level = noisy.level
    noisy.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        noisy.setLevel(level)
