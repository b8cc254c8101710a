"""What `plugdata judge` shows: the figures of verdicts as tables. Takes what evaluate/ made, and computes nothing.

Tables fit into 80 columns with figures whole: an interval stands in the cell of its mean, and long names are folded.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from plugdata.calls import money
from plugdata.evaluate.agreement import Agreed
from plugdata.evaluate.asking import Cost
from plugdata.evaluate.estimates import Estimate, Group
from plugdata.evaluate.free import Checked, Lengths
from plugdata.evaluate.pairs import TALLIES, Compared, Tally
from plugdata.evaluate.single import Measured

MIN_P = 0.001
"""Smallest p that is shown as a number."""


def judged(mode: str, groups: Sequence[Compared] | Sequence[Measured], cost: Cost | None) -> Iterable[RenderableType]:
    """The figures of a mode, and what they have cost."""
    compared = [group for group in groups if isinstance(group, Compared)]
    yield from _pairs(compared) if compared else ()
    measured = [group for group in groups if isinstance(group, Measured)]
    yield from _means(measured, ".2f" if mode == "score" else ".1%") if measured else ()
    if cost:
        n_tokens, paid = cost.prompt_tokens + cost.completion_tokens, money.usd(round(cost.usd * 1e9))
        yield Text(f"{cost.calls:,} answers of the judge, {n_tokens:,} tokens, {paid} in all")


def _pairs(groups: Sequence[Compared]) -> Iterable[RenderableType]:
    """Both tallies of every group; what was judged and how; how much the first place counts."""
    table = _table("", "tally", "wins", "ties", "losses", "errors", "difference, 95 %", "p")
    for compared in groups:
        for name in TALLIES:
            tally: Tally = getattr(compared, name)
            counts = (tally.wins, tally.ties, tally.losses, tally.errors)
            p = "–" if tally.p is None else f"{tally.p:.3f}" if tally.p >= MIN_P else f"< {MIN_P}"
            shown = _named(compared.group) if name == TALLIES[0] else ""
            table.add_row(shown, name, *(f"{n:,}" for n in counts), _mean(tally.difference, "+.1%"), p)
    yield table
    yield from _how(groups, "questions")
    whole = groups[0]
    yield Text(f"{whole.unparsable:,} verdicts unparsable")
    if whole.first_share is not None:
        yield Text(f"of the verdicts for one answer, {whole.first_share:.0%} are for the one that stood first")


def _means(groups: Sequence[Measured], form: str) -> Iterable[RenderableType]:
    """Every mean of every group with its interval; how answers got their verdicts."""
    names = list(groups[0].means)
    table = _table("", "answers", *(f"{name.replace('_', ' ')}, 95 %" for name in names))
    for measured in groups:
        table.add_row(_named(measured.group), f"{measured.n:,}", *(_mean(measured.means[name], form) for name in names))
    yield table
    yield from _how(groups, "answers")


def _how(groups: Sequence[Compared] | Sequence[Measured], what: str) -> Iterable[RenderableType]:
    """How many were decided in which way, in all and in each language."""
    for group in groups:
        if group.group.kind != "category":
            ids = f" ({group.n_ids:,} ids)" if group.n_ids < group.n else ""
            yield Text(f"{_named(group.group)}: {group.n:,} {what}{ids}: {_counts(group.how)}")


def checks(
    files: Sequence[str], checked: Sequence[Sequence[Checked]], lengths: Sequence[Lengths]
) -> Iterable[RenderableType]:
    """What each file shows, language by language."""
    names = ("", "answers", "lines\nok", "answers ok\n(LPR), 95 %", "words ok\n(WPR)")
    for name, langs in zip(files, checked, strict=True):
        table = _table(*names, "chars", "loops", "repeats", "open\ncode")
        for one in langs:
            table.add_row(
                one.lang,
                f"{one.outcomes.get('answered', 0) - one.n_empty:,}",
                _share(one.lines_ok),
                _mean(one.answers_ok, ".1%"),
                _share(one.words_ok.value),
                "–" if one.n_chars is None else f"{one.n_chars:,.0f}",
                *(_share(share) for share in (one.loops, one.repeats, one.unclosed)),
            )
        yield Text(name)
        yield table
        for one in langs:
            told = _counts({**one.outcomes, **({"of these empty": one.n_empty} if one.n_empty else {})})
            named = f"; lines in other languages: {_counts(one.named)}" if one.named else ""
            yield Text(f"{one.lang}: {one.n:,} questions: {told}{named}")
        yield Text()
    for length in lengths:
        if length.ratio is not None:
            yield Text(
                f"{length.lang}: the second file's answers are {length.ratio:.2f} × as long ({length.n:,} questions)"
            )


def agreement(judges: Sequence[str | None], found: Sequence[Agreed]) -> Iterable[RenderableType]:
    """How far two judges agree, of every group and column."""
    by_rank = any(agreed.column == "score" for agreed in found)
    table = _table("", "verdict", "shared", "decided", "agreement, 95 %", "Spearman" if by_rank else "kappa")
    for agreed in found:
        beyond = agreed.spearman if by_rank else agreed.kappa
        table.add_row(
            _named(agreed.group),
            agreed.column,
            f"{agreed.n_shared:,}",
            f"{agreed.n:,}",
            _mean(agreed.agreement, ".1%"),
            "–" if beyond is None else f"{beyond:.2f}",
        )
    yield table
    yield Text(f"first judge: {judges[0]}; second: {judges[1]}")
    for agreed in found:
        if agreed.group.kind == "all" and agreed.said:
            yield Text(f"{agreed.column}, first judge/second: {_counts(agreed.said)}")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for name in columns:
        is_text = name in ("", "tally", "verdict")
        # a name gives way, down to a few letters a line; a figure never does
        table.add_column(name, justify="left" if is_text else "right", no_wrap=bool(name), overflow="fold")
    return table


def _named(group: Group) -> str:
    return group.name or group.kind


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _mean(estimate: Estimate, form: str) -> str:
    """A mean and its interval: +12.5% [+3.0, +22.0]."""
    if estimate.value is None:
        return "–"
    bounds = [f"{bound:{form}}".rstrip("%") for bound in (estimate.low, estimate.high) if bound is not None]
    return f"{estimate.value:{form}} [{', '.join(bounds) or '–'}]"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
