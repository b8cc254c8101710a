"""OASST message trees → one conversation each: along the best-ranked replies.

Owns what a tree is, flat (one message a row: message_id, parent_id, text, role, rank, lang) or nested (`prompt` with
`replies`). The conversation goes on like any other (records.py).

The record is the tree, not the message: a row for each of its dozens of replies would count the same prompt many
times. Trees in other languages are no records of this source either, as another split is none: they get no
ordinal, and their number is logged once. A deleted message and what hangs on it do not exist. Replies are taken by
`rank` (0 is the best), unranked ones after those, then in file order.

A flat table is held whole (OASST2: 135,000 messages, some 200 MB), because nothing says that a tree's rows stand
together. Nested trees are streamed.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from plugdata.sources.raw import Record

_log = logging.getLogger(__name__)

FLAT = ("message_id", "parent_id", "text", "role")


def from_flat(messages: Iterable[Record], lang: str) -> Iterator[Record]:
    """The conversations of a message table, in the order of their prompts. What is no message comes with a fault."""
    prompts: list[Record] = []
    replies: dict[str, list[dict[str, Any]]] = {}
    for record in messages:
        message = record.value
        if record.fault or not isinstance(message, dict) or not isinstance(message.get("message_id"), str):
            prompts.append(record._replace(fault=record.fault or "no message with a 'message_id'"))
            continue
        slim = {key: message.get(key) for key in (*FLAT, "rank", "lang", "deleted", "license")}
        slim["replies"] = replies.setdefault(message["message_id"], [])
        if parent := slim["parent_id"]:
            replies.setdefault(str(parent), []).append(slim)
        else:
            prompts.append(record._replace(value=slim))
    yield from _conversations(prompts, lang)


def from_nested(trees: Iterable[Record], lang: str) -> Iterator[Record]:
    """The conversations of nested trees. What is no tree comes with a fault."""

    def prompts() -> Iterator[Record]:
        for record in trees:
            prompt = record.value.get("prompt") if isinstance(record.value, dict) else None
            if record.fault or not isinstance(prompt, dict):
                yield record._replace(fault=record.fault or "no message tree in 'prompt'")
            else:
                yield record._replace(value=prompt)

    yield from _conversations(prompts(), lang)


def _conversations(prompts: Iterable[Record], lang: str) -> Iterator[Record]:
    passed_over = 0
    for record in prompts:
        if record.fault or not isinstance(record.value, dict):
            yield record
        elif record.value.get("deleted") or not _speaks(record.value, lang):
            passed_over += 1
        else:
            yield record._replace(value=_conversation(record.value, lang))
    if passed_over:
        _log.info("trees passed over, deleted or not in the pivot: n=%d pivot=%s", passed_over, lang)


def _conversation(prompt: dict[str, Any], lang: str) -> dict[str, Any]:
    messages = []
    seen: set[int] = set()
    node: dict[str, Any] | None = prompt
    while node is not None and id(node) not in seen:  # a doubled message_id can make a ring
        seen.add(id(node))
        messages.append({"role": node.get("role"), "content": node.get("text")})
        node = _best(node.get("replies"), lang)
    return {"messages": messages, "message_id": prompt.get("message_id"), "license": prompt.get("license")}


def _best(replies: object, lang: str) -> dict[str, Any] | None:
    found = [
        reply
        for reply in (replies if isinstance(replies, list) else [])
        if isinstance(reply, dict) and not reply.get("deleted") and _speaks(reply, lang)
    ]
    return min(found, key=_rank, default=None)


def _rank(message: dict[str, Any]) -> float:
    rank = message.get("rank")
    return rank if isinstance(rank, int | float) and rank == rank else float("inf")  # NaN is no rank


def _speaks(message: dict[str, Any], lang: str) -> bool:
    """Whether a message is in a language; one that does not say is taken to be."""
    said = message.get("lang")
    return not isinstance(said, str) or said.partition("-")[0] == lang.partition("-")[0]
