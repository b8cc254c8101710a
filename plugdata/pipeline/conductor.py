"""One run of a corpus: which stages are stale, and bringing them up.

A stage's digest covers the content of its inputs, its settings and its VERSION. An equal digest means an equal
output, so the stage is passed over; a changed recipe reruns just what it changed, and a translate stage that reruns
finds its answers in the ledger.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from plugdata import licenses, stages
from plugdata.calls import client
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import dispatch, dispatch_batches
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus, Manifest, Progress, SourceRecord, StageRecord, Workers, stage_key
from plugdata.errors import InputError, PartialError
from plugdata.hashing import tagged_hash
from plugdata.pipeline.watching import Watch, telling
from plugdata.recipe import Recipe, Source, Texts
from plugdata.rows import Status, kept
from plugdata.stages import Step

PAID = ("generate", "rate", "translate")
"""The stages that make rows of answers. (Those of `quality` only measure rows.)"""


S = TypeVar("S", Source, Texts)


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

        As long as nothing was asked or paired (a file was the wrong one, say) it may be bound to others.
        """
        bound = self.manifest.sources if self._has_answers() or self.corpus.ledger.exists() else ()
        records = stages.source_records(self.recipe)
        digests, known = ([record.digest for record in of] for of in (records, bound))
        grows = self.recipe.kind == "x-instruction" and set(known) <= set(digests)  # each language has texts of its own
        if bound and digests != known and not grows:
            names = " + ".join(record.name for record in bound)
            raise InputError(
                f"{self.corpus.path} is bound to other sources: it was made from {names}, and their content differs",
                "name another corpus, or bring the old sources back",
            )
        self.manifest = self.manifest.model_copy(update={"sources": records})
        self.recipe = _pinned(self.recipe, records)

    def _has_answers(self) -> bool:
        """Whether rows were made of answers, or of translations that were given: nothing else is made without these."""
        return any(key.partition("/")[0] in PAID for key in self.manifest.stages)

    def check_license(self) -> None:
        """Raise GateError, before a call is paid, if the kept rows could not be published under one licence."""
        before = [("screen", None)] if self.recipe.kind == "plug" else [("passages", c) for c in self.recipe.languages]
        found = {
            origin
            for stage, lang in before
            for batch in self.corpus.batches(stage, lang, ["source", "license", "status"])
            for origin in batch.filter(kept()).select("source", "license").unique().iter_rows()
        }
        licenses.declared(self.recipe.publish.license, found, self.recipe.publish.split_by_license)

    def check_access(self) -> None:
        """See that there are models, keys and prices before work is done; not where nothing may be left to ask.

        And that what the filters need is there: rows would wait for it that are paid for."""
        recipe, natural = self.recipe, self.recipe.kind == "x-instruction"
        stages.check_filters(recipe)
        if natural:
            stages.check_embedder(recipe)
        if self._has_answers():
            return
        estimates = (recipe.quality.back_translation, recipe.quality.judge)
        ours = (recipe.generate, recipe.rate, recipe.edit) if natural else ()
        wanted = [by.model for by in (*recipe.translate.again, *estimates, *ours) if by and by.model]
        for model in (*(recipe.models if recipe.asked else ()), *wanted):
            client.key(model)
        if recipe.asked:
            stages.pool(recipe)
        if natural:
            stages.Generation(self.corpus, recipe)
            stages.Rating(self.corpus, recipe)
        stages.Estimates(self.corpus, recipe)

    def n_kept(self) -> int:
        """Rows kept in all languages, by the last row stage."""
        return sum(
            self.manifest.stages[stage_key(self.recipe.last_stage, lang)].counts.kept for lang in self.recipe.languages
        )

    def raise_if_failed(self) -> None:
        """Raise PartialError if calls of some rows failed."""
        failed: dict[str, int] = {}
        for lang in self.recipe.translated:
            records = (self.manifest.stages.get(stage_key(stage, lang)) for stage in PAID)
            if n := sum(record.counts.taken(Status.FAILED) for record in records if record):
                failed[lang] = n
        if failed:
            told = ", ".join(f"{n} in {lang}" for lang, n in failed.items())
            raise PartialError(f"rows whose calls failed: {told}", "the same command again asks for these alone")

    def bring_up(self, stage: str) -> None:
        """Write a stage, for every language where it has one, unless it is fresh."""
        corpus, recipe, say = self.corpus, self.recipe, self.watch.say
        match stage:
            case "source":
                steps = stages.source(corpus, recipe, self.manifest.sources)
            case "screen":
                with Workers() as workers:
                    return self._renew(stages.screen(corpus, recipe, workers.map))
            case "passages":
                with Workers() as workers:
                    return self._renew(stages.passages(corpus, recipe, self.manifest.sources, workers.map, say))
            case "generate":
                return self._answer(stage, stages.Generation(corpus, recipe, say), recipe.languages)
            case "rate":
                return self._answer(stage, stages.Rating(corpus, recipe, say), recipe.languages)
            case "diversify":
                steps = stages.diversified(corpus, recipe, say, send=self.send)
            case "translate" if recipe.kind == "x-instruction":
                return self._answer(stage, stages.NaturalTranslation(corpus, recipe, say), recipe.languages)
            case "translate":
                self._renew(stages.given(corpus, recipe, say))
                if recipe.asked:
                    self._answer(stage, stages.Translation(corpus, recipe, say), recipe.asked)
                return
            case "pair":
                steps = stages.pairs(corpus, recipe)
            case "measure":
                with Workers() as workers:
                    return self._renew(stages.measure(corpus, recipe, say, workers.map))
            case "filter":
                steps = stages.filtered(corpus, recipe)
            case "dedup":
                steps = stages.deduplicated(corpus, recipe)
            case "quality" if recipe.last_stage != "quality":
                return self._forget(stage)
            case "quality":
                return self._answer(stage, stages.Estimates(corpus, recipe), recipe.languages)
            case _:
                return self._publish()
        self._renew(steps)

    def _answer(self, stage: str, asking: stages.Asking, langs: Sequence[str]) -> None:
        """Bring up a stage whose rows are made of answers, after asking for those that the ledger lacks."""
        stale = [lang for lang in langs if not self._is_fresh(asking.step(lang), retry_failed=True)]
        if not stale:
            return
        with Ledger(stages.ledger_path(self.corpus, self.recipe)) as ledger:
            for ask in asking.rounds(stale, ledger) if self.send else ():
                if ask.total:
                    self._ask(stage, ask, ledger)
            for lang in stale:
                self._write(asking.step(lang, ledger))

    def _forget(self, stage: str) -> None:
        """Take a stage that the recipe does not ask for (any more) out of the manifest."""
        for lang in self.recipe.languages:
            if (key := stage_key(stage, lang)) in self.manifest.stages:
                self.manifest = self.manifest.without(key)
                self.corpus.write_manifest(self.manifest)

    def _ask(self, stage: str, ask: stages.Ask, ledger: Ledger) -> None:
        """Have all answers to some jobs in the ledger."""
        budget = None if self.recipe.budget is None else round(self.recipe.budget * 1e9)

        def show(progress: Progress) -> None:
            self.watch.show(progress)
            self.corpus.write_progress(progress)

        tell = telling(stage, ask.total, ledger, budget, show)
        tell(Tally())
        retries, say = self.recipe.translate.retries, self.watch.say
        with stages.serving(ask.pool, say) as members:
            if self.recipe.translate.mode == "batch":
                tally = dispatch_batches(ask.jobs, members, ledger, retries, budget, tell, say)
            else:
                tally = dispatch(ask.jobs(), members, ledger, retries, budget, tell, say)
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

    def _write(self, step: Step) -> None:
        """Write a stage's rows, then note it. What was made from its old rows is forgotten before they are replaced."""
        digest = self._digest(step)
        census = self._input(step.inputs[0]).census if step.inputs else None
        self.manifest = self.manifest.without(step.key)
        self.corpus.write_manifest(self.manifest)
        written = self.corpus.write(step.stage, step.lang, step.frames(), step.contract, census)
        n_failed = step.n_failed()
        record = StageRecord(
            inputs=step.inputs, digest="" if n_failed else digest, fitted=dict(step.fitted()), **written._asdict()
        )
        self.manifest = self.manifest.with_stage(step.key, record)
        self.corpus.write_manifest(self.manifest)
        counts = record.counts
        self.watch.say(f"{step.key}: {counts.rows} rows, {counts.kept} kept, {counts.taken()} taken out")
        if n_failed:
            told = "call" if n_failed == 1 else "calls"
            rest = "failed that rows do without; the next run asks for these alone"
            self.watch.say(f"{step.key}: {n_failed} {told} {rest}")


def _pinned(recipe: Recipe, records: Sequence[SourceRecord]) -> Recipe:
    """The recipe with each Hub source that names no revision at the commit that its record's digest ends with."""
    bound = {about: commit for record in records for about, at, commit in [record.digest.rpartition("@")] if at}

    def pin(source: S) -> S:
        commit = bound.get(f"hub:{source.id}[{source.config or ''}/{source.split}]")
        return source.model_copy(update={"revision": commit}) if commit and not source.revision else source

    pinned = {key: tuple(map(pin, getattr(recipe, key))) for key in ("sources", "texts")}
    return recipe.model_copy(update=pinned)
