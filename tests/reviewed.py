"""A corpus to look at: Arabic, Korean and Thai rows of our own writing with every verdict, and rows that mean harm.

Written by the contracts of rows.py, stage by stage, as a run writes it: what a row is taken out by, and what was
measured of it, is said here and not computed, so that a test knows it. How filters judge is tested elsewhere.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plugdata import rows
from plugdata.corpus import Corpus, Counts, Manifest, SourceRecord, StageRecord, stage_key

LANGS = ("ar", "ko", "th")
FITTED = {"ratio_instruction_min": 0.25, "ratio_instruction_max": 3.0, "ratio_response_min": 0.4}
FITTED |= {"ratio_response_max": 2.0, "lid_min": 0.4}

_TEXTS = tomllib.loads((Path(__file__).parent / "labelled" / "reviewed.toml").read_text(encoding="utf-8"))

HOSTILE = (
    "<script>alert('script')</script><img src=x onerror=\"alert('img')\">",
    "</script></style></article></textarea>--><svg onload=alert('svg')><script>alert('closed')</script>",
    "\u202egnp.exe\u202c is no picture \u2066hidden\u2069, \x1b[31mred\x1b[0m, nul \x00 and \u200bnothing",
    "W" * 400,
    "'\" onmouseover=alert(1) x=' {{ 7 * 7 }} {% raw %} <a href=\"javascript:alert('link')\">here</a> &lt;b&gt;",
)
"""What a row may hold to make a page act: elements, ends of them, directions, controls, width, attributes."""


class Taken(NamedTuple):
    """How a row is taken out: at which stage, with which verdict; `measured` of it beside what all rows have."""

    stage: str
    status: str
    reason: str
    detail: str
    measured: Mapping[str, Any] = {}


def _taken(lang: str, at: int) -> Taken | None:
    """What becomes of the row at a place, in a language."""
    if at in (4, 5):
        return Taken("screen", "dropped", "duplicate-near", f"Jaccard 0.9 to row-{at - 4}", {"kept_id": _id(at - 4)})
    if at == 7:
        return Taken("translate", "quarantined", "echo", "response came back untranslated")
    if at in (9, 10, 11) and lang == "th":
        lid = {"lid_response": 0.1 * (at - 8), "lid_response_top": "en"}
        return Taken("filter", "dropped", "lid", f"p(th) {0.1 * (at - 8):.1f} < 0.4 in response", lid)
    if at in (12, 13):
        return Taken(
            "filter", "dropped", "ratio", f"{2.2 + at - 12} > 2 in response", {"ratio_response": 2.2 + at - 12}
        )
    if at in (16, 20, 24):
        twin = {"kept_id": _id(0), "cluster": _id(0), "jaccard": 0.8 + at / 200}
        return Taken("dedup", "dropped", "duplicate-near", f"Jaccard {0.8 + at / 200} to {_id(0)}", twin)
    if at == 21:
        same = {"kept_id": _id(1), "cluster": _id(1)}
        return Taken("dedup", "dropped", "duplicate-exact", f"same text as {_id(1)}", same)
    return None


def _id(at: int) -> str:
    return rows.row_id(f"row {at}", "", "")


def _row(lang: str, at: int, n_plain: int, times: int) -> dict[str, Any]:
    """The row at a place as the last stage leaves it; after `n_plain` of them come the hostile ones."""
    if at < n_plain:
        texts = list(_TEXTS.values())[at % len(_TEXTS)]
        halves = [texts[code][field].replace("{n}", str(at)) for code in ("en", lang) for field in rows.FIELDS]
        asked, answered, target, response = halves
    else:
        asked = answered = target = response = HOSTILE[at - n_plain]
    answered, response = answered * times, response * times
    taken = _taken(lang, at)
    row = dict.fromkeys(rows.DEDUP) | {"id": _id(at), "ordinal": at, "source": "our-own", "source_id": f"row-{at}"}
    row |= {"license": "apache-2.0", "lang": lang, "pivot_lang": "en", "model": "m", "prompt": "p", "status": "kept"}
    row |= {"pivot_instruction": asked, "pivot_response": answered, "instruction": target, "response": response}
    if taken is None or taken.stage in ("filter", "dedup"):
        for field, text, pivot in (("instruction", target, asked), ("response", response, answered)):
            row |= {f"lid_{field}": 0.99 - at % 7 * 0.08, f"lid_{field}_top": lang, f"script_{field}": 1.0}
            row |= {f"n_chars_{field}": len(text), f"ratio_{field}": len(text) / len(pivot)}
            row |= {f"numbers_{field}": 1.0}
    if taken:
        row |= {"status": taken.status, "stage": taken.stage, "reason": taken.reason, "detail": taken.detail}
        row |= {"reasons": [taken.reason], **taken.measured}
    elif at >= n_plain:
        row |= {"source": f"our-own {HOSTILE[0]}", "model": HOSTILE[1]}
    return row


def write(path: Path, n_plain: int = 30, until: str = "dedup", hostile: bool = True, times: int = 1) -> Corpus:
    """The corpus, each language's stages up to `until`; "screen": before anything is translated. `times`: how often
    each response is said."""
    n = n_plain + (len(HOSTILE) if hostile else 0)
    path.mkdir()
    recipe = {"corpus": str(path), "sources": [{"path": "rows.json"}], "languages": list(LANGS)}
    recipe |= {"models": [{"model": "m", "base_url": "http://127.0.0.1:9/v1"}]}
    (path / "recipe.yaml").write_text(json.dumps(recipe))
    corpus = Corpus(path)
    records: dict[str, StageRecord] = {}
    for lang in LANGS:
        whole = pl.DataFrame([_row(lang, at, n_plain, times) for at in range(n)], schema=rows.DEDUP).sort("id")
        for stage, contract in rows.CONTRACTS.items():
            key = stage_key(stage, None if stage in rows.SHARED else lang)
            if stage == "quality" or key in records or (until == "screen" and stage not in rows.SHARED):
                continue
            written = corpus.write(stage, key.partition("/")[2] or None, [_as_of(whole, stage)], contract)
            fitted = FITTED if stage == "filter" else {}
            records[key] = _record(written.output, written.census, written.counts, fitted)
            if stage == until:
                break
    source = SourceRecord(name="our-own", digest="sha256:00", license="apache-2.0")
    corpus.write_manifest(Manifest(pivot="en", sources=(source,), stages=records))
    return corpus


def _record(output: str, census: str, counts: Counts, fitted: dict[str, float]) -> StageRecord:
    return StageRecord(inputs=(), digest="b2:0", output=output, census=census, counts=counts, fitted=fitted)


def _as_of(whole: pl.DataFrame, stage: str) -> pl.DataFrame:
    """The rows as a stage left them: without the verdicts of later ones, in its own columns."""
    order = list(rows.CONTRACTS)
    later = pl.col("stage").is_in(order[order.index(stage) + 1 :])
    verdict = {name: pl.when(~later).then(name) for name in rows.VERDICT if name != "status"}
    status = pl.when(later).then(pl.lit("kept")).otherwise("status")
    kept_id = pl.when(~later).then("kept_id")
    found = whole.with_columns(**{**verdict, "status": status, "kept_id": kept_id})
    if order.index(stage) <= order.index("translate"):
        half = {"instruction": "pivot_instruction", "response": "pivot_response"}
        target = {f"target_{name}": pl.col(name) for name in half}
        found = found.with_columns(**target, **{name: pl.col(pivot) for name, pivot in half.items()})
        found = found.with_columns(input=pl.lit(""))
        lacking = {n: pl.lit(None, t) for n, t in rows.CONTRACTS[stage].items() if n not in found.columns}
        found = found.with_columns(**lacking)
    return found.select(*rows.CONTRACTS[stage])
