"""The quality stage: what estimates ask, and the rows that their answers make. Last of the row stages, since it costs
money: only rows that are otherwise kept are asked about."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from plugdata import languages, rows
from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replays
from plugdata.corpus import Corpus, stage_key
from plugdata.recipe import Model, Recipe
from plugdata.recipe.quality import BackTranslation, Judge
from plugdata.stages.models import pool, pool_of
from plugdata.stages.step import Ask, Step
from plugdata.translate import quality
from plugdata.translate.quality.back import PROMPT as BACK_PROMPT
from plugdata.translate.quality.back import back_translator
from plugdata.translate.quality.judge import PROMPT as JUDGE_PROMPT
from plugdata.translate.quality.judge import judge
from plugdata.wire import Task


class Estimate:
    """One kind of estimate: what it asks of whom."""

    def __init__(self, recipe: Recipe, settings: BackTranslation | Judge | None, prompt: str) -> None:
        self.settings = settings
        self.prompt = prompt
        self.pool: tuple[Member, ...] = ()
        self.tasks: dict[str, list[Task[Any]]] = {}
        if settings is not None:
            self.pool = _pool(recipe, settings.model)
            self.tasks = {
                lang: [_task(recipe, settings, lang, member.model.params) for member in self.pool]
                for lang in recipe.languages
            }

    def jobs(self, corpus: Corpus, langs: Iterable[str]) -> Iterator[Job]:
        """Every sampled row with its tasks, language by language."""
        for lang in langs if self.settings else ():
            for batch in corpus.batches("dedup", lang):
                for row in quality.chosen(batch, self.settings).iter_rows(named=True):
                    yield row, self.tasks[lang]

    def outcomes(self, batch: pl.DataFrame, lang: str, ledger: Ledger) -> Iterator[tuple[Any, Sequence[str]]]:
        """What the ledger's answers come to, of each sampled row of a batch; None of one whose call failed."""
        if self.settings is None:
            return
        asked = quality.chosen(batch, self.settings).iter_rows(named=True)
        for came_to, by in replays(asked, self.tasks[lang], self.pool, ledger):
            yield (None, by) if isinstance(came_to, Missing) else (came_to.value, by)

    def identity(self) -> Any:
        """What its measurements depend on."""
        members = [[member.served_as, member.model.params, member.model.weight] for member in self.pool]
        return [self.settings and self.settings.model_dump(mode="json", exclude={"model"}), members, self.prompt]


class Estimates:
    """The quality stage of a recipe."""

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self._corpus = corpus
        self._settings = recipe.quality
        self._n_failed: Counter[str] = Counter()  # by language, of rows that were made
        self._kinds = (
            Estimate(recipe, recipe.quality.back_translation, BACK_PROMPT),
            Estimate(recipe, recipe.quality.judge, JUDGE_PROMPT),
        )

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterator[Ask]:
        """A round for each kind of estimate."""
        for kind in self._kinds:
            jobs = partial(kind.jobs, self._corpus, langs)
            yield Ask(jobs, kind.pool, sum(1 for _ in jobs()))

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def estimated() -> Iterator[pl.DataFrame]:
            assert ledger is not None
            for batch in self._corpus.batches("dedup", lang):
                backs, verdicts = (kind.outcomes(batch, lang, ledger) for kind in self._kinds)
                made = quality.apply(batch, self._settings, backs, verdicts)
                self._n_failed[lang] += made.back_translation.failed + made.judge.failed
                yield made.rows

        settings = [kind.identity() for kind in self._kinds]
        inputs = (stage_key("dedup", lang),)
        return Step(
            quality.STAGE,
            lang,
            inputs,
            settings,
            quality.VERSION,
            rows.QUALITY,
            estimated,
            n_failed=lambda: self._n_failed[lang],
        )


def _pool(recipe: Recipe, model: Model | None) -> tuple[Member, ...]:
    return tuple(member for member in pool(recipe) if not member.tier) if model is None else pool_of([model])


def _task(recipe: Recipe, settings: BackTranslation | Judge, lang: str, params: Mapping[str, Any]) -> Task[Any]:
    pivot, language = languages.get(recipe.pivot), languages.get(lang)
    if isinstance(settings, Judge):
        return judge(pivot, language, settings, params)
    return back_translator(language, pivot, params)
