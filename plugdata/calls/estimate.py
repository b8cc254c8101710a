"""How many tokens and seconds a call will take, learnt per language from the answers had: for pacing and planning.

Never for a request: what a model is sent must not depend on what was learnt, or a rerun would pay again.

Until a language has 20 answers its own mean is mixed with a prior. Priors are rough: a right order of magnitude for
plain prose (within a factor of three), and wrong for code and for models that reason before they answer, which no
prior can foresee. They serve to start a run; a plan that rests on them should say so (`n_learnt`).
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from plugdata import languages

ENOUGH = 20
"""Answers after which a language's prior is dropped: a mean of 20 rates that scatter by 40 % is good to a tenth."""
CHARS_PER_TOKEN = 4.0
"""Of English: OpenAI's rule of thumb. The Universal Declaration of Human Rights, all long words, has 5.3 (Qwen2.5)."""
TOKENS_PER_ENGLISH_TOKEN = {
    "Latin": 1.5,
    "Han": 1.0,
    "Hiragana": 1.3,
    "Hangul": 1.3,
    "Cyrillic": 1.6,
    "Arabic": 1.6,
    "Hebrew": 1.4,
}
"""Tokens of a translation per token of its English source, by script: between two vocabularies. The Declaration in
Qwen2.5's takes Spanish 1.4, Swahili 2.0, Hungarian 2.5, Chinese 0.9, Japanese 1.5, Korean 1.4, Russian 1.7, Arabic 1.3,
Urdu 3.1, Hebrew 1.4; in o200k the languages that OpenAI gives figures for ("Hello GPT-4o") take 1.0 to 1.4."""
OTHER_SCRIPTS = 3.0
"""Qwen2.5's vocabulary takes Thai 2.6, Hindi 5.0, Tamil 7.2, Greek 5.3, Telugu 8.3; o200k Hindi 1.3, Telugu 1.9."""


class Counts(NamedTuple):
    """Sums over the answers of one language. Batch answers are not timed: they wait for hours."""

    lang: str
    n_calls: int
    request_chars: int
    text_chars: int
    prompt_tokens: int
    completion_tokens: int
    n_timed: int = 0
    seconds: float = 0.0


def counts(db: sqlite3.Connection, model: str, stage: str | None = None) -> list[Counts]:
    """What a ledger holds of a model (its `served_as`) by language, in one stage or all; not answers without usage."""
    rows = db.execute(
        "SELECT lang, count(*), sum(request_chars), sum(text_chars), sum(prompt_tokens), sum(completion_tokens),"
        " sum(origin = 'online'), total(seconds) FILTER (WHERE origin = 'online') FROM answers"
        " WHERE prompt_tokens IS NOT NULL AND completion_tokens IS NOT NULL"
        " AND model = ? AND stage = coalesce(?, stage) GROUP BY lang ORDER BY lang",
        (model, stage),
    )
    return [Counts(*row) for row in rows]


class Estimator:
    """Rates of tokens per character, by language. It outlives a call: a run teaches it with every answer."""

    def __init__(self) -> None:
        self._learnt: dict[str, Counts] = {}

    def learn(
        self,
        lang: str,
        request_chars: int,
        text_chars: int,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        n_calls: int = 1,
        seconds: float | None = None,
    ) -> None:
        """Take in one answer, or the sums of many. Characters are those of tables.request_chars."""
        n_timed = 0 if seconds is None else n_calls
        self.learn_from(
            [
                Counts(
                    lang, n_calls, request_chars, text_chars, prompt_tokens, completion_tokens, n_timed, seconds or 0.0
                )
            ]
        )

    def learn_from(self, sums: Iterable[Counts]) -> None:
        for new in sums:
            old = self._learnt.get(new.lang)
            self._learnt[new.lang] = _sum(old, new) if old else new

    def n_learnt(self, lang: str) -> int:
        """Answers taken in for a language."""
        return self._learnt[lang].n_calls if lang in self._learnt else 0

    def prompt_tokens(self, lang: str, request_chars: float) -> float:
        """Tokens of a prompt of so many characters, all messages together."""
        had = self._learnt.get(lang)
        prior = 1 / CHARS_PER_TOKEN
        return request_chars * (_rate(had.prompt_tokens, had.request_chars, had.n_calls, prior) if had else prior)

    def completion_tokens(self, lang: str, text_chars: float) -> float:
        """Tokens of the answer to a last message of so many characters."""
        had = self._learnt.get(lang)
        prior = _factor(lang) / CHARS_PER_TOKEN
        return text_chars * (_rate(had.completion_tokens, had.text_chars, had.n_calls, prior) if had else prior)

    def seconds(self) -> float | None:
        """Mean seconds a call, over all languages, or None before the first."""
        n_timed = sum(had.n_timed for had in self._learnt.values())
        return sum(had.seconds for had in self._learnt.values()) / n_timed if n_timed else None


def _sum(a: Counts, b: Counts) -> Counts:
    return Counts(
        a.lang,
        a.n_calls + b.n_calls,
        a.request_chars + b.request_chars,
        a.text_chars + b.text_chars,
        a.prompt_tokens + b.prompt_tokens,
        a.completion_tokens + b.completion_tokens,
        a.n_timed + b.n_timed,
        a.seconds + b.seconds,
    )


def _rate(tokens: int, chars: int, n_calls: int, prior: float) -> float:
    """Tokens per character: the learnt rate, mixed with the prior by how much was learnt."""
    trust = min(n_calls / ENOUGH, 1.0) if chars else 0.0
    return trust * tokens / max(chars, 1) + (1 - trust) * prior


def _factor(lang: str) -> float:
    """How many tokens stand for one of English; of a language that is not in the table, one of Latin script's."""
    language = languages.table().get(lang)
    scripts = language.scripts if language else ("Latin",)
    return max(TOKENS_PER_ENGLISH_TOKEN.get(script, OTHER_SCRIPTS) for script in scripts)
