"""What an answer's headers say of its endpoint's rate limits, in one form for every provider's style.

    OpenAI, Groq, Azure       x-ratelimit-{limit,remaining,reset}-{requests,tokens}; resets as Go durations; per minute,
                              save where the reset is further off than that (Groq's requests, OpenAI's free tier)
    Anthropic                 anthropic-ratelimit-{requests,tokens,…}-{limit,remaining,reset}; RFC 3339; per minute
    Mistral                   x-ratelimit-limit-{req,tokens}-minute, and x-ratelimitbysize-limit-minute before that
    Cerebras                  x-ratelimit-{limit,remaining,reset}-{requests,tokens}-{minute,hour,day}
    OpenRouter, IETF drafts   [x-]ratelimit-{limit,remaining,reset}: of a window they do not name, unless by `;w=`
    all                       retry-after (seconds or HTTP date), retry-after-ms

Garbage reads as None; no number that comes out is negative, infinite or NaN. Knows nothing of what is done about it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MINUTE_S = 60.0
LONG_S = 61.0
"""A reset further off than this is no minute's, with a second for resets that are rounded up (Anthropic's)."""
MAX_S = 31 * 86_400.0
"""No limit of calls is longer than a month: what says so is garbage."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of one thing (requests or tokens) may still be had. `reset_s`: until it is full, or starts anew.

    `window_s` is the window of `limit` where that is known.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    window_s: float | None = None


UNSAID = Budget()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one answer's headers say. NOTHING, the same object each time, where they say nothing."""

    requests: Budget = UNSAID
    tokens: Budget = UNSAID
    retry_after_s: float | None = None


NOTHING = Seen()

_REQUESTS, _TOKENS = "requests", "tokens"
_FIELDS = ("limit", "remaining", "reset")
_WINDOWS = {"minute": MINUTE_S, "hour": 3600.0, "day": 86_400.0}


def _names() -> dict[str, tuple[str, str, float | None, str]]:
    """Header name → (family, what it counts, window or None, field)."""
    names: dict[str, tuple[str, str, float | None, str]] = {}
    for field in _FIELDS:
        names[f"ratelimit-{field}"] = ("ietf", _REQUESTS, None, field)
        names[f"x-ratelimit-{field}"] = ("x", _REQUESTS, None, field)
        for counted in (_REQUESTS, _TOKENS):
            names[f"x-ratelimit-{field}-{counted}"] = ("openai", counted, MINUTE_S, field)
            names[f"anthropic-ratelimit-{counted}-{field}"] = ("anthropic", counted, MINUTE_S, field)
        for side in ("input", "output"):  # each a part of what we count: of use near its end only, so no window
            names[f"anthropic-ratelimit-{side}-tokens-{field}"] = (side, _TOKENS, None, field)
        for word, window in _WINDOWS.items():
            for told, counted in ((_REQUESTS, _REQUESTS), ("req", _REQUESTS), (_TOKENS, _TOKENS)):
                names[f"x-ratelimit-{field}-{told}-{word}"] = (word, counted, window, field)
            names[f"x-ratelimitbysize-{field}-{word}"] = (f"bysize-{word}", _TOKENS, window, field)
    return names


_NAMES = _names()
_RETRY = frozenset({"retry-after", "retry-after-ms"})


def read(headers: Mapping[str, str], now_utc: float) -> Seen:
    """What the headers say of limits. `now_utc` (s since 1970) turns points in time into waits."""
    found: dict[tuple[str, str, float | None], dict[str, str]] = {}
    retry: dict[str, str] = {}
    for name, value in headers.items():
        low = name.lower()
        if (known := _NAMES.get(low)) is not None:
            found.setdefault(known[:3], {})[known[3]] = value
        elif low in _RETRY:
            retry[low] = value
    if not found and not retry:
        return NOTHING
    budgets: dict[str, Budget] = {}
    for (_, counted, window), fields in found.items():
        budget = _budget(fields, window, now_utc)
        budgets[counted] = _scarcer(budgets.get(counted, UNSAID), budget)
    return Seen(budgets.get(_REQUESTS, UNSAID), budgets.get(_TOKENS, UNSAID), _retry_after_s(retry, now_utc))


def _budget(fields: Mapping[str, str], window: float | None, now_utc: float) -> Budget:
    limit, remaining = (_number(fields.get(field, "")) for field in ("limit", "remaining"))
    reset = _wait_s(fields.get("reset", ""), now_utc)
    if window is None and (said := _WINDOW.search(fields.get("limit", ""))):
        window = float(said[1]) or None
    if window == MINUTE_S and reset is not None and reset > LONG_S:
        window = None
    return Budget(None if limit is None else int(limit), None if remaining is None else int(remaining), reset, window)


def _scarcer(a: Budget, b: Budget) -> Budget:
    """Of two limits on one thing, the one of which less is left, since it binds first."""
    if a.remaining is None or b.remaining is None:
        return b if a.remaining is None and (a.limit is None or b.remaining is not None) else a
    return b if b.remaining < a.remaining else a


def _retry_after_s(said: Mapping[str, str], now_utc: float) -> float | None:
    if (ms := _number(said.get("retry-after-ms", ""))) is not None and ms / 1000 <= MAX_S:
        return ms / 1000
    return _wait_s(said.get("retry-after", ""), now_utc)


def _number(text: str) -> float | None:
    """The number a value starts with; a list ("100, 100;w=60") or a parameter may follow."""
    found = _FIRST.match(text)
    return float(found[1]) if found else None


_UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_DURATION = re.compile(f"(?:{_PART.pattern}){{1,7}}", re.ASCII)
_FIRST = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(?:[,;]|$)", re.ASCII)
_WINDOW = re.compile(r";\s*w=(\d{1,6})\b", re.ASCII)
EPOCH_S, EPOCH_MS = 1e8, 1e11
"""From these sizes a number is a point in time: as seconds 1973, as milliseconds too; a wait would be three years."""


def _wait_s(text: str, now_utc: float) -> float | None:
    """Seconds from now: of a number, a Go duration or a point in time (epoch, RFC 3339, HTTP date). Past is 0."""
    text = text.strip()
    seconds: float | None
    if (number := _number(text)) is not None:
        seconds = number
        if number >= EPOCH_S:
            seconds = max(0.0, (number / 1000 if number >= EPOCH_MS else number) - now_utc)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(n) * _UNITS_S[unit] for n, unit in _PART.findall(text))
    else:
        moment = _moment(text)
        seconds = None if moment is None else max(0.0, moment - now_utc)
    return seconds if seconds is not None and seconds <= MAX_S else None


def _moment(text: str) -> float | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None
