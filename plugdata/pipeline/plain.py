"""`filter` and `dedup` of a file that is no corpus: the corpus's own stages, on rows that come from its records.

The rows stand in a corpus for the time of the run, beside the output; then the file is read a second time, and each
record is written with what was decided of it, or left out. So the records come through as they are, in their order, and
nothing grows with the file but that folder.

What is compared with a pivot abstains where a row has none. Repetition is then measured by itself, and duplicates are
those of the texts themselves. Each language is judged alone. Nothing is labelled or laid out, so no text collides.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import polars as pl

from plugdata import recipe as recipes
from plugdata import rows, stages
from plugdata.checks import repeats
from plugdata.corpus import Corpus, Manifest, StageRecord, Workers, sorting, stage_key
from plugdata.corpus.files import writing
from plugdata.errors import InputError
from plugdata.pipeline.watching import SILENT, Watch
from plugdata.recipe import Recipe
from plugdata.review import stats
from plugdata.rows import FIELDS
from plugdata.sources import back
from plugdata.sources.plain import VERDICT, Given, Plain, number_of, pairs
from plugdata.stages import Step
from plugdata.stages.step import Say

Stage = Literal["filter", "dedup"]
Apply = Callable[[pl.DataFrame], pl.DataFrame]

_MEASURED = {name: dtype for name, dtype in rows.MEASURE.items() if name not in rows.PAIR}
MEASUREMENTS: dict[Stage, dict[str, pl.DataType]] = {
    "filter": _MEASURED,
    "dedup": {"cluster": pl.Int64(), "jaccard": pl.Float64()},
}
"""What may be written of a record beside its verdict. `cluster` is the number of the one that was kept, from 1."""

_OF_PIVOT = ("symbols", "digits", "copied")
"""Measurements that count what the pivot lacks, and say nothing without one. All others abstain by themselves."""


@dataclass(frozen=True)
class Output:
    """Where the kept records go; where the others go, if anywhere; and what is written of each."""

    path: Path
    dropped: Path | None = None
    everything: bool = False  # all records in `path`, with status, reason and detail
    measurements: bool = False


def curate(
    stage: Stage, plain: Plain, output: Output, assignments: Sequence[str] = (), *, watch: Watch = SILENT
) -> stats.Funnel:
    """What became of the records of a file, of which `stage` keeps some; they are written as `output` says.

    `assignments`: keys of a recipe, e.g. filter.lid.min=0.3. Records that were taken out are written with status,
    reason and detail. Raises InputError, before anything is written, for what cannot be read or asked for; CorpusError
    where the disk has no room.
    """
    given = Given(plain)
    _check(given, output)
    with writing(output.path):
        output.path.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=output.path.parent, prefix=".plugdata-")
    with folder:
        made = _Made(Corpus(Path(folder.name)))
        langs = made.read(given, watch.say)
        recipe = _recipe(stage, plain, made.corpus, langs, assignments)
        more = MEASUREMENTS[stage] if output.measurements else {}
        verdict = given.verdict()
        columns = given.beside({**(verdict if output.everything else {}), **more})
        columns_of_rest = given.beside({**verdict, **more}) if output.dropped else None
        with Workers() as workers:
            for step in _steps(stage, made.corpus, recipe, watch, workers):
                made.write(step)
        funnel = stats.funnel(made.manifest, langs)
        with ExitStack() as stack:
            put = stack.enter_context(back.writing(output.path, columns))
            put_rest: back.Put | None = None
            if output.dropped and columns_of_rest:
                put_rest = stack.enter_context(back.writing(output.dropped, columns_of_rest))
            values = given.values()
            for frame in _decided(stage, made.corpus, langs, [*VERDICT, *more]):
                block = list(islice(values, frame.height))
                if len(block) < frame.height:
                    raise InputError(f"{plain.path} has fewer records than a moment ago", "is it being written?")
                kept = frame.select(rows.kept()).to_series().to_list()
                said = frame.to_dicts() if output.everything else frame.drop(VERDICT).to_dicts()
                put([{**v, **s} for v, s, k in zip(block, said, kept, strict=True) if k or output.everything])
                if put_rest:
                    put_rest([{**v, **s} for v, s, k in zip(block, frame.to_dicts(), kept, strict=True) if not k])
        for name in given.columns.mixed if output.path.suffix.lower() == ".parquet" else ():
            watch.say(f"{name}: values of several types, written as JSON text")
    lines = [line._replace(stage="source") if line.stage == "pair" else line for line in funnel.lines]
    return funnel._replace(lines=lines)


class _Made:
    """The rows of a run. The manifest is never written, for the corpus does not outlive it."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.manifest = Manifest(pivot="", sources=())

    def write(self, step: Step) -> None:
        census = self.manifest.stages[step.inputs[0]].census if step.inputs else None
        written = self.corpus.write(step.stage, step.lang, step.frames(), step.contract, census)
        record = StageRecord(inputs=step.inputs, digest="", fitted=dict(step.fitted()), **written._asdict())
        self.manifest = self.manifest.with_stage(step.key, record)

    def read(self, given: Given, say: Say) -> list[str]:
        """Write the rows of every language, and give the languages. Raises InputError where there is none."""
        langs = set[str]()

        def frames() -> Iterator[pl.DataFrame]:
            for frame in pairs(given):
                langs.update(frame["lang"].drop_nulls())
                yield frame

        self.corpus.write("pair", None, frames(), rows.PAIR)
        if not langs and not self.corpus.n_rows("pair"):
            raise InputError(f"{given.plain.path} holds no record")
        if not langs:
            column = given.plain.theirs("lang")
            raise InputError(f"no record of {given.plain.path} has its language in {column!r}", "give --lang CODE")
        ordered = sorted(langs)
        unknown = self.corpus.scan("pair").filter(pl.col("lang").is_null()).select(pl.len()).collect().item()
        if unknown and len(ordered) > 1:
            say(f"{unknown} records without a language of the table are counted with {ordered[0]}")
        for lang in ordered:
            mine = pl.col("lang").fill_null(ordered[0]) == lang
            self.write(Step("pair", lang, (), None, 0, rows.PAIR, partial(_of_language, self.corpus, mine, lang)))
        return ordered


def _of_language(corpus: Corpus, mine: pl.Expr, lang: str) -> Iterator[pl.DataFrame]:
    return (batch.filter(mine).with_columns(lang=pl.lit(lang)) for batch in corpus.batches("pair"))


def _check(given: Given, output: Output) -> None:
    """Raise InputError for an output that cannot be written, or is the input."""
    read = {path.resolve() for path in given.paths}
    for path in (output.path, output.dropped):
        if path:
            back.check(path)
            if path.resolve() in read:
                raise InputError(f"{path} is what is read", "name another file to write")
    if output.dropped and output.dropped.resolve() == output.path.resolve():
        raise InputError(f"{output.path} is named twice", "name another file for what is taken out")


def _recipe(stage: Stage, plain: Plain, corpus: Corpus, langs: Sequence[str], assignments: Sequence[str]) -> Recipe:
    """What is asked for, as a recipe. Raises InputError for what only a corpus can have."""
    if plain.pivot in langs:
        raise InputError(
            f"there are rows in {plain.pivot!r}, which is also the pivot",
            "--pivot CODE: what the texts are translated from; where there is no such text, any other language",
        )
    asked = {
        "corpus": str(corpus.path),
        "sources": [{"path": str(plain.path)}],
        "pivot": plain.pivot,
        "languages": list(langs),
        "dedup": {"per_language": True},  # a language may have other rows than the next
    }
    recipe = recipes.resolve(asked, assignments, where=f"plugdata {stage}")
    if not recipe.dedup.per_language:
        raise InputError("dedup.per_language: false is for a corpus, whose languages have the same rows")
    if stage == "filter":
        stages.check_filters(recipe)
        if recipe.filter.pii.action == "mask":
            raise InputError("filter.pii.action: mask is for a corpus: a file's records are written as they are")
    return recipe


def _steps(stage: Stage, corpus: Corpus, recipe: Recipe, watch: Watch, workers: Workers) -> Iterator[Step]:
    """The stages of a corpus that lead from `pair` to `stage`."""
    if stage == "dedup":
        for lang in recipe.languages:
            frames = partial(_unmeasured, corpus, lang)
            yield Step("filter", lang, (stage_key("pair", lang),), None, 0, rows.FILTER, frames)
        yield from stages.deduplicated(corpus, recipe)
        return

    def share_out(apply: Apply, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        return workers.map(partial(_measured, apply), frames)

    yield from stages.measure(corpus, recipe, watch.say, share_out)
    yield from stages.filtered(corpus, recipe)


def _unmeasured(corpus: Corpus, lang: str) -> Iterator[pl.DataFrame]:
    """The rows of a language as if filtered; a text stands in place of its pivot where there is none."""
    for batch in corpus.batches("pair", lang):
        texts = {f"pivot_{field}": pl.coalesce(f"pivot_{field}", field) for field in FIELDS}
        yield batch.with_columns(**texts, **{name: pl.lit(None, dtype) for name, dtype in _MEASURED.items()})


def _measured(apply: Apply, batch: pl.DataFrame) -> pl.DataFrame:
    """What `apply` measures; of a field without a pivot also what it repeats, and nothing that needs one."""
    found = apply(batch)
    for field in FIELDS:
        alone = pl.col(f"pivot_{field}").is_null()
        places = found.select((alone & rows.kept()).arg_true()).to_series()
        said = [repeats.new("", text) for text in found[field].gather(places).to_list()]
        repeated = {
            "repeated": pl.Series([one.ngrams for one in said], dtype=pl.Float64),
            "repeated_lines": pl.Series([one.lines for one in said], dtype=pl.Float64),
            "run": pl.Series([one.run for one in said], dtype=pl.Int64),
        }
        found = found.with_columns(
            *(pl.when(~alone).then(name).alias(name) for name in (f"{of}_{field}" for of in _OF_PIVOT)),
            *(found[name].scatter(places, new) for of, new in repeated.items() for name in (f"{of}_{field}",)),
        )
    return found


def _decided(stage: Stage, corpus: Corpus, langs: Sequence[str], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of all records, in the order of the file."""
    needed = ["ordinal", *columns, *(["kept_id"] if "kept_id" not in columns else [])]
    frames = chain.from_iterable(corpus.batches(stage, lang, needed) for lang in langs)
    kept = pl.concat_str(pl.lit("record "), number_of(pl.col("kept_id")))
    for frame in sorting.by_columns(frames, ["ordinal"], corpus.spill):
        told = pl.col("detail").str.extract(r"(?s)^(.*)b2:[0-9a-f]{32}$") + kept
        shown = frame.with_columns(detail=pl.coalesce(told, "detail"))
        if "cluster" in columns:
            shown = shown.with_columns(cluster=number_of(pl.col("cluster")))
        yield shown.select(columns)
