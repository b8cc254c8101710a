"""Single words of the pivot left in a text of another script: "2 tablespoons融化黄油", "장애를 cause하는 경우".

Weak models leave them, and no other check sees them: leftover.py wants three in a row, and copying.py and shared.py
look for words between white space, which Chinese, Japanese and Thai have not. Where pivot and target are written alike
(Spanish, Swahili) such a word cannot be told from the target's own, so the measure abstains.

A word that is left stands in the source as it stands in the target, in small letters. Much that stands there rightly
does not count: names and titles (whatever hangs together with a capital), quotations and glosses ("绝缘 (insulation)"),
addresses, hashtags and identifiers, units behind a number, words of computing that are written so in every language.
A pivot whose letters have no case has no such signs: two letters of it count, names too, for a target of another script
has letters of its own for them.

Takes texts as they are, and judges their prose; knows no row.
"""

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import polars as pl

from plugdata.checks import script
from plugdata.checks.copying import to_translate
from plugdata.checks.prose import prose_of
from plugdata.checks.spans import without_code
from plugdata.languages import Language

MIN_LETTERS = 3
"""Of a word: two small letters are as often a unit (km) or an abbreviation (vs) as they are left over."""
MIN_UNCASED = 2
"""The same where letters have no case: one Chinese character alone may be an example, or what the text is about."""
_STEM = 4
"""Letters by which a word is known in the source, for some are left in another form: "refine" of "refined". Of 90
words found in 78 kept rows of a small model, into Chinese and Korean, eight are found by this, all of them left."""

_UNIT = re.compile("min|sec|hrs|mol|bar|rad|rpm|ppm|ppb|bpm|fps|dpi|ppi|mph|psi|cal|kcal|atm|lux")
"""Units of three letters or more that other scripts write in Latin letters too: "bar" is one behind a number alone."""
_STAYS = re.compile(
    "int|str|bool|char|null|nil|true|false|void|var|const|async|await|enum|tuple|dict|regex|for|while|else|elif|return"
    "|print|import|def|class|try|except|catch|finally|switch|break|continue|self|this|static|public|private|lambda"
    "|json|html|css|xml|yaml|csv|sql|api|url|https?|utf|ascii|localhost|std(?:in|out)|pdf|jpe?g|png|gif|web|app|bug"
    "|npm|pip|git|bash|sudo|ssh|curl|grep|awk|sed|vim|numpy|pandas|scipy|sklearn|pytorch|matplotlib|django|flask|nginx"
    "|docker|kubectl|linux|macos|(?:arc)?(?:sin|cos|tan)|log|exp|sqrt|lim|max|min|mod|gcd|lcm|det"
    "|abc|xyz|iii|x?vii|viii|xiii?"
)
"""Words that stand in texts of all scripts as they are: of programs ("for 循环"), of mathematics, small numerals."""

_AROUND = "-.:*'’~"
"""What stands beside a word that it is no part of: emphasis, a full stop, a dash behind a word of another script."""
_IDENTIFIES = re.compile(r"[/\\@=+^#|$<>_*&~.:]")
_IN_TOKEN = r"\d_'’.:/@#&=+*^\\|~$<>-"
_ASIDE = re.compile(
    '["“„«‹「『《〈【]([^"“”„«»‹›「」『』《》〈〉【】\n]{1,60})["“”»›」』》〉】]'
    "|(?<!\\w)['‘]([^'‘’\n]{1,60})['’](?!\\w)"
    "|[(（\\[]([^()（）\\[\\]\n]{1,60})[)）\\]]"
)
"""What is quoted (1, 2) or in brackets (3); what is longer is a sentence, and to be translated."""

_BRACKET = re.compile(" ?[(（]")

_CODE = re.compile("^[^\n]*(?:=[^\n]*|[;{}])$", re.MULTILINE)
"""A line of code that nothing marks as such: "let 목록 = [4, 5, 6]"."""


class Scripts(NamedTuple):
    """What to look for between two languages that are written in different scripts."""

    has_case: bool
    suspect: re.Pattern[str]  # in every text that has such words, and in few others
    stretch: re.Pattern[str]  # what hangs together without a character of another script
    word: re.Pattern[str]
    others: re.Pattern[str]  # a letter of another script


def between(pivot: Language, target: Language) -> Scripts | None:
    """What to look for in translations from one language into the other; None where they share a script."""
    return _of(pivot.scripts) if set(pivot.scripts).isdisjoint(target.scripts) else None


@cache
def _of(names: tuple[str, ...]) -> Scripts:
    named = script.named(names)
    small = script.characters(rf"[\p{{Ll}}&&[{named}]]")
    letters = script.characters(rf"[\p{{L}}\p{{M}}&&[{named}]]")
    suspect, word = f"[{letters}]{{{MIN_UNCASED}}}", f"[{letters}]{{{MIN_UNCASED},}}"
    if small:
        suspect = f"[{small}]{{{MIN_LETTERS}}}"
        word = rf"(?<![{letters}\d_'’])[{small}]{{{MIN_LETTERS},}}(?![{letters}\d_'’])"
    token = f"[{letters}{_IN_TOKEN}]+"
    patterns = suspect, f"{token}(?: {token})*", word, rf"[^\W\d_{letters}]"
    return Scripts(bool(small), *map(re.compile, patterns))


def left(scripts: Scripts, source: str, target: str) -> list[str]:
    """The words of a translation that were left as its source has them, in order."""
    if not scripts.suspect.search(target) or next(_words(scripts, target), None) is None:  # names, in most texts
        return []
    source, target = prose_of(source), _CODE.sub("", without_code(prose_of(target)))
    ours: set[str] = set()

    def unquoted(aside: re.Match[str]) -> str:
        if aside[3] and not source[: aside.start()][-1:].strip():  # else it is a call: f(x)
            ours.add(aside[3].strip())
        return aside[0] if aside[3] else " "

    def without_terms(aside: re.Match[str]) -> str:
        inside = aside[1] or aside[2] or aside[3]
        return aside[0] if scripts.others.search(inside) or inside.strip() in ours else " "

    told = _ASIDE.sub(unquoted, source)
    found = list(_words(scripts, _ASIDE.sub(without_terms, target), may_explain="(" not in source))
    if scripts.has_case:
        known = {word[:_STEM] for word in scripts.word.findall(told)}
        return [word for word in found if word[:_STEM] in known]
    pairs = {told[at : at + 2] for at in range(len(told))}
    return [word for word in found if all(word[at : at + 2] in pairs for at in range(len(word) - 1))]


def _words(scripts: Scripts, target: str, *, may_explain: bool = False) -> Iterator[str]:
    """What of a text may be words that were left. `may_explain`: brackets behind a word say what it means, for they are
    none of the source's own."""
    if not scripts.has_case:
        yield from scripts.word.findall(target)
        return
    for stretch in scripts.stretch.finditer(target):
        if not stretch[0].islower() or (may_explain and _BRACKET.match(target, stretch.end())):
            continue
        before = ""
        for token in stretch[0].split(" "):
            bare = token.strip(_AROUND)
            if not (_IDENTIFIES.search(bare) or token.startswith(("--", ".")) or bare[1:2] == "-"):  # k-means, e-wallet
                for piece in bare.split("-"):
                    word = piece.rstrip("0123456789")  # "scoring105分": the blank was lost
                    is_unit = before[-1:].isdigit() and _UNIT.fullmatch(word)
                    if len(word) >= MIN_LETTERS and word.isalpha() and not (_STAYS.fullmatch(word) or is_unit):
                        yield word
                    before = piece
            before = bare


def untranslated(scripts: Scripts | None, source: str, target: str) -> float | None:
    """1 − words that were left / words of the target, 0 to 1; of both, the prose.

    In scripts without spaces each character counts as a word. Null for an empty target, and where a script is shared.
    """
    if not target or scripts is None:
        return None
    found = left(scripts, source, target)
    return max(0.0, 1 - len(to_translate(" ".join(found))) / max(1, len(to_translate(target)))) if found else 1.0


def settled(scripts: Scripts | None, proses: pl.DataFrame) -> pl.Series:
    """`untranslated` of columns, as far as Polars can tell; NaN = ask. Null everywhere where a script is shared."""
    if scripts is None:
        return pl.repeat(None, proses.height, dtype=pl.Float64, eager=True)
    suspected = pl.col("target").str.contains(scripts.suspect.pattern)
    return proses.select(pl.when(suspected).then(math.nan).when(pl.col("target") != "").then(1.0)).to_series()
