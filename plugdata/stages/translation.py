"""The translate stage: its tasks, and the rows that answers make."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import assets, languages, rows, sources
from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replays
from plugdata.checks import lid
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.recipe import Existing, Recipe
from plugdata.stages.models import pool
from plugdata.stages.step import Ask, Say, Step
from plugdata.translate import given as given_rows
from plugdata.translate import glossary, verify
from plugdata.translate import stage as translation
from plugdata.translate.ask import NOTES
from plugdata.translate.attempt import Outcome
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import PROTOCOLS, SEGMENTS
from plugdata.translate.route.asking import PROMPT as ROUTE_PROMPT
from plugdata.translate.task import Translator, translator


class Translation:
    """The translate stage of a recipe: its tasks, the jobs for calls/, and the rows that the ledger's answers make."""

    def __init__(self, corpus: Corpus, recipe: Recipe, say: Say = lambda line: None) -> None:
        self.pool = pool(recipe) if recipe.asked else ()
        self._corpus = corpus
        self._prompt = PROTOCOLS[recipe.translate.protocol].system
        self.identifier = identifier(say)
        self._glossaries = {lang: glossary_of(recipe, lang) for lang in recipe.asked}
        self._again = {
            lang: [chosen(again.rows, lang) for again in recipe.translate.again if again.model] for lang in recipe.asked
        }
        self._tasks = {lang: self._task(recipe, lang) for lang in recipe.asked}
        self._settings = settings_of(recipe, self.pool)
        self._is_judged = recipe.translate.check_language

    def _task(self, recipe: Recipe, lang: str) -> list[Translator]:
        """The task of a language, for each member of the pool."""
        return [
            translator(
                languages.get(recipe.read_lang),
                languages.get(lang),
                recipe.translate,
                member.model.params,
                route=recipe.screen.route,
                model=self.identifier if recipe.translate.check_language else None,
                glossary=self._glossaries[lang],
                again=self._again[lang],
            )
            for member in self.pool
        ]

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterator[Ask]:
        """All in one: a row's texts share its calls."""
        if self._is_judged:
            self.identifier()  # what is missing is told before a call is paid
        n_rows = self._corpus.scan("screen").filter(rows.kept()).select(pl.len()).collect().item()
        yield Ask(lambda: self.jobs(langs), self.pool, n_rows * len(langs))

    def jobs(self, langs: Iterable[str]) -> Iterator[Job]:
        """Every kept row with its tasks, language by language."""
        for lang in langs:
            for batch in self._corpus.batches("screen"):
                for row in batch.filter(rows.kept()).iter_rows(named=True):
                    yield row, self._tasks[lang]

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def outcomes(kept: pl.DataFrame) -> Iterator[tuple[Outcome, str | None, int]]:
            assert ledger is not None
            tasks = self._tasks[lang]
            reads = [task.read for task in tasks]
            for came_to, by in replays(kept.iter_rows(named=True), tasks, self.pool, ledger, reads):
                value = translation.missing(came_to.error) if isinstance(came_to, Missing) else came_to.value
                yield value, by[-1] if by else None, len(by)

        def laid() -> Iterator[pl.DataFrame]:
            for batch in self._corpus.batches("screen"):
                kept = batch.filter(rows.kept()).select("id", *SEGMENTS, "task_class", "policy")
                yield translation.apply(batch, lang, self._prompt, outcomes(kept))

        settings = {
            **self._settings,
            "glossary": self._glossaries[lang].terms,
            "chosen": [sorted(ids) for ids in self._again[lang]],
        }
        return Step("translate", lang, ("screen",), settings, translation.VERSION, rows.TRANSLATE, laid)


def given(corpus: Corpus, recipe: Recipe, say: Say) -> list[Step]:
    """The rows of the languages whose translations one already has."""
    judged_by = identifier(say) if recipe.translate.check_language else None

    def step(existing: Existing) -> Step:
        asked = verify.Asked(
            languages.get(recipe.read_lang),
            languages.get(existing.lang),
            judged_by,
            glossary_of(recipe, existing.lang),
            frozenset(),
        )

        def laid() -> Iterator[pl.DataFrame]:
            beside = sources.existing.beside(
                existing,
                recipe.sources,
                lambda: corpus.batches("screen"),
                corpus.spill,
                limit=recipe.limit,
                responses=recipe.translate.fields == "all",
                say=say,
            )
            for batch in beside:
                kept = batch.filter(rows.kept()).iter_rows(named=True)
                judged = (given_rows.outcome(row, asked, recipe.translate, checked=existing.checked) for row in kept)
                outcomes = ((outcome, existing.made_by, 0) for outcome in judged)
                yield translation.apply(batch.drop(sources.existing.COLUMNS), existing.lang, None, outcomes)

        settings = [
            existing.model_dump(exclude={"path"}),
            sources.digest(sources.existing.source_of(existing, recipe.sources), Path()),
            recipe.translate.check_language,
            recipe.translate.mask,
            asked.glossary.terms,
        ]
        return Step("translate", existing.lang, ("screen",), settings, translation.VERSION, rows.TRANSLATE, laid)

    return [step(existing) for existing in recipe.translations]


def identifier(say: Say) -> Callable[[], lid.Model]:
    """What identifies languages, fetched when it is first needed."""
    return cache(lambda: lid.load(assets.fetch(assets.LID176, say=say)))


def settings_of(recipe: Recipe, members: Iterable[Member]) -> dict[str, Any]:
    """What the rows of every language depend on."""
    settings = recipe.translate
    protocol = PROTOCOLS[settings.protocol]
    return {
        "asked": settings.model_dump(mode="json", exclude={"retries", "mode", "glossary", "again"}),
        "again": [again.model_dump(mode="json", exclude={"model", "rows"}) for again in settings.again],
        "models": [[member.served_as, member.model.params, member.model.weight, member.tier] for member in members],
        "prompts": [protocol.system, protocol.repair, *NOTES.values()],
        "route": [recipe.screen.route.model_dump(), ROUTE_PROMPT] if recipe.screen.route.by == "llm" else None,
    }


def glossary_of(recipe: Recipe, lang: str) -> Glossary:
    path = recipe.translate.glossary
    return glossary.load(path, lang) if path else Glossary()


def chosen(path: Path | None, lang: str) -> frozenset[str]:
    """The ids of a language in a file of `LANG ID` lines. Raises InputError if it cannot be read."""
    if path is None:
        return frozenset()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "`translate.again` of the recipe names it") from None
    return frozenset(line.partition(" ")[2] for line in lines if line.partition(" ")[0] == lang)
