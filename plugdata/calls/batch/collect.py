"""A batch that has ended: the lines of its files become answers and errors in the ledger.

An answer is committed before anything looks at it. Nothing is taken on trust: lines come in any order, `custom_id`
says whose they are, unknown and repeated ones are passed over, and a broken line is the error of one item.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from plugdata.calls import faults, pool
from plugdata.calls.batch import notes
from plugdata.calls.batch.notes import Outcome
from plugdata.calls.batch.provider import Provider, Remote
from plugdata.calls.faults import OF_THE_TEXT, CallFault, Fault
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member
from plugdata.wire import Request, read_answer

CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]+)"')
UNDONE = frozenset({"batch_expired", "batch_cancelled"})
"""Codes of requests that the provider did not come to (OpenAI, Batch API guide): these keep being items."""


@dataclass
class Collected:
    """How many items of a batch have an answer or an error by now, and the last error."""

    answered: int = 0
    failed: int = 0
    fault: CallFault | None = None


async def collect(
    provider: Provider, ledger: Ledger, member: Member, batch: str, remote: Remote, n: int, done: Collected
) -> None:
    """Write down what an ended batch says, n lines in one transaction. Items it does not speak of stay.

    `done` grows. Raises CallFault where a file cannot be read; the next collection goes on from there.
    """

    async def each(lines: list[bytes]) -> None:
        read = [outcome for line in lines if (outcome := read_line(line))]
        done.fault = next((said for _, said in reversed(read) if isinstance(said, CallFault)), done.fault)
        outcomes = [
            Outcome(key, None, (said.kind, str(said))) if isinstance(said, CallFault) else Outcome(key, said)
            for key, said in read
        ]
        settled = await ledger.commit(
            lambda db: notes.settle(
                db,
                batch,
                member.served_as,
                outcomes,
                lambda request: pool.bound(member, request, batch=True),
                lambda request, body: cost(member, request, body),
            )
        )
        done.answered += settled.answered
        done.failed += settled.failed

    for file_id in remote.files:
        await provider.read(file_id, each, n)


def read_line(line: bytes) -> tuple[str, str | CallFault] | None:
    """(key, body or fault) that a line of an output or error file tells, or None if it tells of no key."""
    try:
        told = json.loads(line)
        key = told["custom_id"]
        response, error = told.get("response") or {}, told.get("error") or {}
        status, body = response.get("status_code"), response.get("body")
        code, message = error.get("code"), error.get("message")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        found = CUSTOM_ID.search(line)
        return (found[1].decode(), CallFault(Fault.BAD_BODY, "a broken line")) if found else None
    if not isinstance(key, str) or code in UNDONE:
        return None
    if not isinstance(status, int):
        return key, CallFault(Fault.SERVER, f"{code}: {message}"[: faults.WORDS])
    text = _text(body)
    if status != 200:
        fault = faults.of_status(status, text, {})
        return key, faults.text_fault(fault) if fault.kind in OF_THE_TEXT else fault
    try:
        read_answer(text)
    except ValueError as unread:
        return key, CallFault(Fault.BAD_BODY, f"the body is not a chat completion: {unread}")
    return key, text


def cost(member: Member, request: Request, body: str) -> int | None:
    """What an answer cost in a batch (1e-9 USD); nothing for a text that was refused."""
    return 0 if body.startswith('{"plugdata_fault"') else pool.cost(member, request, read_answer(body), batch=True)


def _text(body: Any) -> str:
    """A body as JSON again; with escapes where it holds what cannot be written as UTF-8."""
    text = json.dumps(body, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(body)
    return text
