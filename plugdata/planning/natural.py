"""The plan of a corpus of natural text: what its passages will ask, stage by stage.

Passages are there before a call is paid; what is asked about them later hangs on answers. Where the ledger has these,
a passage is followed as far as they lead: its own instructions, its marks, its edit. From there on it is planned as if
its instruction were of common length and every mark a good one: what a run asks is less, by what the rater drops and by
what sampling leaves out (where that is known, as `diversify.rows`, it is counted).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, product, repeat
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
from plugdata.xinstruct.edit import lay_edits
from plugdata.xinstruct.generate import Candidate, Generated, lay_candidates
from plugdata.xinstruct.rate import Rated, lay_ratings

INSTRUCTION = "x" * 105
"""An instruction of X-Instruction's mean length, 97 to 112 characters (arXiv 2405.19744)."""
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
    asking = [*stages.Generation(corpus, recipe).kinds, *stages.Rating(corpus, recipe).kinds]
    kinds: list[Kind] = [*asking, *stages.NaturalTranslation(corpus, recipe).kinds]
    pools = {kind.stage: kind.pool for kind in kinds}
    again = {"generate": 1 + recipe.generate.repair, "translate": 1 + recipe.translate.repair}
    most = {kind.stage: again.get(kind.stage, TRIES) for kind in kinds}  # calls of a row, if none is right at once
    for lang in recipe.languages:
        n_passages = corpus.scan("passages", lang).filter(kept()).select(pl.len()).collect().item()
        sums = {kind.stage: [Sum()] * len(kind.pool) for kind in kinds}  # those of a stage have the same pool
        for batch in corpus.batches("passages", lang):
            asked_about = _followed(batch, {kind.stage: kind for kind in asking}, recipe, lang, ledger)
            for stage, alike in groupby(kinds, lambda kind: kind.stage):
                for row, (nth, kind) in product(asked_about[stage], enumerate(alike)):
                    at, more = _asked(row, kind, lang, _times(stage, row, recipe), ledger)
                    sums[stage][at] = sums[stage][at].plus(more if nth == 0 else more._replace(rows=0, paid=0))
        for stage, of_members in sums.items():
            left = _sampled(recipe, of_members) if stage == "translate" else 1.0
            for member, of in zip(pools[stage], of_members, strict=True):
                taught = Estimator()
                if ledger:
                    taught.learn_from(ledger.read(partial(counts, model=member.served_as, stage=stage)))
                asks = Sum(*(n * left for n in of))._replace(paid=of.paid)
                share = _share(lang, stage, member, asks, taught, most[stage])
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


def _followed(
    passages: pl.DataFrame, kinds: Mapping[str, stages.Kind], recipe: Recipe, lang: str, ledger: Ledger | None
) -> dict[str, list[dict[str, Any]]]:
    """The rows that each stage asks about, as far as answers lead, and from there on as if the best came of it."""

    def outcomes(stage: str, batch: pl.DataFrame) -> Iterator[tuple[Any, Sequence[str]]]:
        kind = kinds.get(stage)
        if kind and ledger:
            yield from kind.outcomes(batch, lang, ledger, lambda told: None)
        else:
            yield from repeat((None, ()), batch.select(kept().sum()).item())

    nobody = [""]
    made = Generated(recipe.generate.candidates * (Candidate(INSTRUCTION, None, None, 0),))
    generated = lay_candidates(passages, ((came or made, by or nobody) for came, by in outcomes("generate", passages)))
    rated = lay_ratings(generated, None)
    if recipe.rate:
        best = (
            Rated(tuple(None if of["reason"] else recipe.rate.levels for of in candidates))
            for candidates in generated.filter(kept())["candidates"]
        )
        marks = zip(outcomes("rate", generated), best, strict=True)
        rated = lay_ratings(generated, recipe.rate, ((came or good, by or nobody) for (came, by), good in marks))
    edited = lay_edits(rated, (came for came, _ in outcomes("edit", rated)))
    frames = {
        "generate": passages,
        "rate": generated,
        "edit": rated,
        "translate": edited.with_columns(passage=pl.coalesce("edited", "passage")),
    }
    return {stage: frame.filter(kept()).to_dicts() for stage, frame in frames.items()}


def _times(stage: str, row: Mapping[str, Any], recipe: Recipe) -> int:
    """How many questions a stage has about a row, if each is answered at once."""
    if stage == "rate":
        return sum(candidate["reason"] is None for candidate in row["candidates"])
    return recipe.generate.candidates if stage == "generate" else 1


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


def _sampled(recipe: Recipe, asked: Sequence[Sum]) -> float:
    """The share that sampling leaves, at most, of the rows to be asked about; what is paid was left by it."""
    if recipe.diversify is None or recipe.diversify.rows is None:
        return 1.0
    wanted = recipe.diversify.rows - sum(of.paid for of in asked)
    return min(1.0, max(0.0, wanted / max(sum(of.rows for of in asked), 1)))


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
