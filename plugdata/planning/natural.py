"""The plan of a corpus of natural text: what its passages will ask, stage by stage.

Passages are there before a call is paid; what is asked about them later hangs on answers that nobody has yet. So the
first stage is planned as the run would ask, and the later ones as if every passage got that far with an instruction of
common length: what a run asks is less, by what the rater drops and by what sampling leaves out (where that is known, as
`diversify.rows`, it is counted).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import polars as pl

from plugdata import stages
from plugdata.asking import TRIES
from plugdata.calls import embeddings, money
from plugdata.calls.estimate import ENOUGH, Estimator, counts
from plugdata.calls.ledger import tables
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, advance, order
from plugdata.corpus import Corpus
from plugdata.planning.loads import MAX_TOKENS_FACTOR, Load
from plugdata.recipe import Recipe
from plugdata.review.plan import Share, Spend
from plugdata.rows import kept
from plugdata.wire import Request, Result, Task

INSTRUCTION = "x" * 105
"""An instruction of X-Instruction's mean length, 97 to 112 characters (METHODS §2)."""
PRIOR_TOKENS = {"generate": 40, "rate": 60}
"""Tokens of an answer until the ledger knows better: an instruction in tags; two sentences and a mark. Of other stages
the answer is a text like the one that was sent."""


class Kind(Protocol):
    """What is asked in a stage: of whom, by which tasks of a language, about which columns of a row."""

    @property
    def stage(self) -> str: ...
    @property
    def pool(self) -> Sequence[Member]: ...
    @property
    def tasks(self) -> Mapping[str, Sequence[Task[Any]]]: ...
    def row(self, row: Mapping[str, Any]) -> dict[str, Any]: ...


class Sum(NamedTuple):
    """What is asked of a member for a language in one stage, in calls and characters."""

    rows: float = 0
    paid: float = 0
    calls: float = 0
    fixed_chars: float = 0  # of the messages before the last one, which calls share
    text_chars: float = 0

    def plus(self, other: "Sum") -> "Sum":
        return Sum(*(a + b for a, b in zip(self, other, strict=True)))


def asked(recipe: Recipe, corpus: Corpus, ledger: Ledger | None) -> tuple[list[Share], list[Load]]:
    """What each model has to do for each language in each stage that asks, and in all. `ledger` None: there is none
    yet."""
    found: list[tuple[Share, Member, Estimator]] = []
    kinds: list[Kind] = [
        *stages.Generation(corpus, recipe).kinds,
        *stages.Rating(corpus, recipe).kinds,
        *stages.NaturalTranslation(corpus, recipe).kinds,
    ]
    again = {"generate": 1 + recipe.generate.repair, "translate": 1 + recipe.translate.repair}
    most = {kind.stage: again.get(kind.stage, TRIES) for kind in kinds}  # calls of a row, if none is right at once
    for lang in recipe.languages:
        n_passages = corpus.scan("passages", lang).filter(kept()).select(pl.len()).collect().item()
        for stage, alike in groupby(kinds, lambda kind: kind.stage):  # with the same pool
            times = recipe.generate.candidates if stage in ("generate", "rate") else 1
            asks = list(alike)
            sums = [Sum()] * len(asks[0].pool)
            for row in _passages(corpus, lang, recipe.generate.candidates):
                for nth, kind in enumerate(asks):
                    at, more = _asked(row, kind, lang, times, ledger if stage == "generate" else None)
                    sums[at] = sums[at].plus(more if nth == 0 else more._replace(rows=0, paid=0))
            left = _sampled(recipe, n_passages) if stage == "translate" else 1.0
            for member, of in zip(asks[0].pool, sums, strict=True):
                taught = Estimator()
                if ledger:
                    taught.learn_from(ledger.read(partial(counts, model=member.served_as, stage=stage)))
                share = _share(lang, stage, member, Sum(*(n * left for n in of)), taught, most[stage])
                found.append((share, member, taught))
        if embedder := stages.embedder(recipe):
            found.append((_embedded(lang, embedder, n_passages), embedder, Estimator()))
    loads: dict[str, Load] = {}
    for share, member, taught in found:
        before = loads.get(member.served_as, Load(member, taught, 0, 0))
        tokens = before.tokens + share.prompt_tokens + share.completion_tokens
        loads[member.served_as] = before._replace(calls=before.calls + share.calls, tokens=tokens)
    return [share for share, _, _ in found], list(loads.values())


def _embedded(lang: str, member: Member, n_texts: int) -> Share:
    """What an endpoint has to do that embeds the instructions of a language; none as if it had them already."""
    tokens = n_texts * len(INSTRUCTION) / embeddings.BYTES_PER_TOKEN

    def cost(factor: float) -> int:
        return money.cost(member.price, round(factor * tokens), 0, 0, batch=False)

    spend = Spend(cost(1), cost(1), cost(MAX_TOKENS_FACTOR))  # never in a batch
    return Share(
        lang=lang,
        model=member.served_as,
        task="diversify",
        rows=n_texts,
        calls=math.ceil(n_texts / embeddings.PER_CALL),
        prompt_tokens=tokens,
        online=spend,
        batch=spend,
    )


def _passages(corpus: Corpus, lang: str, n: int) -> Iterator[dict[str, Any]]:
    """The kept passages, as if each had its instructions."""
    candidate = {"text": INSTRUCTION, "model": "", "reason": None, "detail": None}
    for batch in corpus.batches("passages", lang, ["id", "passage", "status"]):
        for id, passage in batch.filter(kept()).select("id", "passage").iter_rows():
            yield {"id": id, "passage": passage, "candidates": [candidate] * n, "instruction": INSTRUCTION}


def _asked(row: Mapping[str, Any], kind: Kind, lang: str, times: int, ledger: Ledger | None) -> tuple[int, Sum]:
    """The member that a row is asked at, and what it still asks there."""
    places, tasks = order(row["id"], kind.pool), kind.tasks[lang]
    of_task = kind.row(row)
    n_answers = 0
    if ledger:
        answers: list[Any] = []
        if isinstance(advance(of_task, tasks, places, kind.pool, ledger, answers), Result):
            return places[0], Sum(paid=1)
        n_answers = len(answers)
    first = tasks[places[0]](of_task, [])
    if not isinstance(first, Request):
        return places[0], Sum(paid=1)
    n_chars, n_text = tables.request_chars(first.body())
    calls = max(1, times - n_answers)
    return places[0], Sum(1, 0, calls, calls * (n_chars - n_text), calls * n_text)


def _sampled(recipe: Recipe, n_passages: int) -> float:
    """The share of the passages that sampling leaves, at most."""
    if recipe.diversify is None or recipe.diversify.rows is None:
        return 1.0
    return min(1.0, recipe.diversify.rows / max(n_passages, 1))


def _share(lang: str, stage: str, member: Member, asked: Sum, taught: Estimator, most: int) -> Share:
    fixed = taught.prompt_tokens(lang, asked.fixed_chars)
    prompt = fixed + taught.prompt_tokens(lang, asked.text_chars)
    completion = taught.completion_tokens(lang, asked.text_chars)
    if stage in PRIOR_TOKENS and taught.n_learnt(lang) < ENOUGH:
        completion = PRIOR_TOKENS[stage] * asked.calls

    def spend(batch: bool) -> Spend:
        def cost(factor: float, cached: float) -> int:
            tokens = (round(n * factor) for n in (prompt, cached, completion))
            return money.cost(member.price, *tokens, batch=batch)

        return Spend(cost(1, fixed), cost(1, 0), cost(most * MAX_TOKENS_FACTOR, 0))

    return Share(
        lang=lang,
        model=member.served_as,
        task=stage,
        rows=round(asked.rows),
        paid=round(asked.paid),
        calls=asked.calls,
        prompt_tokens=prompt,
        completion_tokens=completion,
        online=spend(batch=False),
        batch=spend(batch=True),
        n_learnt=taught.n_learnt(lang),
    )
