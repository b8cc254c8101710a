"""The generate and rate stages of kind x-instruction: what they ask, and the rows that the answers make.

The rate stage asks in two rounds: marks, then, of the rows that these keep, light edits. Without `rate` in the recipe
every row goes on with its first instruction of use, and the stage has its file of rows all the same.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from plugdata import languages, prompts, rows
from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Missing, replays
from plugdata.corpus import Corpus, stage_key
from plugdata.recipe import Edit, Generate, Model, Rate, Recipe
from plugdata.stages.models import pool, pool_of
from plugdata.stages.step import Ask, Say, Step
from plugdata.stages.translation import identifier
from plugdata.wire import Task
from plugdata.xinstruct import edit, generate, rate


class Kind:
    """One kind of question: whom it is asked, and by which tasks. It is asked of kept rows."""

    def __init__(
        self,
        stage: str,
        recipe: Recipe,
        settings: Generate | Rate | Edit,
        model: Model | None,
        prompt: Any,
        columns: Sequence[str],
        task: Callable[..., Task[Any]],
    ) -> None:
        self.stage = stage
        """Under which its calls are noted."""
        everybody = pool(recipe) if model is None else pool_of([model])
        self.pool = tuple(member for member in everybody if not member.tier)
        pivot = languages.get(recipe.pivot)
        self.tasks = {
            lang: [task(pivot=pivot, language=languages.get(lang), params=member.model.params) for member in self.pool]
            for lang in recipe.languages
        }
        self._columns = ("id", *columns)
        members = [[member.served_as, member.model.params, member.model.weight] for member in self.pool]
        self.identity = [settings.model_dump(mode="json", exclude={"model"}), members, prompt]
        """What its answers depend on."""

    def _rows(self, batch: pl.DataFrame) -> Iterator[dict[str, Any]]:
        return batch.filter(rows.kept()).select(self._columns).iter_rows(named=True)

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the task is asked about, of a row with its columns."""
        return {name: row[name] for name in self._columns}

    def jobs(self, batches: Callable[[str], Iterable[pl.DataFrame]], langs: Iterable[str]) -> Iterator[Job]:
        """Every kept row of the batches of each language with its tasks."""
        for lang in langs:
            for batch in batches(lang):
                for row in self._rows(batch):
                    yield row, self.tasks[lang]

    def ask(self, batches: Callable[[str], Iterable[pl.DataFrame]], langs: Sequence[str]) -> Ask:
        jobs = partial(self.jobs, batches, langs)
        return Ask(jobs, self.pool, sum(1 for _ in jobs()))

    def outcomes(
        self, batch: pl.DataFrame, lang: str, ledger: Ledger, missing: Callable[[str], Any]
    ) -> Iterator[tuple[Any, list[str]]]:
        """What the ledger's answers come to, of each kept row of a batch, and who gave them (served_as). `missing` says
        what a row comes to that lacks an answer, by the class and words of its call's latest error."""
        for came_to, by in replays(self._rows(batch), self.tasks[lang], self.pool, ledger):
            if isinstance(came_to, Missing):
                yield missing(": ".join(came_to.error) if came_to.error else "not asked"), by
            else:
                yield came_to.value, by


class Generation:
    """The generate stage of a recipe."""

    def __init__(self, corpus: Corpus, recipe: Recipe, say: Say = lambda line: None) -> None:
        self._corpus = corpus
        self._identifier = identifier(say) if recipe.translate.check_language else None
        prompt = [*generate.templates(recipe.generate.template), prompts.passages(recipe.pivot)]
        generator = partial(generate.generator, settings=recipe.generate, model=self._identifier)
        self._kind = Kind(
            generate.STAGE, recipe, recipe.generate, recipe.generate.model, prompt, ["passage"], generator
        )
        self.kinds = (self._kind,)
        self._settings = [self._kind.identity, recipe.translate.check_language]

    def _batches(self, lang: str) -> Iterable[pl.DataFrame]:
        return self._corpus.batches("passages", lang)

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterator[Ask]:
        """All in one."""
        if self._identifier:
            self._identifier()  # what is missing is told before a call is paid
        yield self._kind.ask(self._batches, langs)

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def laid() -> Iterator[pl.DataFrame]:
            assert ledger is not None
            for batch in self._batches(lang):
                outcomes = self._kind.outcomes(batch, lang, ledger, generate.Generated.missing)
                yield generate.lay_candidates(batch, outcomes)

        inputs = (stage_key("passages", lang),)
        return Step(generate.STAGE, lang, inputs, self._settings, generate.VERSION, rows.GENERATE, laid)


class Rating:
    """The rate stage of a recipe, which edits too."""

    def __init__(self, corpus: Corpus, recipe: Recipe, say: Say = lambda line: None) -> None:
        self._corpus = corpus
        self._settings = recipe.rate
        self._identifier = identifier(say) if recipe.edit and recipe.translate.check_language else None
        self._n_failed: Counter[str] = Counter()  # edits, by language, of rows that were made
        self._rate: Kind | None = None
        self._edit: Kind | None = None
        if recipe.rate:
            prompt = rate.SCALES[recipe.rate.levels].prompt
            rater = partial(rate.rater, settings=recipe.rate)
            self._rate = Kind(
                rate.STAGE, recipe, recipe.rate, recipe.rate.model, prompt, ["passage", "candidates"], rater
            )
        if recipe.edit:
            editor = partial(edit.editor, settings=recipe.edit, model=self._identifier)
            self._edit = Kind(
                edit.STAGE, recipe, recipe.edit, recipe.edit.model, edit.PROMPT, ["passage", "instruction"], editor
            )
        both = (self._rate, self._edit)
        self.kinds = tuple(kind for kind in both if kind)
        self._identity = [*(kind and kind.identity for kind in both), self._identifier is not None]

    def _batches(self, lang: str) -> Iterable[pl.DataFrame]:
        return self._corpus.batches("generate", lang)

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterator[Ask]:
        """Marks first; then the edits of the rows that these keep."""
        if self._identifier:
            self._identifier()  # what is missing is told before a call is paid
        if self._rate:
            yield self._rate.ask(self._batches, langs)
        if self._edit:
            yield self._edit.ask(partial(self._rated, ledger), langs)

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def laid() -> Iterator[pl.DataFrame]:
            assert ledger is not None
            self._n_failed[lang] = 0
            for rated in self._rated(ledger, lang):
                yield self._edited(self._edit, rated, lang, ledger) if self._edit else rated

        return Step(
            rate.STAGE,
            lang,
            (stage_key("generate", lang),),
            self._identity,
            rate.VERSION,
            rows.RATE,
            laid,
            n_failed=lambda: self._n_failed[lang],
        )

    def _rated(self, ledger: Ledger, lang: str) -> Iterator[pl.DataFrame]:
        """rows.RATE without edits."""
        for batch in self._batches(lang):
            marks = self._rate.outcomes(batch, lang, ledger, rate.Rated.missing) if self._rate else ()
            yield rate.lay_ratings(batch, self._settings, marks)

    def _edited(self, kind: Kind, rated: pl.DataFrame, lang: str, ledger: Ledger) -> pl.DataFrame:
        edits = [edited for edited, _ in kind.outcomes(rated, lang, ledger, lambda told: None)]
        self._n_failed[lang] += edits.count(None)
        return edit.lay_edits(rated, edits)
