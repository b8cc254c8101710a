"""One run of a corpus: which stages are stale, and bringing them up.

A stage's digest covers the content of its inputs, its settings and its VERSION. An equal digest means an equal
output, so the stage is passed over; a changed recipe reruns just what it changed, and a translate stage that reruns
finds its answers in the ledger.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from plugdata import licenses, stages
from plugdata.calls import client
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import Job, dispatch, dispatch_batches
from plugdata.calls.ledger.store import Ledger
from plugdata.calls.pool import Member
from plugdata.corpus import Corpus, Manifest, Progress, SourceRecord, StageRecord, Workers, logged, stage_key
from plugdata.errors import InputError, PartialError
from plugdata.hashing import tagged_hash
from plugdata.recipe import Recipe
from plugdata.rows import Status, kept
from plugdata.stages import Step

PROGRESS_EVERY_S = 0.5
"""How often progress.json is rewritten: about as often as a person sees a number change."""


@dataclass(frozen=True)
class Watch:
    """Who is told: `say` gets a line now and then, `show` the progress of the stage at work."""

    say: Callable[[str], None] = lambda line: None
    show: Callable[[Progress], None] = lambda progress: None


SILENT = Watch()


@contextmanager
def noted(corpus: Corpus, watch: Watch) -> Iterator[Watch]:
    """A watch whose news also stands in the run's log file."""
    with logged(corpus, datetime.now(UTC)) as note:

        def say(line: str) -> None:
            note(line)
            watch.say(line)

        yield Watch(say, watch.show)


class Conductor:
    """One run: the corpus, the recipe, and the manifest as it grows.

    A Hub data set without a revision is read, and published, at the commit that was current when the corpus was
    begun, so that what its owner changes later neither exchanges rows nor blocks a resume.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, watch: Watch, *, send: bool = False) -> None:
        self.corpus = corpus
        self.send = send
        self.watch = watch
        self.manifest = corpus.manifest() or Manifest(pivot=recipe.pivot, sources=())
        self.recipe = _pinned(recipe, self.manifest.sources)
        if self.manifest.pivot != recipe.pivot:
            raise InputError(
                f"{corpus.path} is bound to the pivot {self.manifest.pivot!r}, the recipe says {recipe.pivot!r}",
                "name another corpus",
            )

    def bind(self) -> None:
        """Bind the corpus to its sources, or see that it is still made from those it was begun with.

        As long as no stage is finished (its file could not be read, say) it may be bound to others.
        """
        bound = self.manifest.sources if self.manifest.stages else ()
        records = stages.source_records(self.recipe)
        if bound and [record.digest for record in records] != [record.digest for record in bound]:
            names = " + ".join(record.name for record in bound)
            raise InputError(
                f"{self.corpus.path} is bound to other sources: it was made from {names}, and their content differs",
                "name another corpus, or bring the old sources back",
            )
        self.manifest = self.manifest.model_copy(update={"sources": records})
        self.recipe = _pinned(self.recipe, records)

    def check_license(self) -> None:
        """Raise GateError, before a call is paid, if the kept rows could not be published under one licence."""
        found = {
            origin
            for batch in self.corpus.batches("screen")
            for origin in batch.filter(kept()).select("source", "license").unique().iter_rows()
        }
        licenses.declared(self.recipe.publish.license, found, self.recipe.publish.split_by_license)

    def check_access(self) -> None:
        """See that there are models, keys and prices before work is done; not where nothing may be left to ask.

        And that what the filters need is there: rows would wait for it that are paid for."""
        recipe = self.recipe
        stages.check_filters(recipe)
        if any(key.startswith("translate/") for key in self.manifest.stages):
            return
        estimates = (recipe.quality.back_translation, recipe.quality.judge)
        wanted = [by.model for by in (*recipe.translate.again, *estimates) if by and by.model]
        for model in (*(recipe.models if recipe.asked else ()), *wanted):
            client.key(model)
        if recipe.asked:
            stages.pool(recipe)
        stages.Estimates(self.corpus, recipe)

    def n_kept(self) -> int:
        """Rows kept in all languages, by the last row stage."""
        return sum(
            self.manifest.stages[stage_key(self.recipe.last_stage, lang)].counts.kept for lang in self.recipe.languages
        )

    def raise_if_failed(self) -> None:
        """Raise PartialError if calls of some rows failed."""
        failed = {
            lang: n
            for lang in self.recipe.translated
            if (n := self.manifest.stages[stage_key("translate", lang)].counts.taken(Status.FAILED))
        }
        if failed:
            told = ", ".join(f"{n} in {lang}" for lang, n in failed.items())
            raise PartialError(f"rows whose calls failed: {told}", "the same command again asks for these alone")

    def bring_up(self, stage: str) -> None:
        """Write a stage, for every language where it has one, unless it is fresh."""
        corpus, recipe = self.corpus, self.recipe
        match stage:
            case "source":
                steps = stages.source(corpus, recipe, self.manifest.sources)
            case "screen":
                with Workers() as workers:
                    return self._renew(stages.screen(corpus, recipe, workers.map))
            case "translate":
                return self._translate()
            case "pair":
                steps = stages.pairs(corpus, recipe)
            case "measure":
                with Workers() as workers:
                    return self._renew(stages.measure(corpus, recipe, self.watch.say, workers.map))
            case "filter":
                steps = stages.filtered(corpus, recipe)
            case "dedup":
                steps = stages.deduplicated(corpus, recipe)
            case "quality":
                return self._estimate()
            case _:
                return self._publish()
        self._renew(steps)

    def _translate(self) -> None:
        recipe, say = self.recipe, self.watch.say
        self._renew(stages.given(self.corpus, recipe, say))
        if not recipe.asked:
            return
        translation = stages.Translation(self.corpus, recipe, say)
        stale = [lang for lang in recipe.asked if not self._is_fresh(translation.step(lang), retry_failed=True)]
        if not stale:
            return
        with Ledger(stages.ledger_path(self.corpus, recipe)) as ledger:
            if self.send:
                if recipe.translate.check_language:
                    translation.identifier()  # what is missing is told before a call is paid
                total = self.manifest.stages["screen"].counts.kept * len(stale)
                self._ask("translate", lambda: translation.jobs(stale), translation.pool, ledger, total)
            for lang in stale:
                self._write(translation.step(lang, ledger))

    def _estimate(self) -> None:
        """Bring up the quality stage, or forget it where the recipe asks for no estimate (any more)."""
        corpus, recipe = self.corpus, self.recipe
        if recipe.last_stage != "quality":
            gone = [key for lang in recipe.languages if (key := stage_key("quality", lang)) in self.manifest.stages]
            for key in gone:
                self.manifest = self.manifest.without(key)
                corpus.write_manifest(self.manifest)
            return
        estimates = stages.Estimates(corpus, recipe)
        stale = [lang for lang in recipe.languages if not self._is_fresh(estimates.step(lang))]
        if not stale:
            return
        with Ledger(stages.ledger_path(corpus, recipe)) as ledger:
            for kind in estimates.kinds if self.send else ():
                total = sum(1 for _ in kind.jobs(corpus, stale))
                if total:
                    self._ask("quality", partial(kind.jobs, corpus, stale), kind.pool, ledger, total)
            for lang in stale:
                self._write(estimates.step(lang, ledger), n_failed=partial(estimates.n_failed.__getitem__, lang))
                if n := estimates.n_failed[lang]:
                    told = "estimate" if n == 1 else "estimates"
                    self.watch.say(f"quality/{lang}: {n} {told} failed; the next run asks for these alone")

    def _ask(
        self, stage: str, jobs: Callable[[], Iterable[Job]], pool: Sequence[Member], ledger: Ledger, total: int
    ) -> None:
        """Have all answers to some jobs in the ledger."""
        budget = None if self.recipe.budget is None else round(self.recipe.budget * 1e9)

        def show(progress: Progress) -> None:
            self.watch.show(progress)
            self.corpus.write_progress(progress)

        tell = telling(stage, total, ledger, budget, show)
        tell(Tally())
        retries, say = self.recipe.translate.retries, self.watch.say
        with stages.serving(pool, say) as members:
            if self.recipe.translate.mode == "batch":
                tally = dispatch_batches(jobs, members, ledger, retries, budget, tell, say)
            else:
                tally = dispatch(jobs(), members, ledger, retries, budget, tell, say)
        self.watch.say(f"{stage}: {tally.done} rows, {tally.calls} calls, {tally.retries} retries")

    def _publish(self) -> None:
        built = stages.publish(self.corpus, self.recipe, self.manifest)
        for note in built.notes:
            self.watch.say(f"dist: {note}")
        told = ", ".join(f"{config} {sum(splits.values())}" for config, splits in built.rows.items())
        self.watch.say(f"dist: rows by config: {told}; licence {built.license}")

    def _input(self, key: str) -> StageRecord:
        stage, _, lang = key.partition("/")
        if key in self.manifest.stages and self.corpus.part(stage, lang).is_file():
            return self.manifest.stages[key]
        raise InputError(
            f"{self.corpus.path} lacks the stage {stage}{f' in {lang}' if lang else ''}",
            "it was not finished, or its source grew: bring it up with `plugdata run` or `plugdata translate`",
        )

    def _digest(self, step: Step) -> str:
        return tagged_hash([step.stage, step.version, step.settings, [self._input(key).output for key in step.inputs]])

    def _is_fresh(self, step: Step, *, retry_failed: bool = False) -> bool:
        record = self.manifest.stages.get(step.key)
        if record is None or self.corpus.n_rows(step.stage, step.lang) != record.counts.rows:
            return False
        return record.digest == self._digest(step) and not (retry_failed and record.counts.taken(Status.FAILED))

    def _renew(self, steps: Iterable[Step]) -> None:
        """Write those that are stale."""
        for step in steps:
            if not self._is_fresh(step):
                self._write(step)

    def _write(self, step: Step, *, n_failed: Callable[[], int] = lambda: 0) -> None:
        """Write a stage's rows, then note it. What was made from its old rows is forgotten before they are replaced.

        `n_failed`: once the rows are made, what of them failed without its showing in their status; if anything did,
        the next run makes the stage again.
        """
        digest = self._digest(step)
        census = self._input(step.inputs[0]).census if step.inputs else None
        self.manifest = self.manifest.without(step.key)
        self.corpus.write_manifest(self.manifest)
        written = self.corpus.write(step.stage, step.lang, step.frames(), step.contract, census)
        record = StageRecord(
            inputs=step.inputs, digest="" if n_failed() else digest, fitted=dict(step.fitted()), **written._asdict()
        )
        self.manifest = self.manifest.with_stage(step.key, record)
        self.corpus.write_manifest(self.manifest)
        counts = record.counts
        self.watch.say(f"{step.key}: {counts.rows} rows, {counts.kept} kept, {counts.taken()} taken out")


def telling(
    stage: str, total: int, ledger: Ledger, budget: int | None, show: Callable[[Progress], None]
) -> Callable[[Tally], None]:
    """What hands on how far the calls of a stage are, every PROGRESS_EVERY_S at most. `budget`: 10⁻⁹ USD."""
    started_at, before, told_at = time.time(), ledger.money().spent, 0.0

    def tell(tally: Tally) -> None:
        nonlocal told_at
        now = time.time()
        if tally.done and now - told_at < PROGRESS_EVERY_S and tally.done < total:
            return
        told_at = now
        money = ledger.money()
        show(
            Progress(
                stage=stage,
                total=total,
                started_at=started_at,
                updated_at=now,
                done=tally.done,
                calls=tally.calls,
                in_flight=tally.in_flight,
                faults=dict(tally.faults),
                run_nano_usd=money.spent - before,
                nano_usd=money.spent,
                budget_nano_usd=budget,
            )
        )

    return tell


def _pinned(recipe: Recipe, records: Sequence[SourceRecord]) -> Recipe:
    """The recipe with each Hub source that names no revision at the commit that its record's digest ends with."""
    pinned = list(recipe.sources)
    for at, (source, record) in enumerate(zip(pinned, records, strict=False)):
        if source.id and not source.revision and record.digest.startswith("hub:"):
            pinned[at] = source.model_copy(update={"revision": record.digest.rpartition("@")[2]})
    return recipe.model_copy(update={"sources": tuple(pinned)})
