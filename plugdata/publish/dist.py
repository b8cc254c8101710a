"""dist/: the folder that goes to the Hub, built from the rows that `dedup` kept, and read back with `datasets`.

    dist/
      README.md  LICENSE              card.py
      recipe.yaml  manifest.json      texts the caller gives
      report.html                     which the caller writes
      layouts.json                    template id → system lines, ordered parts, labels
      CONFIG/train-00000-of-00002.parquet … CONFIG/validation-00000-of-00001.parquet     shards.py
      plugdata.sha256                 every other file, in the format of sha256sum

Owns these names and what may be published at all. Must not know the network, nor how rows came to be kept.

- The same rows, recipe and facts give the same bytes: no clock, no chance, no order but that of ids and of the recipe.
- dist/ is built in a folder beside it and swapped in whole by two renames, so nobody reads half of one. A kill between
  the two leaves no dist/; building is free, and the next build clears up.
- plugdata.sha256 lets a reader check a download, and tells the next push which files on the Hub are ours to delete.
- Rows pass through a batch at a time; only the ids of a `parallel` corpus are held in memory whole.
"""

import functools
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from plugdata import licenses, pair
from plugdata.corpus.files import swap
from plugdata.errors import CorpusError, FunnelError, GateError
from plugdata.publish import Facts, Origin, Sample, findings, readback, shards
from plugdata.publish.card import card, license_text
from plugdata.recipe import Recipe
from plugdata.rows import kept

SUMS = "plugdata.sha256"  # not SHA256SUMS: a repo may hold one of its own, and ours says what may be deleted

N_SAMPLES = 3


class Built(NamedTuple):
    """What build() wrote: rows by config and split, the licence, and what the user should know."""

    rows: dict[str, dict[str, int]]
    license: str
    notes: tuple[str, ...]


def build(
    dist: Path,
    rows: Mapping[str, Path],
    recipe: Recipe,
    facts: Facts,
    report: Callable[[Path], object] = lambda path: None,
) -> Built:
    """Write dist/ anew from the Parquet file of stage `dedup` of each language (all statuses, sorted by id).

    Needs: columns of rows.DEDUP. Only kept rows are published; with `recipe.parallel` only ids kept in every language.
    report: writes the report to the file that it is given, once it is sure that the rows may be published.
    Raises: GateError if nothing is kept or the licence forbids it; FunnelError if the funnel says another number of
    kept rows; ContractError for rows of another shape or order; CorpusError if the folder cannot be written.
    """
    if dist.is_dir() and any(dist.iterdir()) and not (dist / SUMS).is_file():
        raise CorpusError(f"{dist} holds files that plugdata did not write", "move them, or name another folder")
    for path in rows.values():
        shards.require(path)
    n_kept = {lang: _count(path) for lang, path in rows.items()}
    for lang, n in n_kept.items():
        counted = facts.funnel[lang][-1][1].kept if facts.funnel.get(lang) else n
        if counted != n:
            raise FunnelError(f"{lang}: the funnel says {counted:,} rows are kept, the rows themselves {n:,}")
    common = _common(rows) if recipe.parallel else None
    published = {lang: path for lang, path in rows.items() if n_kept[lang]} if common is None or len(common) else {}
    if not published:
        where = "every language" if recipe.parallel and any(n_kept.values()) else "any language"
        raise GateError(f"no row is kept in {where}: there is nothing to publish", "`plugdata status` shows why")
    origins = _origins(published, common)
    pairs = [(origin.source, origin.license) for origin in origins]
    license = licenses.declared(recipe.publish.license, pairs, recipe.publish.split_by_license)
    apart = _apart(origins) if license == licenses.PER_ROW and recipe.publish.split_by_license else ()

    new = dist.with_name(f".{dist.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        configs, samples, found = [], {}, {}
        for lang, path in published.items():
            made, samples[lang] = shards.write(new, lang, path, common, recipe, N_SAMPLES, apart)
            found[lang] = findings.find(path, common)
            configs += made
        layouts = pair.layouts_json(shards.layouts(recipe), facts.pivot, published)
        texts = {
            "README.md": card(recipe, facts, configs, license, origins, _spread(samples), found),
            "LICENSE": license_text(recipe, facts, configs, license, origins),
            "recipe.yaml": facts.recipe_text,
            "manifest.json": facts.manifest_text,
            "layouts.json": json.dumps(layouts, ensure_ascii=False, indent=2) + "\n",
        }
        for name, text in texts.items():
            _write(new / name, text)
        report(new / "report.html")
        _write(new / SUMS, _sums(new))
        swap(new, dist)
    except OSError as error:
        raise CorpusError(f"cannot write {error.filename or dist}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    notes = tuple(f"{lang}: no row is kept, so it is left out" for lang in rows if lang not in published)
    written = {config.name: {split: size.n_rows for split, size in config.splits.items()} for config in configs}
    return Built(written, license, notes)


def check(dist: Path) -> dict[str, dict[str, int]]:
    """Rows by config and split, as `datasets.load_dataset` gives them from the folder and a throw-away cache.

    Raises CorpusError if a config does not load, or gives other rows or features than were written.
    """
    written = readback.written(dist)
    with tempfile.TemporaryDirectory(prefix=f".{dist.name}.check.", dir=dist.parent) as cache:
        found = readback.loaded(str(dist), list(written), cache)
    if found != written:
        raise CorpusError(f"{dist} does not read back as it was written: {readback.differences(written, found)}")
    return {config: {split: content.n_rows for split, content in splits.items()} for config, splits in found.items()}


def _count(path: Path) -> int:
    return int(pl.scan_parquet(path, glob=False).filter(kept()).select(pl.len()).collect(engine="streaming").item())


def _common(rows: Mapping[str, Path]) -> pl.Series:
    """The ids that are kept in every language, sorted."""
    ids = [pl.scan_parquet(path, glob=False).filter(kept()).select("id") for path in rows.values()]
    both = functools.reduce(lambda left, right: left.join(right, on="id", how="semi"), ids)
    return both.sort("id").collect(engine="streaming")["id"]


def _origins(rows: Mapping[str, Path], common: pl.Series | None) -> list[Origin]:
    """The (source, licence) pairs of the rows to publish, the most rows first."""
    frames = [
        pl.scan_parquet(path, glob=False).filter(kept()).select("id", "source", "license") for path in rows.values()
    ]
    if common is not None:
        frames = [frame.join(common.to_frame().lazy(), on="id", how="semi") for frame in frames]
    counts = pl.concat(frames).group_by("source", "license").len().collect(engine="streaming")
    ordered = counts.sort("len", "source", "license", descending=[True, False, False])
    return [Origin(*row) for row in ordered.iter_rows()]


def _apart(origins: Sequence[Origin]) -> list[str]:
    """The licences whose rows are published apart, that of the most rows first."""
    found: dict[str, int] = {}
    for origin in origins:
        name = licenses.normal(origin.license)
        if name is None:
            raise GateError(
                f"the licence of {origin.source!r} is unknown, so its rows belong in no config",
                "say it in `sources[i].license`, or leave `publish.split_by_license` out",
            )
        found[name] = found.get(name, 0) + origin.n_rows
    return sorted(found, key=lambda name: (-found[name], name))


def _spread(samples: Mapping[str, list[Sample]]) -> list[Sample]:
    """Up to `N_SAMPLES` different rows in all, from as many languages as there are."""
    by_turn = zip(range(N_SAMPLES), itertools.cycle(samples.values()), strict=False)
    return list(dict.fromkeys(found[turn % len(found)] for turn, found in by_turn))


def _sums(folder: Path) -> str:
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _write(path: Path, text: str) -> None:
    with open(path, "wb") as handle:
        handle.write(text.encode())
        handle.flush()
        os.fsync(handle.fileno())
