"""What goes wrong: functions of a request that replace its usual answer. When they strike is said in strikes.py."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Literal

from tests.servers.llm.replies import (
    Fault,
    Reply,
    Request,
    completion,
    error_reply,
    json_reply,
    render,
    right,
    segments,
    translations,
    usual_answer,
)
from tests.servers.llm.translator import translate

THOUGHT = "The user wants a translation. A draft: <instruction>not this one</instruction> No, I can do better."


def always(reply: Reply) -> Fault:
    return lambda request: reply


def rate_limited(
    retry_after_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    form: Literal["seconds", "milliseconds", "date"] = "seconds",
) -> Fault:
    """429, with the time to wait in one of the forms that providers write it in."""

    def wait() -> dict[str, str]:
        if retry_after_s is None:
            return {}
        if form == "milliseconds":
            return {"retry-after-ms": f"{math.ceil(1000 * retry_after_s)}"}
        if form == "date":  # whole seconds: rounded up, or a client would come back too early
            return {"Retry-After": formatdate(math.ceil(time.time() + retry_after_s), usegmt=True)}
        return {"Retry-After": f"{retry_after_s:g}"}

    message = "Rate limit reached for requests. Please try again later."
    return lambda request: error_reply(429, message, "requests", "rate_limit_exceeded", {**wait(), **(headers or {})})


def quota_exhausted() -> Fault:
    message = "You exceeded your current quota, please check your plan and billing details."
    return always(error_reply(429, message, "insufficient_quota", "insufficient_quota"))


def unauthorized() -> Fault:
    return always(error_reply(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))


def forbidden() -> Fault:
    message = "Country, region, or territory not supported"
    return always(error_reply(403, message, "request_forbidden", "unsupported_country_region_territory"))


def model_not_found() -> Fault:
    return lambda request: error_reply(
        404, f"The model `{request.json.get('model')}` does not exist.", "invalid_request_error", "model_not_found"
    )


def bad_request(message: str = "Unsupported parameter.", code: str | None = None, status: int = 400) -> Fault:
    return always(error_reply(status, message, "invalid_request_error", code))


def model_rejects(parameter: str) -> Fault:
    """400 for each request that has `parameter`, as some models answer to temperature or max_tokens."""
    message = f"Unsupported parameter: '{parameter}' is not supported with this model."
    reply = error_reply(400, message, "invalid_request_error", "unsupported_parameter", param=parameter)
    return lambda request: reply if parameter in request.json else None


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
    return lambda request: replace(right(request), drop="mid-body")


def broken_json() -> Fault:
    """A complete 200 whose JSON stops half-way."""

    def fault(request: Request) -> Reply:
        body = right(request).body
        return Reply(200, body[: len(body) // 2])

    return fault


def garbled() -> Fault:
    """The right answer with two bytes before it that are no UTF-8."""
    return lambda request: Reply(200, right(request).body.replace(b'"content": "', b'"content": "\xff\xfe', 1))


def slow(seconds: float) -> Fault:
    """The right answer, later than a client may care to wait."""
    return lambda request: replace(right(request), delay_s=seconds)


def edited(edit: Callable[[dict[str, Any]], object]) -> Fault:
    """The right answer in an envelope changed by `edit`: the root of the five faults below."""

    def fault(request: Request) -> Reply:
        body = json.loads(right(request).body)
        edit(body)
        return json_reply(200, body)

    return fault


def refused() -> Fault:
    """No content; the refusal stands in a field of its own."""
    said = {"content": None, "refusal": "I'm sorry, I can't help with that."}
    return edited(lambda body: body["choices"][0]["message"].update(said))


def reasoning() -> Fault:
    """The right answer, and beside it what the model thought (vLLM, DeepSeek)."""
    return edited(lambda body: body["choices"][0]["message"].update(reasoning_content=THOUGHT))


def tool_call() -> Fault:
    function = {"name": "translate", "arguments": '{"text": "…"}'}
    message = {"role": "assistant", "content": None}
    called = {**message, "tool_calls": [{"id": "call_0", "type": "function", "function": function}]}
    return edited(lambda body: body["choices"][0].update(message=called, finish_reason="tool_calls"))


def no_usage() -> Fault:
    """The right answer without a count of tokens."""
    return edited(lambda body: body.pop("usage"))


def cached(fraction: float) -> Fault:
    """The right answer, for which the provider had this share of the prompt's tokens in its cache."""

    def edit(body: dict[str, Any]) -> None:
        n_cached = int(fraction * body["usage"]["prompt_tokens"])
        body["usage"]["prompt_tokens_details"] = {"cached_tokens": n_cached}

    return edited(edit)


def answered(content: Callable[[Request], str], finish_reason: str | None = "stop") -> Fault:
    """A well-formed 200 that says something else: the root of all faults below."""
    return lambda request: completion(request, content(request), finish_reason)


def cut_off() -> Fault:
    return answered(lambda request: usual_answer(request)[: len(usual_answer(request)) // 2], "length")


def filtered() -> Fault:
    return answered(lambda request: "", "content_filter")


def empty_content() -> Fault:
    return answered(lambda request: "")


def thinking() -> Fault:
    """The right answer after a thought that itself holds a tag of the contract."""
    return answered(lambda request: f"<think>\n{THOUGHT}\n</think>\n\n{usual_answer(request)}")


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
