"""What the page says beside the rows: the funnel, distributions, duplicates, money, licences, what it was made from.

Owns which of a corpus's numbers a report shows. Must not know how they look.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import polars as pl

from plugdata import __version__, languages, licenses
from plugdata.calls.ledger.archive import Sum, Summary, together
from plugdata.corpus import Corpus, Manifest
from plugdata.errors import GateError
from plugdata.recipe import Recipe, public
from plugdata.review import chosen, measured, screen, stats
from plugdata.review.chosen import View
from plugdata.review.measured import Bin, Bounds, Measurement
from plugdata.rows import CONTRACTS, Reason, kept

MAX_CLUSTERS, MIN_CLUSTERS, MEMBERS = 60, 3, 5
"""Clusters on a page, but so many of each language, and duplicates shown of each: some 60 kB, a sixteenth of a page."""
EXCERPT = 160
"""Characters of a duplicate: two lines of a table."""
NAMES = 10
"""Languages that have a column of their own where language ID named them: what fits beside a name."""


class Chart(NamedTuple):
    """The distribution of one measured column of a language."""

    lang: str
    column: str
    bounds: Bounds
    bins: list[Bin]


class Named(NamedTuple):
    """Expected × named: by (language, field) the rows that each language was named for, in the order of `names`."""

    names: list[str]
    rows: dict[tuple[str, str], list[int]]


class Member(NamedTuple):
    """A row in a cluster; jaccard: to the kept row, None: equal to it, or it itself."""

    id: str
    stage: str | None
    jaccard: float | None
    text: str


class Cluster(NamedTuple):
    """Duplicates and the row kept in their place; None: taken out in these languages, or another data set's."""

    langs: list[str]
    n: int
    keeper: Member | None
    members: list[Member]


class Origin(NamedTuple):
    source: str
    license: str | None
    n_kept: int


class Facts(NamedTuple):
    views: list[View]  # of each language, or of all before one has a stage
    funnel: stats.Funnel
    notes: list[str]  # on repair and quality, a line each
    language_id: list[Chart]
    named: Named
    ratios: list[Chart]
    numbers: list[tuple[str, list[Measurement]]]
    clusters: list[Cluster]
    n_clusters: int
    asked: list[tuple[str, str, str, Sum]]  # model, stage, prompt: repairs have one of their own
    errors: dict[str, int]  # calls given up, by class
    charges: list[tuple[str, int, int]]  # why, calls, nano-dollars
    nano_usd: int
    origins: list[Origin]
    license: str
    license_problem: str
    prints: list[tuple[str, str]]
    stages: list[tuple[str, str]]  # and the sha256 of their rows


def gather(corpus: Corpus, recipe: Recipe, ledger: Summary | None, kept_only: bool = False) -> Facts:
    """Everything but the rows; kept_only: duplicates are counted, and a text is shown of kept ones alone.

    Raises FunnelError if the funnel does not balance, InputError if nothing is finished.
    """
    state = stats.state(corpus)
    manifest = corpus.manifest()
    langs = stats.languages_of(manifest) if manifest else []
    views = [chosen.view(corpus, lang) for lang in langs] or [chosen.view(corpus, None)]
    manifest = views[0].manifest
    bounds = [(view, view.bounds(recipe)) for view in views if view.lang]
    clusters, n_clusters = _clusters(views, kept_only)
    uses = stats.used(ledger, recipe)
    kinds: dict[tuple[str, str, str], list[Sum]] = {}
    for use in uses:
        kinds.setdefault((use.model, use.stage, use.prompt), []).append(use.sum)
    asked = [(*kind, together(sums)) for kind, sums in kinds.items()]
    origins = _origins(views)
    license, problem = _license(recipe, origins)
    return Facts(
        views=views,
        funnel=state.funnel,
        notes=[line.plain for line in screen.notes(state)],
        language_id=_charts(bounds, "lid"),
        named=_named(views),
        ratios=_charts(bounds, "ratio"),
        numbers=[(view.lang or "", found) for view, of in bounds if (found := measured.measurements(view.scan(), of))],
        clusters=clusters,
        n_clusters=n_clusters,
        asked=asked,
        errors=ledger.errors if ledger else {},
        charges=[(why, *calls) for why, calls in ledger.charges.items()] if ledger else [],
        nano_usd=ledger.nano_usd if ledger else 0,
        origins=origins,
        license=license,
        license_problem=problem,
        prints=_prints(recipe, manifest, [use.sum for use in uses]),
        stages=[(key, manifest.stages[key].output) for key in sorted(manifest.stages, key=_place)],
    )


def _charts(bounds: Iterable[tuple[View, Mapping[str, Bounds]]], base: str) -> list[Chart]:
    """A chart of each column that measures `base`, in each language that has any."""
    charts = []
    for view, of in bounds:
        for column in measured.columns(view.scan().collect_schema()):
            limits = of.get(column, Bounds(None, None))
            if measured.base(column) == base and (bins := measured.histogram(view.scan(), column, limits)):
                charts.append(Chart(view.lang or "", column, limits, bins))
    return charts


def _named(views: Iterable[View]) -> Named:
    """How often which language was named; those beyond NAMES together as "other"."""
    counts = {
        (view.lang, field): names
        for view in views
        if view.lang
        for field, names in measured.named(view.scan()).items()
        if names
    }
    totals: dict[str, int] = {}
    for (lang, _), names in counts.items():
        totals.setdefault(lang, 0)
        for name, n in names.items():
            totals[name] = totals.get(name, 0) + n
    abstained = totals.pop(measured.ABSTAINED, 0)
    first = sorted(totals, key=lambda name: (-totals[name], name))[:NAMES]
    heads = [*first, *(["other"] if len(totals) > NAMES else []), *([measured.ABSTAINED] if abstained else [])]
    rows = {}
    for key, found in counts.items():
        others = sum(n for name, n in found.items() if name not in first and name != measured.ABSTAINED)
        rows[key] = [others if name == "other" else found.get(name, 0) for name in heads]
    return Named(heads, rows)


def _clusters(views: list[View], kept_only: bool) -> tuple[list[Cluster], int]:
    """The largest clusters of each language, those that several have alike as one, and how many there are at all, a
    cluster of several languages counted in each."""
    per_view = max(MIN_CLUSTERS, MAX_CLUSTERS // len(views))
    found: dict[tuple[object, ...], Cluster] = {}
    n_clusters = 0
    for view in views:
        rows = view.scan()
        names = rows.collect_schema().names()
        if "kept_id" not in names:
            continue
        jaccard = pl.col("jaccard") if "jaccard" in names else pl.lit(None, pl.Float64).alias("jaccard")
        twins = rows.filter(pl.col("kept_id").is_not_null()).with_columns(jaccard)
        sizes = twins.group_by("kept_id").len()
        n_clusters += sizes.select(pl.len()).collect(engine="streaming").item()
        largest = sizes.bottom_k(per_view, by=[-pl.col("len").cast(pl.Int64), "kept_id"]).collect(engine="streaming")
        ordered = largest.sort(["len", "kept_id"], descending=[True, False]).rows()
        columns = ("ordinal", "id", "stage", "jaccard")
        like = pl.col("jaccard").fill_null(1.0)
        asked = [
            twins.filter(pl.col("kept_id") == key).select(columns).bottom_k(MEMBERS, by=[like, "ordinal"])
            for key, _ in ordered
        ]
        asked.append(
            rows.filter(pl.col("id").is_in([key for key, _ in ordered]))
            .filter(pl.col("reason").ne_missing(Reason.DUPLICATE_ID), kept() | (not kept_only))
            .with_columns(jaccard)
            .select(columns)
        )
        *groups, keepers = pl.collect_all(asked, engine="streaming")
        shown_of = (keepers,) if kept_only else (*groups, keepers)
        texts = _texts(view, [o for frame in shown_of for o in frame["ordinal"].to_list()])
        keeping = {row["id"]: row for row in keepers.iter_rows(named=True)}
        for (key, n), members in zip(ordered, groups, strict=True):
            shown = members.sort(like, "ordinal").iter_rows(named=True)
            keeper = _member(keeping[key], texts) if key in keeping else None
            cluster = Cluster([], n + 1, keeper, [_member(row, texts) for row in shown])
            alike = (key, n, keeper is None, *(member.id for member in cluster.members))
            found.setdefault(alike, cluster).langs.append(view.lang or stats.ALL)
    return sorted(found.values(), key=lambda cluster: -cluster.n), n_clusters


def _texts(view: View, ordinals: list[int]) -> dict[int, str]:
    """The beginning of the pivot's instruction and response of some rows."""
    rows = view.read(sorted(set(ordinals)))
    texts = pl.concat_str("pivot_instruction", "pivot_response", separator=" ⏎ ", ignore_nulls=True)
    cut = pl.when(texts.str.len_chars() > EXCERPT).then(texts.str.head(EXCERPT - 1) + "…").otherwise(texts)
    return dict(rows.select("ordinal", cut.str.replace_all(r"\s+", " ")).iter_rows())


def _member(row: Mapping[str, object], texts: Mapping[int, str]) -> Member:
    ordinal, jaccard = row["ordinal"], row["jaccard"]
    assert isinstance(ordinal, int) and (jaccard is None or isinstance(jaccard, float))
    return Member(str(row["id"]), str(row["stage"] or ""), jaccard, texts.get(ordinal, ""))


def _origins(views: Iterable[View]) -> list[Origin]:
    """Sources under their licences, and how many of their rows are kept, over all languages."""
    kept_rows = [view.scan().select("source", "license", kept=kept().cast(pl.Int64)) for view in views]
    found = pl.concat(kept_rows).group_by("source", "license").agg(pl.col("kept").sum())
    return [Origin(*row) for row in found.sort("source", "license").collect(engine="streaming").iter_rows()]


def _license(recipe: Recipe, origins: Iterable[Origin]) -> tuple[str, str]:
    """What a publication would be licensed as, or why it may not be."""
    try:
        found = [(origin.source, origin.license) for origin in origins if origin.n_kept]
        return licenses.declared(recipe.publish.license, found, recipe.publish.split_by_license), ""
    except GateError as refused:
        return "", str(refused)


def _place(key: str) -> tuple[int, str]:
    """Where a stage stands: in the order of the stages, whichever of them was written last."""
    stage, _, lang = key.partition("/")
    return list(CONTRACTS).index(stage), lang


def _prints(recipe: Recipe, manifest: Manifest, sums: list[Sum]) -> list[tuple[str, str]]:
    """What this report was made from, so that another one can be told to be of the same corpus, wherever it lies."""
    pivot = languages.get(manifest.pivot)
    found = [("plugdata", __version__), ("pivot", f"{pivot.name} ({pivot.code})")]
    if sums:
        whole = together(sums)
        found.append(("answered", " to ".join(dict.fromkeys((whole.first_date, whole.last_date)))))
    found += [(f"source {source.name}", source.digest) for source in manifest.sources]
    found.append(("recipe", f"sha256:{hashlib.sha256(public(recipe).encode()).hexdigest()}"))
    return found
