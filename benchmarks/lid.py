"""Language ID as `filter` decides on it: what it keeps of right texts, what it finds of wrong ones, and what it costs.

    python -m benchmarks.lid [--model lid176|glotlid|openlid|nllb|PATH] [--wrong] [--udhr FILE] [--rounds 5]

Texts are our own (tests/labelled/lid): short instructions, answers of some paragraphs, with code, names and titles.
Every language's pieces are judged as rows of that language, and so are four kinds of row that were left in English:
whole, in the second half, in the last paragraph, in a short instruction before a right response. All by the bounds that
a corpus of so few rows gets.
`--wrong` prints the rows that were judged wrongly. `--udhr`: a JSON file of {language: [paragraphs]}, right texts and,
in the pivot, wrong ones alike. The cost is that of reading what the language ID stage is given: rows/s as a share of
those of fastText's own `predict(list)` on whole texts, in turns.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.loopback import bar, table
from plugdata import assets, languages, recipe, rows
from plugdata.checks import lid
from plugdata.checks.prose import MIN_LETTERS, prose
from plugdata.curate import filters
from plugdata.curate.filters import language
from tests.labelled import LID_LANGS, Piece, pieces

PIVOT = "en"
LEFT = ("whole", "half", "last paragraph")
SHORT = "instruction"
"""The kind of row of which only that, short, was left in the pivot, before a response that was not."""


def judged(texts: Sequence[Piece], lang: str, model: lid.Model, instructions: Sequence[str] = ()) -> pl.DataFrame:
    """What is measured and decided of rows whose responses are these texts; their pivots hold what they quote.

    `instructions`: theirs, without which there are none.
    """
    of_pivot = pieces(PIVOT)
    given = [
        dict.fromkeys(rows.PAIR)
        | {"id": str(n), "lang": lang, "pivot_lang": PIVOT, "status": "kept", "pivot_instruction": ""}
        | {"instruction": instructions[n] if instructions else "", "response": text.text}
        | {"pivot_response": f"{of_pivot[n % len(of_pivot)].text} {' '.join(text.quoted)}"}
        for n, text in enumerate(texts)
    ]
    measured = filters.measure(pl.DataFrame(given, schema=rows.PAIR), model)
    settings = recipe.Filter()
    bounds = filters.fit(measured.lazy(), settings, PIVOT, lang)
    check = language.by_lid(settings, bounds)
    script = language.by_script(settings, bounds)
    held = (check.condition | script.condition).fill_null(False)
    return measured.select("response", "lid_response", "lid_response_top", "lid_response_mixed", dropped=held)


def left(texts: Sequence[Piece]) -> dict[str, list[Piece]]:
    """Rows that were left in the pivot: whole, from the middle on, in the last paragraph."""
    own = [text.text for text in texts]
    of_pivot = [piece.text for piece in pieces(PIVOT) if _n_letters(piece.text) >= MIN_LETTERS]
    made: dict[str, list[Piece]] = {kind: [] for kind in LEFT}
    for n, english in enumerate(of_pivot):
        before, next_, after = (own[(n + shift) % len(own)] for shift in (0, 7, 15))
        made["whole"].append(Piece(english, ()))
        made["half"].append(Piece(before + (" " if before[-1] in ".!?。！？।۔؟" else "\n") + english, ()))
        made["last paragraph"].append(Piece(f"{before}\n\n{next_}\n\n{after}\n\n{english}", ()))
    return made


def with_instructions_left(texts: Sequence[Piece], lang: str, model: lid.Model) -> pl.DataFrame:
    """The same of right responses, of three texts each, whose instructions are sentences left in the pivot."""
    sentences = [end.strip() for piece in pieces(PIVOT) for end in re.split(r"(?<=[.?!])\s", piece.text)]
    short = [text for text in sentences if _n_letters(text) >= MIN_LETTERS and len(text) <= language.SHORT_CHARS]
    three = ([texts[(n + shift) % len(texts)] for shift in (0, 7, 15)] for n in range(len(short)))
    said = [Piece("\n\n".join(of.text for of in some), sum((of.quoted for of in some), ())) for some in three]
    return judged(said, lang, model, short)


def share(held: pl.Series) -> float:
    return float(sum(held.to_list())) / len(held)


def _n_letters(text: str) -> int:
    return sum(map(str.isalpha, prose(pl.Series([text]))[0]))


def cost(texts: pl.Series, model: lid.Model, lang: str, rounds: int) -> float:
    """Rows/s of the stage as a share of raw fastText's, on the same prose; CPU time, median of rounds in turns."""
    code, pivot = languages.get(lang), languages.get(PIVOT)
    raw = [text.replace("\n", " ") for text in texts]

    def clocked(work: Callable[[], object]) -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    ratios = [
        clocked(lambda: model.predict(raw, 1, 0.0)) / clocked(lambda: lid.scores(model, texts, code, pivot))
        for _ in range(rounds)
    ]
    return median(ratios)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", default="lid176")
    asked.add_argument("--wrong", action="store_true")
    asked.add_argument("--udhr", type=Path)
    asked.add_argument("--rounds", type=int, default=5)
    options = asked.parse_args()
    known = assets.LID_MODELS.get(options.model)
    model = lid.load(assets.fetch(known) if known else Path(options.model))
    texts = {lang: pieces(lang) for lang in LID_LANGS}
    if options.udhr:
        texts = {c: [Piece(t, ()) for t in said] for c, said in json.loads(options.udhr.read_text()).items() if said}

    named: dict[str, Counter[str]] = {}
    worst_kept, worst_found = 1.0, 1.0
    lines = []
    for lang, own in texts.items():
        if lang == PIVOT:
            continue
        right = judged(own, lang, model)
        seen = right.filter(pl.col("lid_response").is_not_null())
        named[lang] = Counter(seen["lid_response_top"])
        kept = 1 - share(right["dropped"])
        found = {kind: judged(wrong, lang, model) for kind, wrong in left(own).items()}
        found[SHORT] = with_instructions_left(own, lang, model)
        shares = [share(of["dropped"]) for of in found.values()]
        ours, theirs = (sorted(of["lid_response"].drop_nulls().to_list()) for of in (right, found["whole"]))
        shown = [f"{at:.1%}" for at in (kept, *shares)]
        low, high = ours[len(ours) // 50], theirs[-1]
        lines.append([lang, len(own), len(own) - len(seen), *shown, f"{low:.2f}", f"{high:.2f}"])
        worst_kept, worst_found = min(worst_kept, kept), min(worst_found, *shares)
        if options.wrong:
            for kind, of in {"right": right, **found}.items():
                for row in of.filter(pl.col("dropped") == (kind == "right")).iter_rows(named=True):
                    print(
                        lang,
                        kind,
                        *(row[c] for c in row if c not in ("response", "dropped")),
                        repr(row["response"][:160]),
                    )
    head = [
        "language",
        "right",
        "abstained",
        "kept",
        *(f"left: {kind}" for kind in (*LEFT, SHORT)),
        "p of 98 %",
        "p of English",
    ]
    table(head, lines)
    print()
    print("Named (of right texts that were judged; own language, and every other that was named):")
    table(
        ["expected", "rightly", "otherwise"],
        [
            [lang, of[lang], ", ".join(f"{name} {n}" for name, n in of.most_common() if name != lang) or "–"]
            for lang, of in named.items()
        ],
    )
    print()
    for lang in ("es", "sw", "ko"):
        said = [piece.text for piece in texts[lang]] * 200
        # a row: an instruction of one piece, a response of six
        rows_of = [(said[n], "\n".join(said[n + 1 : n + 7])) for n in range(0, len(said) - 6, 2)]
        both = prose(pl.Series([text for row in rows_of for text in row]))
        ratio = cost(both, model, lang, options.rounds)
        n_chars = both.str.len_chars().sum() / len(rows_of)
        says = f"{lang}, rows of {n_chars:.0f} characters: rows/s of raw fastText ≥ 80 %"
        bar(says, f"{ratio:.0%}", ratio >= 0.8)
    bar("right rows kept ≥ 97 % in every language", f"{worst_kept:.1%}", worst_kept >= 0.97)
    bar("rows left in the pivot found ≥ 99 % in every language", f"{worst_found:.1%}", worst_found >= 0.99)


if __name__ == "__main__":
    main()
