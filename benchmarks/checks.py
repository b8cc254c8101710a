"""What the checks of translations find among damaged answers, and what they find among right ones.

    python -m benchmarks.checks [--variants 6] [--pairs FILE]

Rows and translations are our own (tests/labelled/pairs.toml, each record with several numbers), damaged in every way of
tests/servers/llm/damage.py. "Hard": refused while translating, where it is asked for again. "Measured": of the others,
those of which a soft check, or the length band, says that something is wrong. "Dropped": by the filters' defaults.

`--pairs`: a JSONL file of translations that are known to be right, with lang, pivot_instruction, pivot_response,
instruction and response: each check that finds fault with one is a false alarm. Alarms are counted, rows are not shown;
`--show REASON` prints those of one check.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.loopback import bar, table
from plugdata import assets, languages, rows
from plugdata.checks import lid
from plugdata.curate import filters
from plugdata.pair import fold
from plugdata.recipe import Filter, Route, Translate
from plugdata.rows import AGREEMENTS, FIELDS, Reason, Status
from plugdata.translate import route, verify
from plugdata.translate.attempt import Outcome
from plugdata.translate.glossary import Glossary
from plugdata.translate.protocols import SEGMENTS
from plugdata.translate.task import translator
from plugdata.wire import Answer, Request, Result, Task
from tests.pairs import LANGS, Pair, pairs
from tests.servers.llm import SEGMENT, render
from tests.servers.llm.damage import DAMAGES, DETAIL, Asked, Said

RIGHT = "(right answers)"
TEXTS = ("pivot_instruction", "pivot_response", "instruction", "response")


class Judged(NamedTuple):
    """What became of an answer: the reasons for which it was refused, the soft checks that are below 1, and the
    filters that drop it."""

    hard: tuple[str, ...]
    measured: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class Answered(NamedTuple):
    """A pair with one answer to it: refused for some reasons, or taken apart into texts."""

    name: str
    pair: Pair
    refused: tuple[str, ...]
    texts: Mapping[str, str]


def answers(every: Sequence[Pair], model: lid.Model) -> list[Answered]:
    """Each pair with its right answer and every damage that it can have, as the translation task takes them."""
    tasks = {
        lang: translator(
            languages.get("en"), languages.get(lang), Translate(repair=0), {}, route=Route(), model=lambda: model
        )
        for lang in LANGS
    }
    found = []
    for pair in every:
        task, row = tasks[pair.lang], _row(pair)
        first = task(row, [])
        assert isinstance(first, Request)
        given = _asked(pair, first)
        kinds: dict[str, Said | None] = {RIGHT: Said(render(given.right))}
        kinds |= {name: damage(given) for name, damage in DAMAGES.items()}
        found += [_answered(name, pair, task, row, said) for name, said in kinds.items() if said]
    return found


def _row(pair: Pair) -> dict[str, Any]:
    texts = {name: pair.source.get(name, "") for name in SEGMENTS}
    hit = route.classify(*texts.values())
    policy = Route().policies[hit.task_class] if hit else None
    return {"id": "", **texts, "task_class": hit and hit.task_class, "policy": policy}


def _asked(pair: Pair, request: Request) -> Asked:
    said = [SEGMENT.findall(message.content) for message in request.messages if message.role == "assistant"]
    examples = [[(name, text.strip()) for name, _, text in one] for one in said]
    ours, theirs = pair.masked
    return Asked(pair.lang, list(ours.items()), list(theirs.items()), examples)


def _answered(name: str, pair: Pair, task: Task[Outcome], row: Mapping[str, Any], said: Said) -> Answered:
    step = task(row, [Answer(said.content, said.finish_reason, 9, 64)])
    if isinstance(step, Result):
        return Answered(name, pair, tuple(step.value.reasons), step.value.texts)
    return Answered(name, pair, (Reason.TRUNCATED,), {})  # asked for in smaller parts


def judged(found: Sequence[Answered], model: lid.Model) -> list[Judged]:
    """What the checks say of each answer."""
    soft = iter(softly([_laid(one) for one in found if not one.refused], model))
    return [Judged(one.refused) if one.refused else next(soft) for one in found]


def _laid(one: Answered) -> dict[str, Any]:
    """An answer as a row of contract PAIR."""
    source = one.pair.source
    return _row_of_pair(
        one.pair.lang,
        {
            "pivot_instruction": fold(source["instruction"], source.get("input", "")),
            "pivot_response": source["response"],
            "instruction": fold(one.texts["instruction"], one.texts["input"]),
            "response": one.texts["response"],
        },
        _row(one.pair)["policy"],
    )


def _row_of_pair(lang: str, texts: Mapping[str, str | None], policy: str | None = None) -> dict[str, Any]:
    fixed = {"id": "", "lang": lang, "pivot_lang": "en", "status": Status.KEPT, "policy": policy}
    return {**dict.fromkeys(rows.PAIR), **texts, **fixed}


def softly(laid: Sequence[Mapping[str, Any]], model: lid.Model) -> list[Judged]:
    """What the soft checks and the default filters say of pairs."""
    frame = pl.DataFrame(list(laid), schema=rows.PAIR).with_row_index("at")
    decided = [_decided(of, model) for of in frame.partition_by("lang")]
    columns = [(check, f"{check}_{field}") for check in AGREEMENTS for field in FIELDS]
    columns.append(("options", "options"))
    return [
        Judged(
            (),
            tuple(dict.fromkeys(check for check, name in columns if row[name] is not None and row[name] < 1)),
            tuple(row["reasons"] or ()),
        )
        for row in pl.concat(decided).sort("at").iter_rows(named=True)
    ]


def _decided(of_lang: pl.DataFrame, model: lid.Model) -> pl.DataFrame:
    measured = filters.measure(of_lang.drop("at"), model)
    bounds = filters.fit(measured.lazy(), Filter(), "en", of_lang["lang"][0])
    return filters.decide(measured, Filter(), bounds).with_columns(of_lang["at"])


def ours(n_variants: int, model: lid.Model) -> None:
    """Print what is found of each kind of damage, and which alarms are false."""
    found = answers(pairs(n_variants), model)
    said = judged(found, model)
    by_name: dict[str, list[Judged]] = {name: [] for name in (*DAMAGES, RIGHT)}
    missed: Counter[tuple[str, str]] = Counter()
    for one, verdict in zip(found, said, strict=True):
        by_name[one.name].append(verdict)
        if one.name != RIGHT and not any(verdict):
            missed[one.name, one.pair.lang] += 1
    table(
        ["damage", "answers", "hard", "measured", "dropped", "found", "as"],
        [[name, *_cells(verdicts)] for name, verdicts in by_name.items()],
    )
    hard = [verdict for name in DAMAGES.keys() - DETAIL.keys() for verdict in by_name[name]]
    soft = [verdict for name in DETAIL for verdict in by_name[name]]
    right = by_name[RIGHT]
    if missed:
        print("not found: " + ", ".join(f"{name} in {lang} ({n})" for (name, lang), n in sorted(missed.items())))
    n_hard, n_soft = sum(bool(one.hard) for one in hard), sum(any(one) for one in soft)
    bar("answers that are no translation are refused", f"{n_hard} of {len(hard)}", n_hard == len(hard))
    bar("something wrong in a translation shows", f"{n_soft} of {len(soft)}", n_soft == len(soft))
    n_false = sum(bool(one.hard or one.dropped) for one in right)
    bar("no right answer is refused or dropped", f"{n_false} of {len(right)}", not n_false)


def _cells(verdicts: Sequence[Judged]) -> list[object]:
    n = len(verdicts)
    shares = [sum(bool(one[place]) for one in verdicts) for place in range(3)]
    named = Counter(name for one in verdicts for name in dict.fromkeys(one.hard[:1] or (*one.measured, *one.dropped)))
    found = sum(any(one) for one in verdicts)
    return [n, *(f"{share / n:.0%}" for share in (*shares, found)), ", ".join(name for name, _ in named.most_common(3))]


def theirs(path: Path, model: lid.Model, show: str | None) -> None:
    """Print the alarms that each check raises over translations that are right."""
    given = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    soft = softly([_row_of_pair(one["lang"], {name: one[name] for name in TEXTS}) for one in given], model)
    alarms = [verdict._replace(hard=_hard(one, model)) for one, verdict in zip(given, soft, strict=True)]
    counted = [Counter(name for one in alarms for name in one[place]) for place in range(3)]
    names = sorted(set().union(*counted))
    heads = ["check", "refused while translating", "measured below 1", "dropped by default"]
    table(heads, [[name, *(_share(count[name], len(given)) for count in counted)] for name in names])
    any_of = [sum(bool(one[place]) for one in alarms) for place in range(3)]
    table(["pairs", *heads[1:]], [[len(given), *(_share(n, len(given)) for n in any_of)]])
    for one, alarm in zip(given, alarms, strict=True):
        if show and show in (*alarm.hard, *alarm.measured, *alarm.dropped):
            print(json.dumps(one, ensure_ascii=False))


def _hard(one: Mapping[str, Any], model: lid.Model) -> tuple[str, ...]:
    asked = verify.Asked(languages.get("en"), languages.get(one["lang"]), lambda: model, Glossary(), frozenset())
    source = {name: text for name in ("instruction", "response") if (text := (one[f"pivot_{name}"] or "").strip())}
    found = verify.faults(asked, source, {name: (one[name] or "").strip() for name in source})
    return tuple(dict.fromkeys(fault.reason for fault in found))


def _share(n: int, of: int) -> str:
    return f"{n} ({n / of:.1%})" if n else "0"


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=6, help="of each of our records, in numbers")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="translations that are right")
    parser.add_argument("--show", metavar="REASON", help="print the pairs that this check finds fault with")
    options = parser.parse_args(None if arguments is None else list(arguments))
    model = lid.load(assets.fetch(assets.LID176))
    if options.pairs:
        theirs(options.pairs, model, options.show)
    else:
        ours(options.variants, model)


if __name__ == "__main__":
    main()
