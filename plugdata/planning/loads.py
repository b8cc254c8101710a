"""How long it takes to ask what there is to ask, by the limits of those that are asked."""

from collections.abc import Sequence
from typing import NamedTuple

from plugdata.calls.estimate import Estimator
from plugdata.calls.pool import Member

MAX_TOKENS_FACTOR = 2.0
"""Of the most that a plan may cost. Estimates that rest on priors are right in their order only (calls/estimate.py)."""


class Load(NamedTuple):
    """What a member of the pool has to do; `estimator` knows how long a call takes."""

    member: Member
    estimator: Estimator
    calls: float
    tokens: float


def hours(loads: Sequence[Load]) -> tuple[float | None, str]:
    """Hours of the slowest member under its limits, and which limit decides; None where nobody knows."""
    found: list[tuple[float, str]] = []
    for load in loads:
        limits, call_s = load.member.model.limits, load.estimator.seconds()
        bounds = {
            "rpm": load.calls / limits.rpm / 60 if limits.rpm else None,
            "tpm": load.tokens / limits.tpm / 60 if limits.tpm else None,
            "rpd": load.calls / limits.rpd * 24 if limits.rpd else None,
            "concurrency": load.calls * call_s / limits.concurrency / 3600 if call_s else None,
        }
        found += [(hours, name) for name, hours in bounds.items() if hours is not None]
    return max(found, default=(None, ""))
