"""What a further round of X-Instruction trains on: the next generator and the next rater, from rated rows.

    FOLDER/
      generator/train-00000-of-00001.parquet   user: the bare prompt with the passage; assistant: the instruction
      rater/train-00000-of-00001.parquet       user: the rating prompt with the pair; assistant: the line of the mark
      layouts.json  README.md

The form is that of a published corpus, so that train_ref/ trains on it as it does on any. Each set asks as the stage
does (x-instruction-base, rate-5 or rate-3), so a round is a rerun of the recipe with the model that came of it.

The generator learns from rows with the best mark there is. The rater learns from every rating, as many of each mark as
the rarest has (or `per_mark`): a rater that has seen nothing but fours gives fours. It learns the verdict without its
reasons, which nobody has judged. Of a mark with too many those of the smallest hash are taken, the same in every run.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import polars as pl

from plugdata import languages
from plugdata.corpus.files import writing
from plugdata.errors import InputError
from plugdata.languages import Language
from plugdata.rows import kept
from plugdata.wire import Message
from plugdata.xinstruct.generate import PROMPTS, bare_message
from plugdata.xinstruct.rate import SCALES, rating_messages

GENERATOR, RATER = "generator", "rater"
"""The names of the sets, which are configs to their reader."""

BARE = PROMPTS["x-instruction-base"]

_TURN = pl.Struct({"role": pl.String(), "content": pl.String()})
EXAMPLE: dict[str, pl.DataType] = {
    "id": pl.String(),  # of the row
    "lang": pl.String(),
    "source": pl.String(),
    "license": pl.String(),
    "candidate": pl.Int32(),  # its place among those of the row, from 0; of the generator's set: null
    "rating": pl.Int32(),
    "template": pl.String(),
    "prompt": pl.String(),  # what the user says
    "answer": pl.String(),  # what the assistant says
    "messages": pl.List(_TURN),
}
"""The columns of both sets."""

Keep = Callable[[str, int, int], bool]
"""(id, candidate, mark) → whether the rater learns from it."""


class Sets(NamedTuple):
    """Examples of either set, columns EXAMPLE."""

    generator: pl.DataFrame
    rater: pl.DataFrame


def training_sets(batch: pl.DataFrame, pivot: Language, levels: int, keep: Keep = lambda *rating: True) -> Sets:
    """The examples that some rows give: of the generator those with the best mark, of the rater every rating kept.

    Needs: rows.RATE, of one recipe. Order: that of the rows.
    """
    generator, rater = [], []
    rated = batch.filter(pl.col("ratings").is_not_null())
    for row in rated.filter(kept() & (pl.col("rating") == levels)).iter_rows(named=True):
        asked = (bare_message(pivot, languages.get(row["lang"]), row["passage"]),)
        generator.append(_example(row, None, levels, BARE, asked, row["instruction"]))
    scale = SCALES[levels]
    for row in rated.iter_rows(named=True):
        for at, mark in _marks(row):
            if keep(row["id"], at, mark):
                of, text = languages.get(row["lang"]), row["candidates"][at]["text"]
                asked_of_rater = rating_messages(scale, pivot, of, text, row["passage"])
                rater.append(_example(row, at, mark, scale.prompt, asked_of_rater, scale.line(mark)))
    return Sets(*(pl.DataFrame(examples, schema=EXAMPLE, orient="row") for examples in (generator, rater)))


def _marks(row: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Each mark of a row with the place of its candidate."""
    return ((at, mark) for at, mark in enumerate(row["ratings"]) if mark is not None)


def _example(
    row: Mapping[str, Any], at: int | None, mark: int, template: str, asked: tuple[Message, ...], answer: str
) -> dict[str, Any]:
    turns = [{"role": message.role, "content": message.content} for message in asked]
    return {
        **{name: row[name] for name in ("id", "lang", "source", "license")},
        "candidate": at,
        "rating": mark,
        "template": template,
        "prompt": asked[-1].content,
        "answer": answer,
        "messages": [*turns, {"role": "assistant", "content": answer}],
    }


def check(folder: Path) -> None:
    """Raise InputError for a folder that holds something."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} is there already", "name a folder that is not")


def write_round(
    folder: Path,
    rows: Callable[[], Iterable[pl.DataFrame]],
    pivot: Language,
    levels: int,
    per_mark: int | None = None,
) -> dict[str, dict[tuple[str, int], int]]:
    """Write the sets of a round to a new folder; gives the examples of each set by language and mark.

    `rows` gives batches of rows.RATE, from the beginning each time: they are gone through twice, and never held. Marks
    of some 8 bytes each are. Raises InputError where the folder holds something, or nothing is rated as the best.
    """
    check(folder)
    keep = _balanced(rows(), per_mark)
    made = (training_sets(batch, pivot, levels, keep) for batch in rows())
    new = folder.with_name(f".{folder.name}.new")
    with writing(folder):
        shutil.rmtree(new, ignore_errors=True)
        try:
            counted = _write(new, made)
            if not counted[GENERATOR]:
                raise InputError(
                    f"no row is rated {levels} of {levels}", "there is nothing that a generator could learn from"
                )
            codes = sorted({lang for count in counted.values() for lang, _ in count})
            layouts = json.dumps(_layouts(pivot, levels, codes), ensure_ascii=False, indent=2)
            (new / "layouts.json").write_text(layouts + "\n", encoding="utf-8")
            (new / "README.md").write_text(_readme(folder, counted, pivot, levels), encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return counted


def _balanced(rows: Iterable[pl.DataFrame], per_mark: int | None) -> Keep:
    """Which ratings the rater learns from: as many of each mark."""
    keys: dict[int, list[pl.Series]] = {}
    for batch in rows:
        found: dict[int, list[int]] = {}
        for row in batch.filter(pl.col("ratings").is_not_null()).select("id", "ratings").iter_rows(named=True):
            for at, mark in _marks(row):
                found.setdefault(mark, []).append(_key(row["id"], at))
        for mark, some in found.items():
            keys.setdefault(mark, []).append(pl.Series(some, dtype=pl.UInt64))
    every = {mark: pl.concat(some).sort() for mark, some in keys.items()}
    least = per_mark or min(map(len, every.values()), default=0)
    last = {mark: of[min(least, len(of)) - 1] for mark, of in every.items()}
    return lambda id, at, mark: _key(id, at) <= last[mark]


def _key(id: str, at: int) -> int:
    return int.from_bytes(blake2b(f"round\0{id}\0{at}".encode(), digest_size=8).digest(), "big")


def _write(new: Path, made: Iterable[Sets]) -> dict[str, dict[tuple[str, int], int]]:
    """Write the examples, and count them."""
    import pyarrow.parquet as pq

    counted: dict[str, dict[tuple[str, int], int]] = {name: {} for name in Sets._fields}
    schema = pl.DataFrame(schema=EXAMPLE).to_arrow().schema
    for name in Sets._fields:
        (new / name).mkdir(parents=True)
    files = {name: new / name / "train-00000-of-00001.parquet" for name in Sets._fields}
    with (
        pq.ParquetWriter(files[GENERATOR], schema, compression="zstd") as generator,
        pq.ParquetWriter(files[RATER], schema, compression="zstd") as rater,
    ):
        for sets in made:
            for name, writer, examples in zip(Sets._fields, (generator, rater), sets, strict=True):
                if examples.height:
                    writer.write_table(examples.to_arrow().cast(schema))
                for lang, mark, n in examples.group_by("lang", "rating").len().iter_rows():
                    counted[name][lang, mark] = counted[name].get((lang, mark), 0) + n
    return {name: dict(sorted(count.items())) for name, count in counted.items()}


def _layouts(pivot: Language, levels: int, codes: Iterable[str]) -> dict[str, Any]:
    """What layouts.json says of either set, as publish.layouts does of a corpus's."""
    scale = SCALES[levels]
    systems = {code: rating_messages(scale, pivot, languages.get(code), "", "")[0].content for code in codes}

    def layout(name: str, of: Mapping[str, str]) -> dict[str, Any]:
        texts = {code: {"system": system, "labels": []} for code, system in of.items()}
        return {"layout": name, "pivot": pivot.code, "user": "prompt", "parts": ["answer"], "languages": texts}

    return {BARE: layout(GENERATOR, dict.fromkeys(systems, "")), scale.prompt: layout(RATER, systems)}


def _readme(folder: Path, counted: Mapping[str, Mapping[tuple[str, int], int]], pivot: Language, levels: int) -> str:
    table = [f"| {name} | {lang} | {mark} | {n:,} |" for name, of in counted.items() for (lang, mark), n in of.items()]
    return _README.substitute(name=folder.as_posix(), pivot=pivot.name, levels=levels, table="\n".join(table))


_README = Template("""\
# A round of X-Instruction: $name

Training sets for the next generator of instructions in $pivot and the next rater ($levels levels), made by plugdata
from rows that a model has rated. They are no corpus to publish: ratings are a model's word, and each row has the
licence of its source (`license`; empty = unknown).

| set | language | mark | examples |
|---|---|---|---|
$table

```bash
python train_ref/sft.py train_ref/configs/one-gpu.yaml data=$name configs=generator output=runs/generator
python train_ref/sft.py train_ref/configs/one-gpu.yaml data=$name configs=rater output=runs/rater
```

Then make another corpus from the same recipe, with `generate.template: x-instruction-base`, the generator as
`generate.model` and the rater as `rate.model`.
""")
