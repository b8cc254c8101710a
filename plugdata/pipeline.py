"""The only conductor: which stages run, in which order, and which need not.

A stage's digest covers the content of its inputs, its settings and its VERSION. An equal digest means an equal
output, so the stage is passed over; a changed recipe reruns just what it changed, and a translate stage that reruns
finds its answers in the ledger. What a stage computes is in stages.py; here its rows are written through the corpus,
which checks that none got lost, and noted in the manifest, which is written last.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from plugdata import recipe as recipes
from plugdata import stages
from plugdata.calls.dispatch import Tally, dispatch
from plugdata.calls.ledger import Ledger
from plugdata.corpus import Corpus, Manifest, Progress, StageRecord, stage_key
from plugdata.errors import InputError, PartialError
from plugdata.publish import dist, hub
from plugdata.recipe import Model, Recipe
from plugdata.rows import Status, tagged_hash
from plugdata.stages import Step

STAGES = ("source", "screen", "translate", "pair", "measure", "filter", "dedup", "dist")
PROGRESS_EVERY_S = 0.5
"""How often progress.json is rewritten: about as often as a person sees a number change."""


@dataclass(frozen=True)
class Watch:
    """Who is told: `say` gets a line now and then, `show` the progress of the stage at work."""

    say: Callable[[str], None] = lambda line: None
    show: Callable[[Progress], None] = lambda progress: None


SILENT = Watch()


def run(recipe: Recipe, *, first: str = "source", until: str = "dist", watch: Watch = SILENT) -> Corpus:
    """The corpus of a recipe, brought up to date from stage `first` to stage `until`; what is fresh is passed over.

    Raises PartialError, after doing all that can be done, if rows failed for passing reasons: a rerun asks for them
    again. Other errors leave every finished stage and every committed answer in place.
    """
    corpus = Corpus.create(recipe.corpus) if first == "source" else Corpus.open(recipe.corpus)
    with corpus.lock():
        conductor = _Conductor(corpus, recipe, watch)
        if first == "source":
            conductor.bind()
        corpus.write_text("recipe.yaml", recipes.dump(recipe))
        try:
            for stage in STAGES[STAGES.index(first) : STAGES.index(until) + 1]:
                conductor.bring_up(stage)
        finally:
            corpus.write_progress(None)
        conductor.raise_if_partial()
    return corpus


def push(
    corpus: Corpus, repo: str | None, *, public: bool = False, create_pr: bool = False, watch: Watch = SILENT
) -> hub.Pushed:
    """dist/ of a corpus on the Hub, in one commit, loaded back with a fresh cache and compared.

    Raises InputError without a repo, CorpusError if dist/ does not read back from disk, HubError for a refusal.
    """
    if repo is None:
        raise InputError("no repo to push to", "give --repo ORG/NAME, or `publish.repo` in the recipe")
    with corpus.lock():
        dist.check(corpus.dist)
        pushed = hub.push(corpus.dist, repo, public=public, create_pr=create_pr, token=None, say=watch.say)
        hub.verify(corpus.dist, repo, pushed.commit, token=None)
    return pushed


class _Conductor:
    """One run: the corpus, the recipe, and the manifest as it grows."""

    def __init__(self, corpus: Corpus, recipe: Recipe, watch: Watch) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.watch = watch
        self.manifest = corpus.manifest() or Manifest(pivot=recipe.pivot, sources=stages.source_records(recipe))
        if self.manifest.pivot != recipe.pivot:
            raise InputError(
                f"{corpus.path} is bound to the pivot {self.manifest.pivot!r}, the recipe says {recipe.pivot!r}",
                "name another corpus",
            )

    def bring_up(self, stage: str) -> None:
        """Write a stage, for every language where it has one, unless it is fresh."""
        corpus, recipe = self.corpus, self.recipe
        match stage:
            case "source":
                steps = stages.source(corpus, recipe, self.manifest.sources)
            case "screen":
                steps = stages.screen(corpus, recipe)
            case "translate":
                return self._translate()
            case "pair":
                steps = stages.pairs(corpus, recipe)
            case "measure":
                steps = stages.measure(corpus, recipe, self.watch.say)
            case "filter":
                steps = stages.filtered(corpus, recipe)
            case "dedup":
                steps = stages.deduplicated(corpus, recipe)
            case _:
                return self._publish()
        for step in steps:
            if not self._is_fresh(step):
                self._write(step)

    def raise_if_partial(self) -> None:
        failed = {
            lang: n
            for lang in self.recipe.languages
            if (record := self.manifest.stages.get(stage_key("translate", lang)))
            and (n := record.counts.taken(Status.FAILED))
        }
        if failed:
            told = ", ".join(f"{n} in {lang}" for lang, n in failed.items())
            raise PartialError(f"rows whose calls failed: {told}", "the same command again asks for these alone")

    def bind(self) -> None:
        """See that the corpus is still made from the sources it was begun with."""
        records = stages.source_records(self.recipe)
        bound = self.manifest.sources
        if [record.digest for record in records] != [record.digest for record in bound]:
            names = " + ".join(record.name for record in bound)
            raise InputError(
                f"{self.corpus.path} is bound to other sources: it was made from {names}, and their content differs",
                "name another corpus, or bring the old sources back",
            )
        self.manifest = self.manifest.model_copy(update={"sources": records})

    def _translate(self) -> None:
        model = self._model()
        translation = stages.Translation(self.corpus, self.recipe, model)
        stale = [
            lang for lang in self.recipe.languages if not self._is_fresh(translation.step(lang), retry_failed=True)
        ]
        if not stale:
            return
        total = self.manifest.stages["screen"].counts.kept * len(stale)
        started_at = time.time()

        def tell(tally: Tally) -> None:
            counts = {"done": tally.done, "calls": tally.calls, "retries": tally.retries}
            self._progress(
                Progress(stage="translate", total=total, started_at=started_at, updated_at=time.time(), **counts)
            )

        with Ledger(self.corpus.ledger) as ledger:
            jobs = translation.jobs(stale)
            with stages.serving(model, self.watch.say) as endpoint:
                tally = dispatch(jobs, endpoint, translation.served_as, ledger, self.recipe.translate.retries, tell)
            self.watch.say(f"translate: {tally.done} rows, {tally.calls} calls, {tally.retries} retries")
            for lang in stale:
                self._write(translation.step(lang, ledger))

    def _publish(self) -> None:
        built = stages.publish(self.corpus, self.recipe, self.manifest)
        for note in built.notes:
            self.watch.say(f"dist: {note}")
        told = ", ".join(f"{config} {sum(splits.values())}" for config, splits in built.rows.items())
        self.watch.say(f"dist: rows by config: {told}; licence {built.license}")

    def _model(self) -> Model:
        if not self.recipe.models:
            raise InputError(
                "no model to translate with",
                "give --model NAME (what your endpoint serves, or `local`), PLUGDATA_MODEL, or `models` in the recipe",
            )
        return self.recipe.models[0]

    def _digest(self, step: Step) -> str:
        inputs = [self.manifest.stages[key].output for key in step.inputs]
        return tagged_hash([step.stage, step.version, step.settings, inputs])

    def _is_fresh(self, step: Step, *, retry_failed: bool = False) -> bool:
        record = self.manifest.stages.get(step.key)
        if record is None or not self.corpus.part(step.stage, step.lang).is_file():
            return False
        return record.digest == self._digest(step) and not (retry_failed and record.counts.taken(Status.FAILED))

    def _write(self, step: Step) -> None:
        census = self.manifest.stages[step.inputs[0]].census if step.inputs else None
        written = self.corpus.write(step.stage, step.lang, step.frames(), step.contract, census)
        record = StageRecord(digest=self._digest(step), **written._asdict())
        self.manifest = self.manifest.model_copy(update={"stages": {**self.manifest.stages, step.key: record}})
        self.corpus.write_manifest(self.manifest)
        counts = record.counts
        self.watch.say(f"{step.key}: {counts.rows} rows, {counts.kept} kept, {counts.taken()} taken out")

    _last_progress = 0.0

    def _progress(self, progress: Progress) -> None:
        self.watch.show(progress)
        if progress.updated_at - self._last_progress >= PROGRESS_EVERY_S:
            self._last_progress = progress.updated_at
            self.corpus.write_progress(progress)
