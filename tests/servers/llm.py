"""An OpenAI-compatible chat server whose model is a deterministic pseudo-translator.

It owns the other side of the wire contract: it reads the line `Target language: NAME (code)`, takes the last user
message and answers each `<instruction>`, `<input>`, `<response>` (or, without such tags, the whole message) in words of
the target language. It must not know plugdata: what both sides agree on is the contract alone.

    with LlmServer(faults=[first(3, rate_limited(retry_after_s=1)), every(10, missing_tag())]) as server:
        client = AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0)
        ...
        assert len(server.requests) == 13

A fault is a function of the request; the first one in `faults` that answers replaces the translation. Faults that are
decided by `Request.index` follow the order of arrival, so under concurrency they pick rows by chance; `attempts` and
`share` are decided by the request's content and pick the same requests in every order.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

# --- what a request asks for, and the usual answer -------------------------------------------------------------------


@dataclass
class Request:
    """One chat request, recorded when it has arrived whole."""

    index: int  # order of arrival, from 0
    attempt: int  # how many equal requests came before
    json: dict[str, Any]
    headers: dict[str, str]  # lower-case names
    at: float  # time.monotonic() of arrival
    digest: str  # sha256 of the canonical JSON: equal requests, equal digests
    text: str  # the last user message
    status: int | None = None  # what was answered; None while in flight, or if the connection was dropped


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    drop: Literal["never", "before", "mid-body"] = "never"


Fault = Callable[[Request], Reply | None]

TARGET_LINE = re.compile(r"^Target language: [^()\n]+\(([A-Za-z]{2,3})(?:-[\w-]+)?\)\s*$", re.MULTILINE)
SEGMENT = re.compile(r"<(instruction|input|response)((?:-[0-9a-f]{4})?)>(.*?)</\1\2>", re.DOTALL)


def contents(request_json: Mapping[str, Any], role: str | None = None) -> list[str]:
    """The texts of the messages (of one role), parts joined, in order."""
    texts = []
    for message in request_json.get("messages", []):
        if role is None or message.get("role") == role:
            content = message.get("content") or ""
            texts.append(content if isinstance(content, str) else "".join(part.get("text", "") for part in content))
    return texts


def target_language(request: Request) -> str | None:
    """The base code (`pt` of `pt-BR`) of the first `Target language:` line, or None."""
    found = (TARGET_LINE.search(text) for text in contents(request.json))
    return next((match[1].lower() for match in found if match), None)


def segments(request: Request) -> list[tuple[str, str]]:
    """(tag with its suffix, text) of the last user message, in order; empty for protocol plain."""
    return [(name + suffix, text) for name, suffix, text in SEGMENT.findall(request.text)]


def translations(request: Request) -> list[tuple[str, str]]:
    lang = target_language(request) or ""
    return [(tag, translate(text, lang)) for tag, text in segments(request)]


def render(tagged: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<{tag}>{text}</{tag}>" for tag, text in tagged)


def usual_answer(request: Request) -> str:
    """What the pseudo-translator says to a request that keeps the wire contract."""
    tagged = translations(request)
    if not tagged:
        return translate(request.text, target_language(request) or "")
    if request.json.get("response_format", {}).get("type", "text") != "text":
        return json.dumps(dict(tagged), ensure_ascii=False)
    return render(tagged)


def n_tokens(text: str) -> int:
    return len(text.encode()) // 4 + 1


def completion(request: Request, content: str, finish_reason: str = "stop") -> Reply:
    """A 200 with `content`, cut with finish_reason length where the request allows fewer tokens."""
    allowed = request.json.get("max_completion_tokens") or request.json.get("max_tokens")
    if allowed and n_tokens(content) > allowed:
        content, finish_reason = content.encode()[: 4 * allowed - 4].decode(errors="ignore"), "length"
    n_prompt, n_completion = sum(4 + n_tokens(text) for text in contents(request.json)), n_tokens(content)
    message = {"role": "assistant", "content": content}
    return json_reply(
        200,
        {
            "id": f"chatcmpl-{request.index}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request.json.get("model", ""),
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
            "usage": {
                "prompt_tokens": n_prompt,
                "completion_tokens": n_completion,
                "total_tokens": n_prompt + n_completion,
            },
        },
    )


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body, ensure_ascii=False).encode(), headers or {})


def error_reply(
    status: int, message: str, kind: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    return json_reply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)


# --- faults: what goes wrong -----------------------------------------------------------------------------------------


def always(reply: Reply) -> Fault:
    return lambda request: reply


def rate_limited(retry_after_s: float | None = None, headers: Mapping[str, str] | None = None) -> Fault:
    wait = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    message = "Rate limit reached for requests. Please try again later."
    return always(error_reply(429, message, "requests", "rate_limit_exceeded", {**wait, **(headers or {})}))


def quota_exhausted() -> Fault:
    message = "You exceeded your current quota, please check your plan and billing details."
    return always(error_reply(429, message, "insufficient_quota", "insufficient_quota"))


def unauthorized() -> Fault:
    return always(error_reply(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))


def model_not_found() -> Fault:
    return lambda request: error_reply(
        404, f"The model `{request.json.get('model')}` does not exist.", "invalid_request_error", "model_not_found"
    )


def bad_request(message: str = "Unsupported parameter.", code: str | None = None, status: int = 400) -> Fault:
    return always(error_reply(status, message, "invalid_request_error", code))


def context_too_long() -> Fault:
    return bad_request("This model's maximum context length is 4096 tokens.", "context_length_exceeded")


def prompt_filtered() -> Fault:
    """The 400 by which Azure refuses a prompt."""
    return bad_request("The response was filtered due to the prompt triggering the policy.", "content_filter")


def server_error(status: int = 500, headers: Mapping[str, str] | None = None) -> Fault:
    return always(error_reply(status, "The server had an error.", "server_error", headers=headers))


def html_page(status: int = 502) -> Fault:
    page = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
    return always(Reply(status, page, content_type="text/html"))


def empty_body() -> Fault:
    return always(Reply(200, b""))


def dropped() -> Fault:
    """The connection is reset before a byte is answered."""
    return always(Reply(200, b"", drop="before"))


def dropped_mid_body() -> Fault:
    """Half of the right answer, then the connection closes."""
    return lambda request: replace(completion(request, usual_answer(request)), drop="mid-body")


def broken_json() -> Fault:
    """A complete 200 whose JSON stops half-way."""

    def fault(request: Request) -> Reply:
        body = completion(request, usual_answer(request)).body
        return Reply(200, body[: len(body) // 2])

    return fault


def answered(content: Callable[[Request], str], finish_reason: str = "stop") -> Fault:
    """A well-formed 200 that says something else: the root of all faults below."""
    return lambda request: completion(request, content(request), finish_reason)


def cut_off() -> Fault:
    return answered(lambda request: usual_answer(request)[: len(usual_answer(request)) // 2], "length")


def filtered() -> Fault:
    return answered(lambda request: "", "content_filter")


def empty_content() -> Fault:
    return answered(lambda request: "")


def echo() -> Fault:
    """The source texts come back untranslated."""
    return answered(lambda request: render(segments(request)) or request.text)


def refusal() -> Fault:
    return answered(lambda request: "I'm sorry, but I can't assist with that request.")


def speaking(lang: str) -> Fault:
    """A proper answer in the wrong language."""
    return answered(
        lambda request: (
            render([(tag, translate(text, lang)) for tag, text in segments(request)]) or translate(request.text, lang)
        )
    )


def missing_tag() -> Fault:
    """The last segment does not come back."""
    return answered(lambda request: render(translations(request)[:-1]))


def swapped_tags() -> Fault:
    """The segments come back in reverse order, each under its own tag."""
    return answered(lambda request: render(translations(request)[::-1]))


def chatter() -> Fault:
    """The right answer with talk around it, which the contract says to ignore."""
    return answered(lambda request: f"Sure! Here is the translation:\n\n{usual_answer(request)}\n\nAnything else?")


def looping() -> Fault:
    """The last segment repeats one word without end."""

    def content(request: Request) -> str:
        *before, (tag, text) = translations(request) or [("", usual_answer(request))]
        looped = " ".join([text.split()[-1]] * 200)
        return render([*before, (tag, looped)]) if tag else looped

    return answered(content)


def lost_sentinel() -> Fault:
    """The first protected span does not come back."""
    return answered(lambda request: re.sub(r"⟦\d+⟧", "", usual_answer(request), count=1))


def sliding_window(limit: int, window_s: float) -> Fault:
    """A provider's limit: at most `limit` requests admitted in any `window_s` seconds, 429 with Retry-After beyond."""
    admitted: deque[float] = deque()

    def fault(request: Request) -> Reply | None:
        while admitted and admitted[0] <= request.at - window_s:
            admitted.popleft()
        if len(admitted) < limit:
            admitted.append(request.at)
            return None
        return rate_limited(retry_after_s=round(admitted[0] + window_s - request.at, 3))(request)

    return fault


# --- faults: when it goes wrong --------------------------------------------------------------------------------------


def when(predicate: Callable[[Request], bool], fault: Fault) -> Fault:
    return lambda request: fault(request) if predicate(request) else None


def nth(n: int, fault: Fault) -> Fault:
    """Strikes the request whose index is `n`, counted from 0."""
    return when(lambda request: request.index == n, fault)


def first(n: int, fault: Fault) -> Fault:
    return when(lambda request: request.index < n, fault)


def every(k: int, fault: Fault) -> Fault:
    """Strikes each k-th request: with k = 3 the indices 2, 5, 8 …"""
    return when(lambda request: request.index % k == k - 1, fault)


def attempts(n: int, fault: Fault) -> Fault:
    """Strikes the first `n` of equal requests, so that the next retry succeeds."""
    return when(lambda request: request.attempt < n, fault)


def share(fraction: float, fault: Fault, seed: str = "") -> Fault:
    """Strikes about this share of requests, decided by content and attempt: the same ones in every order of arrival."""

    def struck(request: Request) -> bool:
        drawn = hashlib.sha256(f"{seed}\0{request.attempt}\0{request.digest}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") < fraction * 2**64

    return when(struck, fault)


# --- the server ------------------------------------------------------------------------------------------------------


class LlmServer:
    """The server on its own thread: listening inside `with`, stopped after it, which raises what failed in a fault.

    `answer` gives the text instead of the pseudo-translation (a judge, a generator). `headers` go with every answer.
    `log_path` gets one JSON line (index, attempt, at, digest, text) for each chat request, written as it arrives.
    """

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        *,
        answer: Callable[[Request], str] | None = None,
        api_key: str | None = None,
        models: Sequence[str] = ("pseudo-translator",),
        headers: Mapping[str, str] | None = None,
        latency_s: float = 0.0,
        log_path: Path | None = None,
        port: int = 0,
    ) -> None:
        self.faults = list(faults)
        self.latency_s = latency_s
        self.max_in_flight = 0
        self._answer, self._api_key, self._models, self._headers = answer, api_key, models, dict(headers or {})
        self._log_path, self._port = log_path, port
        self._requests: list[Request] = []
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
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Request]:
        """The chat requests so far, in order of arrival."""
        with self._arrived:
            return list(self._requests)

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
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024)
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
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the server stops: both end this connection and nothing else
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; False when the connection is to be closed."""
        method, path, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
        body = await read_body(reader, headers)
        request: Request | None = None
        if (method, path) == ("POST", "/v1/chat/completions"):
            try:
                request = self._record(json.loads(body), headers)
            except (ValueError, AttributeError, TypeError):
                reply = error_reply(400, "The body is not a chat request.", "invalid_request_error")
            else:
                reply = await self._reply_to_chat(request)
        else:
            reply = self._reply_to_other(method, path, headers)
        if reply.drop == "before" or reader.at_eof():  # at_eof: the client was killed while its request was held
            writer.transport.abort()
            return False
        if request is not None and reply.drop == "never":
            request.status = reply.status
        whole = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body)), **self._headers}
        sent = reply.body if reply.drop == "never" else reply.body[: len(reply.body) // 2]
        writer.write(render_head(reply.status, {**whole, **reply.headers}) + sent)
        await writer.drain()
        return reply.drop == "never" and headers.get("connection", "").lower() != "close"

    def _record(self, request_json: dict[str, Any], headers: dict[str, str]) -> Request:
        canonical = json.dumps(request_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = (contents(request_json, "user") or [""])[-1]
        with self._arrived:
            index, attempt = len(self._requests), self._attempts[digest]
            request = Request(index, attempt, request_json, headers, time.monotonic(), digest, text)
            self._requests.append(request)
            self._attempts[digest] += 1
            if self._log:
                line = {"index": index, "attempt": attempt, "at": request.at, "digest": digest, "text": text}
                self._log.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._arrived.notify_all()
        return request

    async def _reply_to_chat(self, request: Request) -> Reply:
        self._n_in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._n_in_flight)
        try:
            await self._gate.wait()
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            return self._decide(request)
        except Exception as error:
            self._errors.append(error)
            return error_reply(500, f"The test server failed: {error!r}", "server_error")
        finally:
            self._n_in_flight -= 1

    def _decide(self, request: Request) -> Reply:
        if not self._is_authorized(request.headers):
            return unauthorized()(request) or Reply(401, b"")
        for fault in self.faults:
            reply = fault(request)
            if reply is not None:
                return reply
        if self._answer:
            return completion(request, self._answer(request))
        lang = target_language(request)
        if lang not in WORDS:
            message = f"No message has a line `Target language: NAME (code)` with a known code; got {lang!r}."
            return error_reply(400, message, "invalid_request_error")
        return completion(request, usual_answer(request))

    def _reply_to_other(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        if (method, path) != ("GET", "/v1/models"):
            return error_reply(404, f"Unknown request: {method} {path}", "invalid_request_error")
        if not self._is_authorized(headers):
            return error_reply(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key")
        models = [{"id": model, "object": "model", "created": 0, "owned_by": "tests"} for model in self._models]
        return json_reply(200, {"object": "list", "data": models})

    def _is_authorized(self, headers: Mapping[str, str]) -> bool:
        return self._api_key is None or headers.get("authorization") == f"Bearer {self._api_key}"


def parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """(method, path without query, headers by lower-case name) of an HTTP/1.1 request."""
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ", 2)
    headers = (line.partition(":") for line in lines)
    return method, target.partition("?")[0], {name.lower(): value.strip() for name, _, value in headers}


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    chunks = []
    while n_bytes := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(n_bytes))
        await reader.readline()
    await reader.readline()
    return b"".join(chunks)


def render_head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {http.client.responses.get(status, '')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# --- the pseudo-translator -------------------------------------------------------------------------------------------

MARKS = "\u0300-\u036f\u064b-\u065f\u0670\u0900-\u0e7f\u200c\u200d"  # vowel signs, which Python's \w leaves out
TOKEN = re.compile(
    rf"""(?P<kept> ```.*?(?:```|\Z) | `[^`\n]+` | ⟦\d+⟧ | </?[A-Za-z][^<>\n]*> | <\|\w+\|> | https?://\S+ | \w*\d\w* )
    | (?P<word> [^\W\d_] (?: [^\W\d_] | [{MARKS}] | ['’](?=[^\W\d_]) )* )
    | (?P<space> (?<=[^\W\d_])[ ](?=[^\W\d_]) )""",
    re.VERBOSE | re.DOTALL,
)
UNSPACED = {"zh", "ja", "th"}
DENSITY = {"zh": 0.65, "ja": 0.75, "ko": 0.6}  # characters per English character, higher than in life to be safe
N_CANDIDATES = 24  # words to choose from for a source word of some length: enough to differ, near enough in length
LONGEST = 12  # characters of a source word that one target word stands for


def translate(text: str, lang: str) -> str:
    """`text` with its words replaced by words of `lang`; numbers, code, markup, sentinels and lines stay as they are.

    The whole text seeds the choice: equal texts give equal results, different texts different ones (unless they are
    one or two words long, where there are too few results to go round).
    """
    choices = iter(hashlib.shake_256(f"{lang}\0{text}".encode()).digest(len(text)))
    separator = "" if lang in UNSPACED else " "
    previous = ""

    def next_word(n_characters: int) -> str:
        nonlocal previous
        candidates = candidates_for(lang, n_characters)
        choice = next(choices)
        word = candidates[choice % len(candidates)]
        previous = candidates[(choice + 1) % len(candidates)] if word == previous else word
        return previous

    def replacement(match: re.Match[str]) -> str:
        token = match[0]
        if match.lastgroup == "kept":
            return token
        if match.lastgroup == "space":
            return separator
        phrase = separator.join(next_word(min(LONGEST, n)) for n in range(len(token), 0, -LONGEST))
        return capitalized(phrase, lang) if token[0].isupper() else phrase

    return TOKEN.sub(replacement, text)


@cache
def candidates_for(lang: str, n_characters: int) -> list[str]:
    """The words of `lang` that come nearest in length to a source word of `n_characters`."""
    wished = n_characters * DENSITY.get(lang, 1.0)
    return sorted(WORDS[lang], key=lambda word: abs(len(word) - wished))[:N_CANDIDATES]


def capitalized(word: str, lang: str) -> str:
    return ("İ" if lang == "tr" and word[0] == "i" else word[0].upper()) + word[1:]


# Common words in correct spelling, of all lengths; a language identifier must find the language in any mixture of them.
WORDS: dict[str, list[str]] = {
    lang: words.split()
    for lang, words in {
        "en": """a the of and to in is that it for was with as his on be at by have from they this which one had
            but not what all were when there their people about would these other could because before through
            government important different information understanding international approximately""",
        "es": """y a el la de en que los las una por con para como pero más este esta muy sin también cuando donde
            porque siempre nosotros ciudad tiempo gobierno después durante entre hasta desde hacer tiene puede
            nuestro pueblo año país vida según mientras trabajo palabras historia importante diferente información
            posiblemente naturaleza conocimiento actualmente pregunta respuesta ejemplo""",
        "fr": """à le la de et les des une est que qui dans pour avec sur pas plus nous vous mais cette comme aussi
            être sont leur tout très même après avant toujours jamais peut faire temps année monde ville pays
            français pendant depuis plusieurs beaucoup gouvernement aujourd'hui maintenant question réponse exemple
            importante différente naturellement connaissance""",
        "de": """in zu er der die und das ist mit von für auf den dem ein eine nicht sich auch werden wurde haben
            sind über nach bei durch aber oder wenn weil zwischen gegen während immer schon noch sehr viele Jahre
            Zeit Stadt Menschen Deutschland Regierung können müssen möglich wichtig Beispiel Frage Antwort
            natürlich verschiedene Entwicklung Gesellschaft Informationen""",
        "pt": """o a de em que não uma os as do da com para por mais como mas foi são está também já muito pelo até
            isso seu sua quando depois ainda mesmo então pessoas cidade governo anos você tempo vida
            trabalho informação história através resposta pergunta exemplo importante diferente atualmente
            conhecimento desenvolvimento""",
        "it": """e di il la che è per un una non sono con del della nel nella gli le dei anche più come ma questo
            questa quando dove perché sempre dopo prima molto essere stato hanno fatto città tempo governo anni
            vita lavoro ogni ancora quello quindi tutti italiano informazioni esempio risposta domanda importante
            differente soprattutto conoscenza naturalmente""",
        "no": """ble noen gjør seg nå gjøre å gjennom noe annet blant etter uten norsk slik blir selvfølgelig
            regjeringen veien bruker fra også viktig sammen samme andre bare hva annen av ettersom mellom
            opplysninger utdanning forskjellige riktig senere inn norske utvikling tidligere øyeblikk og kunnskap
            som året Norge større kanskje til ved ytterligere spørsmål eksempel samfunnet""",
        "ru": """и в на не что он как это по из но за для от так его был она они все мы вы при уже или где если
            когда только также очень может быть после время человек город жизни года страна работы который которые
            потому между всегда например вопрос ответ история правительство важный различные информация необходимо
            действительно образование""",
        "tr": """ve bir bu da de için ile çok ne daha gibi ama olan var en kadar sonra olarak değil her şey ben
            onun göre zaman büyük yeni Türk şehir ülke yıl gün önce kendi bütün olduğu bunun üzerinde arasında
            nasıl neden çünkü insanlar hayat hükümet örneğin soru cevap önemli farklı çalışma bilgiler gerçekten
            özellikle gelişmeler kullanılan""",
        "vi": """và là của có cho với không được trong một những các người này đã khi từ để đến cũng như về ở ra
            vào rất nhiều nhưng việc năm nước đó thì sẽ phải trên sau trước làm thời gian thành phố chính phủ cuộc
            sống lịch sử câu hỏi trả lời ví dụ quan trọng khác nhau thông tin kiến thức nghiên cứu phương pháp
            thường""",
        "id": """di ke itu ini dan ada yang dari pada juga akan bisa saya kami kita untuk bahwa adalah yaitu
            tanggal karena dapat memiliki setelah kota maka tahun dengan menjadi sudah lebih saat tidak sebagai
            pemerintah oleh dilakukan beberapa tersebut rumah banyak hanya masih menggunakan seperti indonesia
            secara kehidupan contohnya berbeda informasi jawaban antara pengetahuan masyarakat pertanyaan
            pendidikan kabupaten provinsi baru""",
        "fi": """ja on ei se että hän oli mutta kun niin myös ovat joka tai jos vain kuin nyt hyvin paljon sitten
            ennen jälkeen vuonna aikana kanssa kaikki mikä miksi missä voi olla ollut minä sinä meidän heidän
            ihmiset kaupunki Suomen hallitus elämä työtä kysymys vastaus esimerkiksi tärkeä erilaisia tietoa koska
            yhteiskunta kuitenkin mahdollisuus ensimmäinen käytetään""",
        # lid.176 hardly knows Swahili (85 % of real sentences): these words it does, and the best stand twice.
        "sw": """katika kwa wa ya mwaka katika kwa wa ya mwaka mwanasiasa mkoa mwa mwandishi mwanamke vya mwanamume
            mwanga mpaka makuu mkoani lugha miaka vyote wakazi cha hakuna mji kaskazini kazi ni wakati kusini
            kufuatana kati za yake kwamba kutumia wanafunzi huko jina kwake zaidi kwani makubwa mkubwa mashariki
            wilaya""",
        "ko": """이 그 수 것은 나는 우리 있는 없는 하는 그는 매우 모든 또한 많은 다른 사람 시간 도시 나라 정부 역사
            생활 그리고 그러나 때문에 합니다 있습니다 없습니다 했습니다 입니다 대한 위해 통해 에서는 사람들은
            우리나라 대한민국 중요한 정보를 질문에 대답은 예를 들어 다양한 발전을 경우에 새로운 이러한 가능한
            필요합니다 생각합니다 사용합니다 무엇인가 어떻게 왜냐하면 그렇기 때문입니다 중요합니다 알려져 만들어진""",
        "zh": """的 是 在 我们 他们 这个 那个 因为 所以 但是 如果 没有 可以 已经 非常 中国 城市 政府 历史 生活 时间
            问题 回答 例如 重要 不同 信息 知识 发展 人们 工作 学习 世界 国家 现在 以后 以前 什么 怎么 为什么 这样的
            一个人 很多人 大多数 有时候 科学家 重要的是 也就是说 在这里 对我们来说 与此同时 越来越多 一般来说
            各种各样 经济发展 实际上是 换句话说 不仅如此 在很大程度上 科学技术 人民生活水平 从历史上看
            社会发展的问题""",
        "ja": """の は に を が と も から まで です ます この その これは それは 私たち 人々 時間 都市 政府 歴史
            生活 質問 回答 例えば 重要な 異なる 情報を 知識の 発展 仕事を 学ぶ 世界の 日本の 現在は しかし そして
            また なぜなら すべての たくさん できます あります います しました という ために において について
            ことです そのために 考えられます 知られている 必要があります 重要なことは 使われています ものである
            とても 私たちの 日本では 人々にとって それにもかかわらず ではありません""",
        "th": """และ ที่ ใน ของ เป็น มี ได้ ให้ ไม่ จะ การ กับ จาก นี้ นั้น คือ แต่ เรา เขา คน วัน ปี เมือง ประเทศ
            รัฐบาล เวลา ชีวิต ทำงาน เพราะ ดังนั้น แล้ว ก่อน หลัง มาก ทั้งหมด อย่าง ต้อง สามารถ ความรู้ ข้อมูล คำถาม
            คำตอบ ตัวอย่าง สำคัญ แตกต่าง ประวัติศาสตร์ การพัฒนา นักเรียน โรงเรียน ประชาชน ความสำคัญ โดยเฉพาะ
            นอกจากนี้ อย่างไรก็ตาม การศึกษา วิทยาศาสตร์ เศรษฐกิจ""",
        "bn": """এই যে না ও এবং তার কিন্তু আমি আমরা তিনি তারা হয় করে থেকে জন্য সঙ্গে একটি হবে ছিল আছে নেই কেন কী
            সব অনেক মানুষ সময় শহর দেশ সরকার ইতিহাস জীবন কাজ বছর দিন পরে আগে মধ্যে কারণ যখন তখন প্রশ্ন উত্তর উদাহরণ
            গুরুত্বপূর্ণ বিভিন্ন তথ্য জ্ঞান শিক্ষা বাংলাদেশ উন্নয়ন করতে পারে হয়েছে বিজ্ঞান সাধারণত ব্যবহার পৃথিবী
            প্রতিষ্ঠান বিশ্ববিদ্যালয়""",
        "hi": """हैं और में के है से पर मैं का को सभी क्योंकि भी प्रश्न की जीवन कि इसके किया कैसे समय हम ज्ञान करना
            उनके बाद उत्तर दिन उपयोग लोग सकता देश लिए साल महत्वपूर्ण पहले थी काम एक जब जो गया विज्ञान था बहुत आप
            नहीं लेकिन साथ जानकारी शिक्षा वह भारत विभिन्न दुनिया शहर सरकार यह इतिहास विश्वविद्यालय""",
        "ta": """ஒரு இது அது என்று மற்றும் அவர் நான் நாம் அவர்கள் இந்த அந்த உள்ளது இல்லை ஆனால் மிகவும் பல எல்லா
            மக்கள் நேரம் நகரம் நாடு அரசு வரலாறு வாழ்க்கை வேலை ஆண்டு நாள் பிறகு முன்பு இடையே ஏனெனில் எப்போது கேள்வி
            பதில் உதாரணம் முக்கியமான வேறுபட்ட தகவல் அறிவு கல்வி தமிழ் வளர்ச்சி அறிவியல் பயன்பாடு உலகம் என்ன எப்படி
            முடியும் வேண்டும் இருந்து செய்ய கொண்டு நீ பூ ஆம் தான் நம் என""",
        "ur": """ہیں ہے ہمیں نہیں رہے انہیں میں ہونے کا ہوئے اور کی ہوا ہر ہمارے رہا وہ کہ یہ ہوتا ہم ہوئی رہی
            کیونکہ تھے تھا چاہیے شہر والے بڑے باہر لوگوں بچے ساتھ سے کیے ایک مختلف دوسرے سائنس شروع کے جانے طور
            پہلے لیے کیسے انہوں گئے بھارت علم بعد کرنے اہم سوال مثال جواب یونیورسٹی حکومت معلومات""",
        "ar": """في من على أن إلى هذا هذه التي الذي كان لم لا ما هو هي عن مع كل بعد قبل بين ثم أو قد ذلك عند حتى
            لكن كما نحن هم أنا أيضا جدا كثير الناس الوقت المدينة الدولة الحكومة التاريخ الحياة العمل السنة اليوم
            لأن عندما لماذا كيف سؤال جواب مثال مهم مختلفة المعلومات المعرفة التعليم العربية التنمية العلوم استخدام
            العالم الاجتماعية المستقبل""",
    }.items()
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the pseudo-translator on 127.0.0.1.")
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--api-key")
    parser.add_argument("--log", type=Path, help="append one JSON line a request")
    options = parser.parse_args()
    with LlmServer(
        port=options.port, latency_s=options.latency_s, api_key=options.api_key, log_path=options.log
    ) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
