"""The Files and Batches of an OpenAI-compatible provider, as a route of LlmServer, which answers the requests in them.

It owns the protocol: upload, create, poll, list, cancel, output and error files. A batch advances one state with each
poll, so that nothing depends on a clock. It must not know plugdata.

    api = BatchApi(expires=lambda n: 3 if n == 0 else None)  # the first batch answers three requests and expires
    with LlmServer(routes=[api]) as server:
        api.reply_to = server.reply_to
        ...
        assert [batch.status for batch in api.batches] == ["expired", "completed"]
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.servers.llm import Reply, error_reply, json_reply

NEXT = {"validating": "in_progress", "in_progress": "finalizing", "finalizing": "completed", "cancelling": "cancelled"}
ENDS = {"completed": None, "expired": "batch_expired", "cancelled": "batch_cancelled"}
"""How a batch with answers ends, and the code of the requests that it left unanswered."""

Event = Callable[[str, int], Reply | None]


@dataclass
class Batch:
    """One created batch. `lines` are the requests of its file, as they came."""

    id: str
    file: str
    lines: list[dict[str, Any]]
    metadata: dict[str, str]
    status: str = "validating"
    refusal: tuple[str, str] | None = None  # code, message
    counts: dict[str, int] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)  # output_file_id, error_file_id

    @property
    def keys(self) -> list[str]:
        return [line["custom_id"] for line in self.lines]

    def json(self) -> dict[str, Any]:
        errors = [{"code": self.refusal[0], "message": self.refusal[1], "line": None}] if self.refusal else []
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "created_at": 0,
            "input_file_id": self.file,
            "metadata": self.metadata,
            "status": self.status,
            "errors": {"object": "list", "data": errors} if self.status == "failed" else None,
            "request_counts": {"total": len(self.lines), "completed": 0, "failed": 0, **self.counts},
            **self.results,
        }


class BatchApi:
    """A Route. Knobs, each called with the number of the batch in order of creation, from 0:

    `refuses` gives the (code, message) that a batch fails validation with, `expires` after how many answers it does.
    `output` turns the lines of an output file into others (shuffled, broken). `on` hears of "uploaded", "created",
    "polled", "listed", "downloaded" and "cancelled", with how many of these came before, when the deed is done and the
    reply is not yet sent; what it returns replaces the reply.
    """

    def __init__(
        self,
        *,
        refuses: Callable[[int], tuple[str, str] | None] = lambda n: None,
        expires: Callable[[int], int | None] = lambda n: None,
        output: Callable[[list[bytes]], list[bytes]] = lambda lines: lines,
        on: Event = lambda event, n: None,
        max_requests: int = 50_000,
        page: int = 100,
    ) -> None:
        self.reply_to: Callable[[dict[str, Any]], Reply] = lambda request: error_reply(500, "not connected", "tests")
        self.batches: list[Batch] = []
        self.files: dict[str, bytes] = {}
        self.events: list[str] = []
        self._refuses, self._expires, self._output, self.on = refuses, expires, output, on
        self._max_requests, self._page = max_requests, page

    @property
    def submitted(self) -> list[str]:
        """The keys of all batches, one for each time that it was submitted."""
        return [key for batch in self.batches for key in batch.keys]

    def __call__(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        match method, path.strip("/").split("/")[1:]:
            case "POST", ["files"]:
                return self._told("uploaded", self._upload(headers, body))
            case "GET", ["files", name, "content"]:
                return self._told("downloaded", self._download(name))
            case "POST", ["batches"]:
                return self._told("created", self._create(json.loads(body)))
            case "GET", ["batches"]:
                return self._told("listed", self._list(parse_qs(query).get("after", [""])[0]))
            case "GET", ["batches", name]:
                return self._told("polled", self._with_batch(name, self._advance))
            case "POST", ["batches", name, "cancel"]:
                return self._told("cancelled", self._with_batch(name, self._cancel))
        return None

    def _told(self, event: str, reply: Reply) -> Reply:
        n = self.events.count(event)
        self.events.append(event)
        return self.on(event, n) or reply

    def _upload(self, headers: Mapping[str, str], body: bytes) -> Reply:
        head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
        form = {
            str(part.get_param("name", header="content-disposition")): part
            for part in email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
        }
        if form["purpose"].get_content().strip() != "batch":
            return error_reply(400, "The purpose is not batch.", "invalid_request_error")
        content = form["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        if content.count(b"\n") > self._max_requests:
            return error_reply(400, f"The file has more than {self._max_requests} lines.", "invalid_request_error")
        return json_reply(200, self._file(content, form["file"].get_filename() or "", "batch"))

    def _file(self, content: bytes, name: str, purpose: str) -> dict[str, Any]:
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = content
        told = {"id": file_id, "object": "file", "bytes": len(content), "created_at": 0, "filename": name}
        return {**told, "purpose": purpose, "status": "processed"}

    def _download(self, name: str) -> Reply:
        if name not in self.files:
            return error_reply(404, f"No such File object: {name}", "invalid_request_error")
        return Reply(200, self.files[name], content_type="application/octet-stream")

    def _create(self, asked: dict[str, Any]) -> Reply:
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        number = len(self.batches)
        batch = Batch(f"batch_{number}", asked["input_file_id"], lines, asked.get("metadata") or {})
        batch.refusal = self._refuses(number)
        if len(set(batch.keys)) < len(lines):
            batch.refusal = ("duplicate_custom_id", "A custom_id is used twice.")
        elif asked["endpoint"] != "/v1/chat/completions" or {line["url"] for line in lines} != {asked["endpoint"]}:
            batch.refusal = ("invalid_url", "The URL of a line is not the batch's endpoint.")
        self.batches.append(batch)
        return json_reply(200, batch.json())

    def _list(self, after: str) -> Reply:
        newest_first = self.batches[::-1]
        start = 1 + [batch.id for batch in newest_first].index(after) if after else 0
        page = newest_first[start : start + self._page]
        more = start + self._page < len(newest_first)
        last = page[-1].id if page else None
        return json_reply(
            200, {"object": "list", "data": [batch.json() for batch in page], "has_more": more, "last_id": last}
        )

    def _with_batch(self, name: str, deed: Callable[[Batch], Reply]) -> Reply:
        for batch in self.batches:
            if batch.id == name:
                return deed(batch)
        return error_reply(404, f"No batch found with id '{name}'.", "invalid_request_error")

    def _advance(self, batch: Batch) -> Reply:
        before, batch.status = batch.status, NEXT.get(batch.status, batch.status)
        expires = self._expires(self.batches.index(batch))
        if before == "validating" and batch.refusal:
            batch.status = "failed"
        elif before == "finalizing" and expires is not None:
            batch.status = "expired"
        if batch.status == "in_progress":
            batch.counts = {"completed": len(batch.lines) // 2}
        elif before != batch.status and batch.status in ENDS:
            half = batch.counts.get("completed", 0)
            n_answered = {"completed": len(batch.lines), "expired": expires, "cancelled": half}[batch.status]
            self._finish(batch, batch.lines[:n_answered], batch.lines[n_answered:])
        return json_reply(200, batch.json())

    def _finish(self, batch: Batch, answered: Sequence[dict[str, Any]], left: Sequence[dict[str, Any]]) -> None:
        output: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for line in answered:
            reply = self.reply_to(line["body"])
            try:
                body = json.loads(reply.body)
            except ValueError:
                body = {"error": {"message": reply.body.decode(errors="replace")}}
            response = {"status_code": reply.status, "request_id": "req", "body": body}
            result = {"id": "batch_req", "custom_id": line["custom_id"], "response": response, "error": None}
            (output if reply.status == 200 else errors).append(result)
        code = ENDS[batch.status]
        for line in left:
            error = {"code": code, "message": f"This request was not executed: {code}."}
            errors.append({"id": "batch_req", "custom_id": line["custom_id"], "response": None, "error": error})
        batch.counts = {"completed": len(output), "failed": len(errors)}
        written = [json.dumps(line, ensure_ascii=False).encode() for line in output]
        for name, lines in (("output_file_id", self._output(written)), ("error_file_id", list(map(_line, errors)))):
            if lines:
                content = b"".join(line + b"\n" for line in lines)
                batch.results[name] = str(self._file(content, f"{batch.id}.jsonl", "batch_output")["id"])

    def _cancel(self, batch: Batch) -> Reply:
        if batch.status not in ("validating", "in_progress", "finalizing"):
            return error_reply(400, f"Cannot cancel a batch with status '{batch.status}'.", "invalid_request_error")
        batch.status = "cancelling"
        return json_reply(200, batch.json())


def _line(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False).encode()
