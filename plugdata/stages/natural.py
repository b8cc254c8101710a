"""The translate stage of kind x-instruction: rows of contract TRANSLATE from those that `diversify` kept.

An instruction in the pivot and a passage in the target are a pair already (layout x-instruct). What other layouts need
beyond that is translated: the instruction into the target, the passage into the pivot. So the passage is translated
for a pivot that the model is to think in, and never the other way round: what the reader gets is natural text.
From here on a corpus of this kind is like any other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from plugdata import languages, pair, rows
from plugdata.calls.dispatch import Job
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member, Missing, replays
from plugdata.corpus import Corpus, stage_key
from plugdata.recipe import Recipe
from plugdata.stages.models import pool
from plugdata.stages.step import Ask, Say, Step
from plugdata.stages.translation import glossary_of, identifier, settings_of
from plugdata.translate import stage as translation
from plugdata.translate.attempt import Outcome
from plugdata.translate.protocols import PROTOCOLS
from plugdata.translate.task import translator
from plugdata.wire import Task

VERSION = 1
"""Raised when the same answers would give other rows."""


STAGE = "translate"


class Half(NamedTuple):
    """A text that is translated: its column in the rows, the field that the task knows it by, and its tasks for each
    language and member of the pool."""

    column: str
    field: str
    pool: Sequence[Member]
    tasks: Mapping[str, Sequence[Task[Outcome]]]
    stage: str = STAGE

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the task is asked about: one text, the others empty."""
        return {"id": row["id"], "instruction": "", "input": "", "response": "", self.field: row[self.column]}


def _needed(recipe: Recipe) -> Iterator[tuple[str, str, bool]]:
    """What the recipe's layouts need beside the pivot's instruction and the target's response: column, field, and
    whether it is translated into the pivot."""
    layouts = [pair.LAYOUTS[name] for name in recipe.layouts]
    needed = {field for layout in layouts for field in (layout.user, *(part.field for part in layout.parts))}
    if "instruction" in needed:
        yield "instruction", "instruction", False
    if "pivot_response" in needed:
        yield "passage", "response", True


class NaturalTranslation:
    """The translate stage of a recipe of kind x-instruction: its tasks, their jobs, and the rows."""

    def __init__(self, corpus: Corpus, recipe: Recipe, say: Say = lambda line: None) -> None:
        self.identifier = identifier(say)
        self._corpus, self._recipe = corpus, recipe
        needed = list(_needed(recipe))
        self.pool = pool(recipe) if needed else ()
        self.kinds = tuple(
            Half(column, field, self.pool, {lang: self._tasks(lang, into_pivot) for lang in recipe.languages})
            for column, field, into_pivot in needed
        )

    def _tasks(self, lang: str, into_pivot: bool) -> list[Task[Outcome]]:
        recipe = self._recipe
        pivot, language = languages.get(recipe.pivot), languages.get(lang)
        source, target = (language, pivot) if into_pivot else (pivot, language)
        return [
            translator(
                source,
                target,
                recipe.translate,
                member.model.params,
                model=self.identifier if recipe.translate.check_language else None,
                glossary=None if into_pivot else glossary_of(recipe, target.code),  # it says what target terms are
            )
            for member in self.pool
        ]

    def rounds(self, langs: Sequence[str], ledger: Ledger) -> Iterable[Ask]:
        """All in one: the halves of a row do not wait for each other."""
        if self.kinds and self._recipe.translate.check_language:
            self.identifier()  # what is missing is told before a call is paid
        total = sum(1 for _ in self._jobs(langs))
        return [Ask(lambda: self._jobs(langs), self.pool, total)]

    def _jobs(self, langs: Iterable[str]) -> Iterator[Job]:
        """Every text to translate with its tasks, language by language."""
        for lang in langs:
            for batch in self._corpus.batches("diversify", lang):
                asked = _asked(batch)
                for half in self.kinds:
                    for row in asked.iter_rows(named=True):
                        yield half.row(row), half.tasks[lang]

    def step(self, lang: str, ledger: Ledger | None = None) -> Step:
        """The rows of a language, from the answers in a ledger; without one, only good to ask whether it is fresh."""

        def laid() -> Iterator[pl.DataFrame]:
            for batch in self._corpus.batches("diversify", lang):
                asked = _asked(batch)
                found = [self._outcomes(asked, lang, half, ledger) for half in self.kinds]
                together = [_together(self.kinds, outcomes) for outcomes in zip(*found, strict=True)]
                outcomes = together or [(Outcome({}), None, 0)] * asked.height
                yield _finished(translation.apply(_screened(batch), lang, self._prompt, outcomes), batch)

        recipe = self._recipe
        settings = {
            "halves": [half.field for half in self.kinds],
            **(settings_of(recipe, self.pool) if self.kinds else {}),
            "glossary": glossary_of(recipe, lang).terms if self.kinds else {},
        }
        inputs = (stage_key("diversify", lang),)
        return Step(STAGE, lang, inputs, settings, [translation.VERSION, VERSION], rows.TRANSLATE, laid)

    @property
    def _prompt(self) -> str:
        return PROTOCOLS[self._recipe.translate.protocol].system

    def _outcomes(
        self, asked: pl.DataFrame, lang: str, half: Half, ledger: Ledger | None
    ) -> list[tuple[Outcome, Sequence[str]]]:
        assert ledger is not None
        replayed = replays(map(half.row, asked.iter_rows(named=True)), half.tasks[lang], self.pool, ledger)
        return [
            (translation.missing(came_to.error) if isinstance(came_to, Missing) else came_to.value, by)
            for came_to, by in replayed
        ]


def _asked(batch: pl.DataFrame) -> pl.DataFrame:
    return batch.filter(rows.kept()).select("id", "instruction", passage=pl.coalesce("edited", "passage"))


def _together(
    halves: Sequence[Half], outcomes: Sequence[tuple[Outcome, Sequence[str]]]
) -> tuple[Outcome, str | None, int]:
    """What the translations of a row's halves come to: the first fault of either is the row's."""
    texts: dict[str, str] = {}
    mended: list[rows.Reason] = []
    fault: Outcome | None = None
    for half, (outcome, _) in zip(halves, outcomes, strict=True):
        texts[half.field] = outcome.texts.get(half.field, "")
        mended += outcome.mended
        fault = fault or (outcome if outcome.reason else None)
    by = [model for _, models in outcomes for model in models]
    reasons = fault.reasons if fault else ()
    told = Outcome(texts, reasons, fault.detail if fault else None, mended=tuple(mended))
    return told, by[-1] if by else None, len(by)


def _screened(batch: pl.DataFrame) -> pl.DataFrame:
    """The rows as `screen` has those of kind plug. `source_id` is the URL, where there is one."""
    return batch.with_columns(
        source_id=pl.coalesce("url", "source_id"),
        instruction=pl.col("instruction").fill_null(""),
        input=pl.lit(""),
        response=pl.lit(""),
        system=pl.lit(None, pl.String),
        n_turns=pl.lit(1, pl.Int32),
        task_class=pl.lit(None, pl.String),
        policy=pl.lit(None, pl.String),
    ).select(*rows.SCREEN)


def _finished(translated: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """The translated texts where they belong: the passage is the target's response, its translation the pivot's."""
    return translated.with_columns(
        response=pl.col("target_response").fill_null(""),
        target_response=pl.coalesce(batch["edited"], batch["passage"]),
        model=pl.coalesce(translated["model"], batch["generator"]),
    )
