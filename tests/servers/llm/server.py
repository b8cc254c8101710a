"""The server itself: connections, the record of requests, and who answers which.

What an answer holds stands in replies.py and faults.py. It must not know why a test asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers.llm.faults import unauthorized
from tests.servers.llm.replies import (
    Fault,
    Reply,
    Request,
    contents,
    error_reply,
    is_answerable,
    json_reply,
    right,
    target_language,
)
from tests.servers.llm.wire import Head, Tls, parse_head, read_body, render_head, self_signed

Headers = Mapping[str, str]
Route = Callable[[str, str, str, Headers, bytes], Reply | None]  # method, path, query, headers, body


class LlmServer:
    """The server on its own thread: listening inside `with`, stopped after it, which raises what failed in a fault.

    `answer` gives the text instead of the pseudo-translation (a judge, a generator). `headers` go with every answer;
    a function of the request is asked for them when a chat request is answered. `latency_s` may be a function of the
    number of requests in flight. `routes` are asked before the built-in paths, once the key is found right: the first
    one that answers wins. `log_path` gets one JSON line (index, attempt, at, digest, text) for each chat request,
    written as it arrives. `tls` serves https with a self-signed `certificate`.
    """

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        *,
        answer: Callable[[Request], str] | None = None,
        api_key: str | None = None,
        models: Sequence[str] = ("pseudo-translator",),
        headers: Headers | Callable[[Request], Headers] | None = None,
        latency_s: float | Callable[[int], float] = 0.0,
        routes: Sequence[Route] = (),
        log_path: Path | None = None,
        port: int = 0,
        tls: bool = False,
    ) -> None:
        self.faults = list(faults)
        self.latency_s = latency_s
        self.max_in_flight = 0
        self._answer, self._api_key, self._models, self._headers = answer, api_key, models, headers or {}
        self._routes, self._log_path, self._port = tuple(routes), log_path, port
        self._tls: Tls | None = self_signed() if tls else None
        self._requests: list[Request] = []
        self._n_arrived = 0  # with those of `reply_to`
        self._attempts: Counter[str] = Counter()
        self._errors: list[Exception] = []
        self._n_in_flight = 0
        self._arrived = threading.Condition()
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> LlmServer:
        self._log = self._log_path.open("a", encoding="utf-8", buffering=1) if self._log_path else None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llm-server", daemon=True)
        self._thread.start()
        self._on_loop(self._start())
        return self

    def __exit__(self, *exception: object) -> None:
        self._on_loop(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._log:
            self._log.close()
        if self._errors and exception == (None, None, None):
            raise self._errors[0]

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/v1"

    @property
    def certificate(self) -> str:
        """What a client of https has to trust, as PEM."""
        assert self._tls is not None, "LlmServer(tls=True) has a certificate"
        return self._tls.certificate

    @property
    def requests(self) -> list[Request]:
        """The chat requests so far, in order of arrival."""
        with self._arrived:
            return list(self._requests)

    def reply_to(self, request_json: dict[str, Any]) -> Reply:
        """What a chat request would be answered, faults included; it counts as an attempt, but is not recorded."""
        return self._decide(self._arrival(request_json, {}))

    def hold(self) -> None:
        """From now on requests arrive and are recorded, but none is answered until `release`."""
        self._on_loop(self._set_gate(is_open=False))

    def release(self) -> None:
        self._on_loop(self._set_gate(is_open=True))

    def wait_for(self, n_requests: int, timeout_s: float = 10.0) -> None:
        """Return once so many requests have arrived in all. Raises: TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._requests) >= n_requests, timeout_s):
                raise TimeoutError(f"{len(self._requests)} of {n_requests} requests after {timeout_s} s")

    def _on_loop(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _start(self) -> None:
        self._gate = asyncio.Event()
        self._gate.set()
        context = self._tls.context if self._tls else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024, ssl=context)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _set_gate(self, *, is_open: bool) -> None:
        if is_open:
            self._gate.set()
        else:
            self._gate.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client left, or trusts no such certificate: that ends this connection and nothing else
        except asyncio.CancelledError:
            writer.transport.abort()  # the server stops: a mere close of https would wait for the client's part
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; False when the connection is to be closed."""
        head = parse_head(await reader.readuntil(b"\r\n\r\n"))
        body = await read_body(reader, head.headers)
        request: Request | None = None
        added: Headers = {} if callable(self._headers) else self._headers
        try:
            reply = await self._routed(head, body) if self._routes else None
            if reply is None and (head.method, head.path) == ("POST", "/v1/chat/completions"):
                request = self._chat_request(body, head.headers)
                if request is None:
                    reply = error_reply(400, "The body is not a chat request.", "invalid_request_error")
                else:
                    reply = await self._reply_to_chat(request)
                    added = self._headers(request) if callable(self._headers) else added
            elif reply is None:
                reply = self._reply_to_other(head)
        except Exception as error:  # of a fault, an answer or a route, which are a test's own: __exit__ raises it
            self._errors.append(error)
            reply = error_reply(500, f"The test server failed: {error!r}", "server_error")
        if reply.drop == "before" or reader.at_eof():  # at_eof: the client was killed while its request was held
            writer.transport.abort()
            return False
        if request is not None and reply.drop == "never":
            request.status = reply.status
        whole = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body)), **added, **reply.headers}
        sent = reply.body if reply.drop == "never" else reply.body[: len(reply.body) // 2]
        writer.write(render_head(reply.status, whole) + sent)
        await writer.drain()
        return reply.drop == "never" and head.headers.get("connection", "").lower() != "close"

    async def _routed(self, head: Head, body: bytes) -> Reply | None:
        if not self._is_authorized(head.headers):
            return None
        replies = (route(*head, body) for route in self._routes)
        reply = next((reply for reply in replies if reply is not None), None)
        return await sat_on(reply) if reply else None

    def _chat_request(self, body: bytes, headers: dict[str, str]) -> Request | None:
        """The request of a chat, recorded; None if `body` is none."""
        try:
            request = self._arrival(json.loads(body), headers)
        except (ValueError, AttributeError, TypeError):
            return None
        with self._arrived:
            self._requests.append(request)
            if self._log:
                names = ("index", "attempt", "at", "digest", "text")
                line = {name: getattr(request, name) for name in names}
                self._log.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._arrived.notify_all()
        return request

    def _arrival(self, request_json: dict[str, Any], headers: dict[str, str]) -> Request:
        canonical = json.dumps(request_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = (contents(request_json, "user") or [""])[-1]
        with self._arrived:
            index, attempt = self._n_arrived, self._attempts[digest]
            self._n_arrived += 1
            self._attempts[digest] += 1
        return Request(index, attempt, request_json, headers, time.monotonic(), digest, text, answer=self._answer)

    async def _reply_to_chat(self, request: Request) -> Reply:
        self._n_in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._n_in_flight)
        latency_s = self.latency_s(self._n_in_flight) if callable(self.latency_s) else self.latency_s
        try:
            await self._gate.wait()
            if latency_s:
                await asyncio.sleep(latency_s)
            if not self._is_authorized(request.headers):
                return unauthorized()(request) or Reply(401, b"")
            return await sat_on(self._decide(request))
        finally:
            self._n_in_flight -= 1

    def _decide(self, request: Request) -> Reply:
        for fault in self.faults:
            reply = fault(request)
            if reply is not None:
                return reply
        if not is_answerable(request):
            lang = target_language(request)
            message = f"No message has a line `Target language: NAME (code)` with a known code; got {lang!r}."
            return error_reply(400, message, "invalid_request_error")
        return right(request)

    def _reply_to_other(self, head: Head) -> Reply:
        if not self._is_authorized(head.headers):
            return error_reply(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key")
        if (head.method, head.path) != ("GET", "/v1/models"):
            return error_reply(404, f"Unknown request: {head.method} {head.path}", "invalid_request_error")
        models = [{"id": model, "object": "model", "created": 0, "owned_by": "tests"} for model in self._models]
        return json_reply(200, {"object": "list", "data": models})

    def _is_authorized(self, headers: Headers) -> bool:
        return self._api_key is None or headers.get("authorization") == f"Bearer {self._api_key}"


async def sat_on(reply: Reply) -> Reply:
    """`reply`, after its delay."""
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    return reply
