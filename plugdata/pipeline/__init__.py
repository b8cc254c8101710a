"""The only conductor: which stages run, in which order, and which need not.

What a stage computes is in stages/; here its rows are written through the corpus, which checks that none got lost, and
noted in the manifest, which is written last.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import polars as pl

from plugdata import languages, planning, stages
from plugdata import recipe as recipes
from plugdata.calls.ledger.merge import merge as merge_ledgers
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus, stage_key
from plugdata.errors import GateError, InputError, PlugdataError
from plugdata.pipeline import again
from plugdata.pipeline.conductor import PAID, Conductor
from plugdata.pipeline.watching import SILENT, Watch, noted
from plugdata.publish import dist, hub
from plugdata.publish.hub import folder as hub_folder
from plugdata.publish.pull import pull as pull_rows
from plugdata.recipe import Model, Recipe
from plugdata.review.plan import Plan
from plugdata.rows import Reason, Status
from plugdata.xinstruct import rounds

__all__ = [
    "SILENT",
    "Watch",
    "check_round",
    "merge",
    "plan",
    "preview",
    "pull",
    "push",
    "push_to",
    "repo_of",
    "retry",
    "run",
    "write_round",
]


def run(
    recipe: Recipe, *, first: str | None = None, until: str = "dist", send: bool = True, watch: Watch = SILENT
) -> Corpus:
    """The corpus of a recipe, brought up to date from stage `first` (None: its first) to stage `until`; what is fresh
    is passed over.

    Without `send` no call is made: rows whose answers the ledger lacks fail.
    Raises PartialError, after doing all that can be done, if a stage that asks was among them and rows failed for
    passing reasons: a rerun asks for them again. Other errors leave every finished stage and every committed answer
    in place, and the corpus's recipe.yaml as it was, but for what was asked again.
    """
    corpus = Corpus.open(recipe.corpus) if first else Corpus.create(recipe.corpus)
    with corpus.lock(), noted(corpus, watch) as watch:
        recipe = again.keeping(recipe, corpus)
        stages = recipe.stages
        asked = stages[stages.index(first or stages[0]) : stages.index(until) + 1]
        if first:
            _refuse_other_rows(corpus, recipe)
        if recipe.shard and recipe.diversify and "diversify" in asked:
            raise InputError(
                "a shard cannot be sampled: clusters are those of all rows",
                "bring each up with `--until rate`; `plugdata merge` makes one corpus, and `plugdata run` goes on",
            )
        conductor = Conductor(corpus, recipe, watch, send=send)
        if not first:
            conductor.bind()
        if not corpus.recipe.is_file():
            corpus.write_text("recipe.yaml", recipes.dump(recipe))
        paid = next((stage for stage in asked if stage in PAID), None)
        if paid and send:
            conductor.check_access()
        for stage in asked:
            if stage == paid and "dist" in asked:
                conductor.check_license()
            if stage == "dist" and paid and not conductor.n_kept():
                conductor.raise_if_failed()
            conductor.bring_up(stage)
            if stage == "translate":
                again.note(corpus, recipe)
        corpus.write_text("recipe.yaml", recipes.dump(recipe))
        corpus.write_progress(None)
        if paid:
            conductor.raise_if_failed()
    return corpus


def plan(recipe: Recipe, *, watch: Watch = SILENT) -> Plan:
    """What a run of the recipe would ask, cost and take. Sends nothing; the corpus gets its rows up to the
    first stage that asks, which the run then passes over."""
    corpus = Corpus.create(recipe.corpus)
    with corpus.lock(), noted(corpus, watch) as watch:
        recipe = again.keeping(recipe, corpus)
        conductor = Conductor(corpus, recipe, watch)
        conductor.bind()
        if not corpus.recipe.is_file():
            corpus.write_text("recipe.yaml", recipes.dump(recipe))
        if recipe.asked:
            stages.pool(recipe)  # a model that is missing is told before there is work
        for stage in recipe.stages[: recipe.stages.index(next(stage for stage in recipe.stages if stage in PAID))]:
            conductor.bring_up(stage)
        path = stages.ledger_path(corpus, recipe)
        with Ledger(path, read_only=True) if path.exists() else nullcontext() as ledger:
            return planning.make(conductor.recipe, corpus, conductor.manifest, ledger)


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
    ledgers = [recipe.ledger or Corpus(part).ledger for part, recipe in zip(parts, found, strict=True)]
    corpus = Corpus.create(target)
    try:
        if found[0].asked or any(ledger.exists() for ledger in ledgers):  # else all translations are given ones
            merge_ledgers(ledgers, corpus.ledger)
    except PlugdataError:
        shutil.rmtree(target)  # made here, and nothing in it
        raise
    translate = found[0].translate.model_copy(update={"again": again.together(corpus, found)})
    whole = found[0].model_copy(update={"corpus": target, "ledger": None, "shard": None, "translate": translate})
    corpus.write_text("recipe.yaml", recipes.dump(whole))
    return run(whole, send=False, watch=watch)


def retry(
    recipe: Recipe, reasons: Sequence[Reason], *, model: Model | None = None, repair: int = 2, watch: Watch = SILENT
) -> Corpus:
    """The corpus of a recipe with the rows that have one of some reasons asked for again, and brought up as far as it
    was.

    `model` None: the models that gave the faulty answers, `repair` times more; else that model, from the beginning.
    Raises as `run`; InputError if no row has such a reason.
    """
    if recipe.kind == "x-instruction":
        raise InputError(
            "retry is for kind plug",
            f"plugdata run {recipe.corpus / 'recipe.yaml'} --set generate.repair=3, or with another --model",
        )
    corpus = Corpus.open(recipe.corpus)
    with corpus.lock():
        asking, n_rows = again.asking_again(corpus, again.keeping(recipe, corpus), reasons, model, repair)
    watch.say(f"retry: {n_rows} row{'s' * (n_rows > 1)} ({', '.join(reasons)})")
    until = "dist" if corpus.dist.is_dir() else again.reached(corpus)
    return run(asking, until=until, watch=watch)


def check_round(recipe: Recipe, folder: Path) -> None:
    """See that a round may be written to a folder. Raises InputError."""
    if recipe.rate is None:
        raise InputError("nothing is rated: the recipe says `rate: null`", "a round is made of ratings")
    rounds.check(folder)


def write_round(recipe: Recipe, folder: Path) -> dict[str, int]:
    """Write what a corpus of natural text teaches the next round's generator and rater to a new folder that train_ref/
    reads; the number of examples of each set.

    Raises InputError where nothing is rated, or the folder holds something.
    """
    check_round(recipe, folder)
    assert recipe.rate
    corpus = Corpus.open(recipe.corpus)
    with corpus.lock():

        def rated() -> Iterator[pl.DataFrame]:
            return (batch for lang in recipe.languages for batch in corpus.batches("rate", lang))

        made = rounds.write_round(folder, rated, languages.get(recipe.pivot), recipe.rate.levels)
    return {name: sum(counts.values()) for name, counts in made.items()}


def push(recipe: Recipe, to: hub.Target | None = None, *, watch: Watch = SILENT) -> hub.Pushed:
    """The corpus of a recipe on the Hub: dist/ built anew from its translations, checked, uploaded in one commit,
    loaded back with a fresh cache and compared. `to` None: the repo that the recipe names, private if it is new.

    Raises InputError where no repo is named, CorpusError if dist/ does not read back from disk, GateError, with nothing
    sent, for what may not be published, HubError for a refusal.
    """
    to = to or hub.Target(repo_of(recipe))
    with _built(recipe, watch, to.repo) as built:
        pushed = hub.push(built, to, token=None, say=watch.say)
        hub.verify(built, to.repo, pushed.commit, token=None)
    return pushed


def push_to(
    recipe: Recipe,
    folder: Path,
    *,
    schema_change: bool = False,
    force: bool = False,
    dry_run: bool = False,
    watch: Watch = SILENT,
) -> hub.Preview:
    """The corpus of a recipe in a folder, as the Hub would hold it; what that changed, or would with `dry_run`, which
    leaves the folder alone. Raises as `push`."""
    act = hub_folder.preview if dry_run else hub_folder.push
    with _built(recipe, watch) as built:
        return act(built, folder, schema_change=schema_change, force=force)


def preview(recipe: Recipe, to: hub.Target | None = None, *, watch: Watch = SILENT) -> hub.Preview:
    """What `push` would change there. Sends nothing. Raises as it does."""
    to = to or hub.Target(repo_of(recipe))
    with _built(recipe, watch, to.repo) as built:
        return hub.preview(built, to, token=None, say=watch.say)


def repo_of(recipe: Recipe) -> str:
    """The repo that a recipe names. Raises InputError if none."""
    if recipe.publish.repo is None:
        raise InputError("no repo to push to", "give --repo ORG/NAME, or `publish.repo` in the recipe")
    return recipe.publish.repo


def pull(repo: str, corpus: Path, *, revision: str | None = None, watch: Watch = SILENT) -> Corpus:
    """A published corpus as a corpus again, in a new directory: its rows with their ids, its translations as given
    ones, brought up to `pair`. No model is asked; a language added to its recipe is translated by the next run.

    Raises InputError for a directory that exists, or a data set that plugdata did not publish; HubError.
    """
    if (corpus / "recipe.yaml").exists():
        raise InputError(f"{corpus} is a corpus already", "name a new folder")
    is_new = not corpus.exists()
    made = Corpus.create(corpus)
    try:
        with made.lock():
            recipe = pull_rows(repo, revision, corpus, token=None, say=watch.say)
            made.write_text("recipe.yaml", recipes.dump(recipe))
    finally:
        if is_new and not made.recipe.exists():
            shutil.rmtree(corpus, ignore_errors=True)
    return run(recipe, until="pair", send=False, watch=watch)


@contextmanager
def _built(recipe: Recipe, watch: Watch, repo: str | None = None) -> Iterator[Path]:
    """dist/ of a corpus, made anew and checked, while nobody else writes the corpus; it names the repo, if one is
    given. Raises GateError for more failed rows than the recipe lets pass."""
    if repo:
        recipe = recipe.model_copy(update={"publish": recipe.publish.model_copy(update={"repo": repo})})
    corpus = run(recipe, first="pair", watch=watch)
    with corpus.lock():
        manifest = corpus.manifest()
        assert manifest
        for lang in recipe.translated:
            asked = [
                manifest.stages[key].counts for stage in PAID if (key := stage_key(stage, lang)) in manifest.stages
            ]
            n, n_rows = sum(counts.taken(Status.FAILED) for counts in asked), asked[0].rows
            most = recipe.publish.max_failed
            if n > (most if isinstance(most, int) else most * n_rows):
                raise GateError(
                    f"{lang}: the calls of {n:,} of {n_rows:,} rows failed, and `publish.max_failed` is {most}",
                    f"`plugdata run {corpus.recipe}` asks for these alone; or raise publish.max_failed",
                )
        dist.check(corpus.dist)
        yield corpus.dist


def _refuse_other_rows(corpus: Corpus, recipe: Recipe) -> None:
    """Raise InputError if a recipe asks for other rows than the corpus holds: later stages cannot bring them."""
    made_by = recipes.load(corpus.recipe)
    for key in (*recipes.OF_ROWS, "translate", "models"):
        if getattr(recipe, key) != getattr(made_by, key):
            raise InputError(
                f"`{key}` is a setting of stages before `pair`, whose rows are made already",
                f"plugdata run {corpus.recipe} --set …: what was answered is not asked for again",
            )
