"""A published folder of our own writing, and every format exported from it: python -m tests.exports.made DIR."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from plugdata import pair
from plugdata.pair import LayoutName
from plugdata.publish import COLUMNS, export
from plugdata.publish.export.formats import FORMATS
from plugdata.rows import row_id

PAIRS: dict[str, list[tuple[str, str, str, str]]] = {
    "ko": [
        ("Name a fruit.", "An apple.", "과일 하나를 말해 보세요.", "사과입니다."),
        ("Add the numbers.\n\n2 and 3", "2 + 3 = 5", "숫자를 더하세요.\n\n2와 3", "2 + 3 = 5"),
        ("Why is the sky blue?", "Air scatters blue light.", "하늘은 왜 파란가요?", "공기가 푸른빛을 흩뜨립니다."),
    ],
    "sw": [
        ("Name a fruit.", "An apple.", "Taja tunda moja.", "Tofaa."),
        ("Add the numbers.\n\n2 and 3", "2 + 3 = 5", "Jumlisha namba.\n\n2 na 3", "2 + 3 = 5"),
        ("Why is the sky blue?", "Air scatters blue light.", "Kwa nini anga ni la buluu?", "Hewa hutawanya mwanga."),
    ],
}
"""Pivot instruction and response, target instruction and response: of each language the same rows."""


def publish(
    folder: Path,
    pairs: Mapping[str, Sequence[tuple[str, str, str, str]]] = PAIRS,
    layouts: Sequence[LayoutName] = ("plug",),
    n_validation: int = 0,
) -> Path:
    """The folder as dist/ has it: the first layout's config is LANG, the last rows by id are the split validation."""
    for lang, texts in pairs.items():
        rows = pl.DataFrame(
            [
                {
                    "id": row_id(pivot[0], "", pivot[1]),
                    "source": "our/rows",
                    "source_id": str(n),
                    "lang": lang,
                    "pivot_lang": "en",
                    "pivot_instruction": pivot[0],
                    "pivot_response": pivot[1],
                    "instruction": instruction,
                    "response": response,
                    "lid_score": 0.9,
                    "length_ratio": 1.0,
                    "license": "cc-by-4.0",
                }
                for n, (*pivot, instruction, response) in enumerate(texts)
            ]
        ).sort("id")
        for layout in layouts:
            whole = rows.with_columns(
                layout=pl.lit(layout),
                template=pl.lit(pair.LAYOUTS[layout].template),
                messages=pair.turns(layout, "en", lang),
            ).select(*COLUMNS)
            where = folder / (lang if layout == layouts[0] else f"{lang}-{layout}")
            where.mkdir(parents=True)
            n = whole.height - n_validation
            whole.head(n).write_parquet(where / "train-00000-of-00001.parquet")
            if n_validation:
                whole.tail(n_validation).write_parquet(where / "validation-00000-of-00001.parquet")
    (folder / "LICENSE").write_text("Creative Commons Attribution 4.0\n")
    return folder


def main(target: Path) -> None:
    """Every format in DIR/FORMAT, and with the system's line in the user's turn in DIR/FORMAT-inline."""
    shutil.rmtree(target, ignore_errors=True)
    published = publish(target / "published")
    for format in FORMATS:
        export.write(published, target / format, format)
        export.write(published, target / f"{format}-inline", format, system="inline")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
