"""When a fault strikes: wrappers that let it through for some requests only, and a storm of them.

What a fault does is said in faults.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tests.servers.llm.faults import (
    broken_json,
    cut_off,
    dropped,
    empty_content,
    missing_tag,
    rate_limited,
    refusal,
    server_error,
)
from tests.servers.llm.replies import Fault, Request


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


def storm() -> list[Fault]:
    """A bad day at a provider: each fault strikes its share of attempts, together 29 % of them."""
    shares = [
        (0.10, rate_limited(retry_after_s=0.05)),
        (0.05, server_error()),
        (0.03, dropped()),
        (0.03, broken_json()),
        (0.05, cut_off()),
        (0.03, missing_tag()),
        (0.02, empty_content()),
        (0.02, refusal()),
    ]
    return [share(fraction, fault, seed=f"storm {i}") for i, (fraction, fault) in enumerate(shares)]
