"""Other data sets that no row may repeat: what they hold, and which they are by their content.

A name is a corpus, what was published of one (dist/), a file or folder of instruction data, or a Hub data set. Of a
pair both sides count, each as a text of its own: one that is compared in its language can only match there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import polars as pl

from plugdata import sources
from plugdata.corpus import Corpus
from plugdata.curate.dedup import PAIR, side
from plugdata.errors import InputError
from plugdata.recipe import Source, is_hub_id
from plugdata.rows import kept
from plugdata.sources import evaluation, files

_BATCH = 2_000


def digests(names: Sequence[str], corpus: Corpus) -> list[str]:
    """What each holds, as one line. Raises SourceError or InputError where it cannot be read, or is the corpus."""
    own = next((name for name in names if corpus.path.resolve() in (Path(name), *Path(name).parents)), None)
    if own:
        raise InputError(f"{own} is the corpus itself, or lies in it", "each of its rows would repeat itself")
    return [_digest(name) for name in names]


def texts(names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """All texts of some data sets: id (where it stands, for people) and text, instruction and response together."""
    return chain.from_iterable(map(_texts, names))


def _digest(name: str) -> str:
    if is_hub_id(name):
        return sources.digest(Source(id=name), Path())
    if _is_corpus(name):
        manifest = Corpus.open(Path(name)).manifest()
        return " ".join(record.output for record in manifest.stages.values()) if manifest else ""
    return " ".join(sources.digest(Source(path=str(path)), Path()) for path in _published(name) or [Path(name)])


def _texts(name: str) -> Iterator[pl.DataFrame]:
    label = name if is_hub_id(name) else Path(name).name
    if not is_hub_id(name) and _is_corpus(name):
        yield from _of_corpus(Corpus.open(Path(name)), label)
    elif published := _published(name):
        records = (record.value for path in published for record in files.records(path))
        found = ({key: value.get(key) for key in ("id", *PAIR)} for value in records if isinstance(value, dict))
        while some := list(islice(found, _BATCH)):
            yield from _sides(pl.DataFrame(some, schema=dict.fromkeys(("id", *PAIR), pl.String)), label)
    elif is_hub_id(name):
        yield from _read(Source(id=name, system="ignore"))
    else:
        yield from _read(Source(path=name, system="ignore"))


def _read(source: Source) -> Iterator[pl.DataFrame]:
    text = pl.concat_str("instruction", "input", "response", separator="\n", ignore_nulls=True)
    for frame in sources.read(source, Path()):
        yield frame.filter(kept()).select(id="place", text=text)


def _of_corpus(corpus: Corpus, label: str) -> Iterator[pl.DataFrame]:
    """Its finished pairs, or before there are any its rows that are worth a call."""
    manifest = corpus.manifest()
    done = [key.partition("/")[2] for key in manifest.stages if key.startswith("dedup/")] if manifest else []
    for lang in done:
        for batch in corpus.batches("dedup", lang, ("id", "status", *PAIR)):
            yield from _sides(batch.filter(kept()), label)
    if done:
        return
    if not manifest or "screen" not in manifest.stages:
        raise InputError(f"{corpus.path} holds no rows yet", "run it first, or leave it out")
    text = pl.concat_str("instruction", "input", "response", separator="\n", ignore_nulls=True)
    for batch in corpus.batches("screen"):
        yield batch.filter(kept()).select(id=_named(label, "id"), text=text)


def _sides(pairs: pl.DataFrame, label: str) -> Iterable[pl.DataFrame]:
    for half in ("pivot_", ""):
        yield pairs.select(id=_named(label, "id"), text=side(half))


def _named(label: str, column: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{label} "), column)


def _is_corpus(name: str) -> bool:
    return (Path(name) / "recipe.yaml").is_file() and not _published(name)  # a dist/ shows its recipe too


def _published(name: str) -> list[Path]:
    """The files of a dist/, here or on the Hub; none where it is none."""
    on_hub = is_hub_id(name)
    folder = evaluation.snapshot(name, ["layouts.json"]) if on_hub else Path(name)
    if not (folder / "layouts.json").is_file():
        return []
    return sorted((evaluation.snapshot(name) if on_hub else folder).rglob("*.parquet"))
