"""Requests to a test server as any plain client sends them, and what comes back unread. It must not know faults."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

TEXT = "Two people walked through the old city before breakfast"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes

    @property
    def choice(self) -> Any:
        return json.loads(self.body)["choices"][0]


def chat(text: str = TEXT, **options: Any) -> dict[str, Any]:
    system = {"role": "system", "content": "You translate.\nTarget language: Korean (ko)"}
    return {"model": "m", "messages": [system, {"role": "user", "content": text}], **options}


def send(
    base_url: str,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str = "key",
    timeout_s: float = 10.0,
    pem: str = "",
) -> http.client.HTTPConnection:
    """A connection on which a request was sent and no answer read."""
    url = urlsplit(base_url)
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context(cadata=pem or None)
        connection = http.client.HTTPSConnection(url.netloc, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    connection.request(method, url.path + path, json.dumps(body) if body else None, headers)
    return connection


def ask(
    base_url: str, body: object = None, method: str = "POST", path: str = "/chat/completions", **how: Any
) -> Answer:
    connection = send(base_url, method, path, chat() if method == "POST" and body is None else body, **how)
    try:
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    finally:
        connection.close()
