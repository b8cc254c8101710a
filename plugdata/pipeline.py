"""The only conductor: which stages run, in which order, and which need not.

A stage's digest covers the content of its inputs, its settings and its VERSION. An equal digest means an equal
output, so the stage is passed over; a changed recipe reruns just what it changed, and a translate stage that reruns
finds its answers in the ledger. What a stage computes is in stages.py; here its rows are written through the corpus,
which checks that none got lost, and noted in the manifest, which is written last.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plugdata import licenses, planning, stages
from plugdata import recipe as recipes
from plugdata.calls import client
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import dispatch, dispatch_batches
from plugdata.calls.ledger.merge import merge as merge_ledgers
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus, Manifest, Progress, SourceRecord, StageRecord, logged, stage_key
from plugdata.errors import InputError, PartialError
from plugdata.publish import dist, hub
from plugdata.recipe import Recipe
from plugdata.review.plan import Plan
from plugdata.rows import CONTRACTS, Status, kept, tagged_hash
from plugdata.stages import Step

STAGES = (*CONTRACTS, "dist")
PROGRESS_EVERY_S = 0.5
"""How often progress.json is rewritten: about as often as a person sees a number change."""


@dataclass(frozen=True)
class Watch:
    """Who is told: `say` gets a line now and then, `show` the progress of the stage at work."""

    say: Callable[[str], None] = lambda line: None
    show: Callable[[Progress], None] = lambda progress: None


SILENT = Watch()


def run(
    recipe: Recipe, *, first: str = "source", until: str = "dist", send: bool = True, watch: Watch = SILENT
) -> Corpus:
    """The corpus of a recipe, brought up to date from stage `first` to stage `until`; what is fresh is passed over.

    Without `send` no call is made: rows whose answers the ledger lacks fail.
    Raises PartialError, after doing all that can be done, if translate was among the stages and rows failed for
    passing reasons: a rerun asks for them again. Other errors leave every finished stage and every committed answer
    in place, and the corpus's recipe.yaml as it was.
    """
    corpus = Corpus.create(recipe.corpus) if first == "source" else Corpus.open(recipe.corpus)
    with corpus.lock(), _noted(corpus, watch) as watch:
        asked = STAGES[STAGES.index(first) : STAGES.index(until) + 1]
        if "source" not in asked:
            _refuse_other_rows(corpus, recipe)
        conductor = _Conductor(corpus, recipe, watch, send=send)
        if "source" in asked:
            conductor.bind()
        if not corpus.recipe.is_file():
            corpus.write_text("recipe.yaml", recipes.dump(recipe))
        if "translate" in asked and send:
            conductor.check_access()
        for stage in asked:
            if stage == "translate" and "dist" in asked:
                conductor.check_license()
            if stage == "dist" and "translate" in asked and not conductor.n_kept():
                conductor.raise_if_failed()
            conductor.bring_up(stage)
        corpus.write_text("recipe.yaml", recipes.dump(recipe))
        corpus.write_progress(None)
        if "translate" in asked:
            conductor.raise_if_failed()
    return corpus


def plan(recipe: Recipe, *, watch: Watch = SILENT) -> Plan:
    """What a run of the recipe would ask, cost and take. Sends nothing; the corpus gets its rows up to screen, which
    the run then passes over."""
    corpus = Corpus.create(recipe.corpus)
    with corpus.lock(), _noted(corpus, watch) as watch:
        conductor = _Conductor(corpus, recipe, watch)
        conductor.bind()
        if not corpus.recipe.is_file():
            corpus.write_text("recipe.yaml", recipes.dump(recipe))
        translation = stages.Translation(corpus, conductor.recipe)
        for stage in ("source", "screen"):
            conductor.bring_up(stage)
        counts = {stage: conductor.manifest.stages[stage].counts for stage in ("source", "screen")}
        path = stages.ledger_path(corpus, recipe)
        with Ledger(path, read_only=True) if path.exists() else nullcontext() as ledger:
            return planning.make(
                conductor.recipe, translation, ledger, read=counts["source"].rows, screened=counts["screen"].kept
            )


def merge(parts: Sequence[Path], target: Path, *, assignments: Sequence[str] = (), watch: Watch = SILENT) -> Corpus:
    """One corpus from parts of it that were made apart (by `shard`), in a new directory; nothing is asked again.

    Every stage is made anew from the merged ledger, so that the result is, byte for byte, that of one machine. Rows
    that no part has answers for fail (PartialError): a run of the merged corpus asks for them. `assignments` are laid
    over the recipe, e.g. where the source lies on this machine. Raises InputError for parts of different corpora.
    """
    found = [recipes.load(Corpus.open(part).recipe, assignments) for part in parts]
    for part, other in zip(parts[1:], found[1:], strict=True):
        if key := found[0].asks_otherwise(other):
            raise InputError(f"{part} and {parts[0]} are no parts of one corpus: `{key}` differs")
    if target.exists():
        raise InputError(f"{target} exists", "name a new folder")
    corpus = Corpus.create(target)
    merge_ledgers(
        [recipe.ledger or Corpus(part).ledger for part, recipe in zip(parts, found, strict=True)], corpus.ledger
    )
    whole = found[0].model_copy(update={"corpus": target, "ledger": None, "shard": None})
    corpus.write_text("recipe.yaml", recipes.dump(whole))
    return run(whole, send=False, watch=watch)


def push(recipe: Recipe, *, public: bool = False, create_pr: bool = False, watch: Watch = SILENT) -> hub.Pushed:
    """The corpus of a recipe on the Hub: dist/ built anew from its translations, checked, uploaded in one commit,
    loaded back with a fresh cache and compared.

    Raises InputError where the recipe names no repo, CorpusError if dist/ does not read back from disk, HubError for
    a refusal.
    """
    if recipe.publish.repo is None:
        raise InputError("no repo to push to", "give --repo ORG/NAME, or `publish.repo` in the recipe")
    corpus = run(recipe, first="pair", watch=watch)
    with corpus.lock():
        dist.check(corpus.dist)
        pushed = hub.push(
            corpus.dist, recipe.publish.repo, public=public, create_pr=create_pr, token=None, say=watch.say
        )
        hub.verify(corpus.dist, recipe.publish.repo, pushed.commit, token=None)
    return pushed


@contextmanager
def _noted(corpus: Corpus, watch: Watch) -> Iterator[Watch]:
    """A watch whose news also stands in the run's log file."""
    with logged(corpus, datetime.now(UTC)) as note:

        def say(line: str) -> None:
            note(line)
            watch.say(line)

        yield Watch(say, watch.show)


def _refuse_other_rows(corpus: Corpus, recipe: Recipe) -> None:
    """Raise InputError if a recipe asks for other rows than the corpus holds: later stages cannot bring them."""
    made_by = recipes.load(corpus.recipe)
    for key in ("sources", "pivot", "limit", "screen", "translate", "models"):
        if getattr(recipe, key) != getattr(made_by, key):
            raise InputError(
                f"`{key}` is a setting of stages before `pair`, whose rows are made already",
                f"plugdata run {corpus.recipe} --set …: what was answered is not asked for again",
            )


class _Conductor:
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
        self._progress_at = 0.0
        if self.manifest.pivot != recipe.pivot:
            raise InputError(
                f"{corpus.path} is bound to the pivot {self.manifest.pivot!r}, the recipe says {recipe.pivot!r}",
                "name another corpus",
            )

    def bind(self) -> None:
        """Bind the corpus to its sources, or see that it is still made from those it was begun with."""
        bound = self.manifest.sources
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
        licenses.declared(self.recipe.publish.license, found)

    def check_access(self) -> None:
        """See that there is a model, and a key for it, before work is done; not where nothing may be left to ask."""
        if not any(key.startswith("translate/") for key in self.manifest.stages):
            for model in self.recipe.models:
                client.key(model)
            stages.pool(self.recipe)

    def n_kept(self) -> int:
        """Rows kept in all languages, by the last row stage."""
        return sum(self.manifest.stages[stage_key("dedup", lang)].counts.kept for lang in self.recipe.languages)

    def raise_if_failed(self) -> None:
        """Raise PartialError if calls of some rows failed."""
        failed = {
            lang: n
            for lang in self.recipe.languages
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

    def _translate(self) -> None:
        recipe = self.recipe
        translation = stages.Translation(self.corpus, recipe)
        stale = [lang for lang in recipe.languages if not self._is_fresh(translation.step(lang), retry_failed=True)]
        if not stale:
            return
        with Ledger(stages.ledger_path(self.corpus, recipe)) as ledger:
            if self.send:
                self._ask(translation, stale, ledger)
            for lang in stale:
                self._write(translation.step(lang, ledger))

    def _ask(self, translation: stages.Translation, langs: list[str], ledger: Ledger) -> None:
        """Have all answers of some languages in the ledger."""
        total = self.manifest.stages["screen"].counts.kept * len(langs)
        started_at = time.time()
        budget = None if self.recipe.budget is None else round(self.recipe.budget * 1e9)
        before = ledger.money().spent

        def tell(tally: Tally) -> None:
            now = time.time()
            if tally.done and now - self._progress_at < PROGRESS_EVERY_S and tally.done < total:
                return
            self._progress_at = now
            money = ledger.money()
            progress = Progress(
                stage="translate",
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
            self.watch.show(progress)
            self.corpus.write_progress(progress)

        tell(Tally())
        retries, say = self.recipe.translate.retries, self.watch.say
        with stages.serving(translation.pool, say) as pool:
            if self.recipe.translate.mode == "batch":
                tally = dispatch_batches(lambda: translation.jobs(langs), pool, ledger, retries, budget, tell, say)
            else:
                tally = dispatch(translation.jobs(langs), pool, ledger, retries, budget, tell, say)
        self.watch.say(f"translate: {tally.done} rows, {tally.calls} calls, {tally.retries} retries")

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

    def _write(self, step: Step) -> None:
        """Write a stage's rows, then note it. What was made from its old rows is forgotten before they are replaced."""
        digest = self._digest(step)
        census = self._input(step.inputs[0]).census if step.inputs else None
        self.manifest = self.manifest.without(step.key)
        self.corpus.write_manifest(self.manifest)
        written = self.corpus.write(step.stage, step.lang, step.frames(), step.contract, census)
        record = StageRecord(inputs=step.inputs, digest=digest, **written._asdict())
        self.manifest = self.manifest.with_stage(step.key, record)
        self.corpus.write_manifest(self.manifest)
        counts = record.counts
        self.watch.say(f"{step.key}: {counts.rows} rows, {counts.kept} kept, {counts.taken()} taken out")


def _pinned(recipe: Recipe, records: Sequence[SourceRecord]) -> Recipe:
    """The recipe with each Hub source that names no revision at the commit that its record's digest ends with."""
    pinned = list(recipe.sources)
    for at, (source, record) in enumerate(zip(pinned, records, strict=False)):
        if source.id and not source.revision and record.digest.startswith("hub:"):
            pinned[at] = source.model_copy(update={"revision": record.digest.rpartition("@")[2]})
    return recipe.model_copy(update={"sources": tuple(pinned)})
