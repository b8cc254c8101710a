"""Whether a translation holds what no writer writes: characters and words that went through a wrong encoding or model.

U+FFFD, control and private-use characters, mojibake ("cafÃ©", "donâ€™t"), marks that have lost their letter, and
words of two scripts ("приvет", "웹inar"). What the source holds too is no fault of the
translation. Takes whole texts; knows no language and no row.

Some words of two scripts are right: a Latin name takes a Korean particle, a Turkic or Hindi ending or an Arabic
article, Chinese and Japanese are written without spaces, and science joins Greek letters to others (μg, α粒子). None
of those is counted.
"""

import math
import re
import unicodedata
from collections import Counter

import polars as pl

_LATIN = "A-Za-zÀ-ÖØ-öø-ɏ"
_GREEK, _CYRILLIC = "Ͱ-Ͽἀ-῿", "Ѐ-ԯ"
_ARABIC = "\u0620-\u064a\u066e-\u06d3"
_INDIC = "".join(chr(c) for c in range(0x900, 0xE00) if unicodedata.category(chr(c))[0] in "LM")
_COMBINING = "".join(chr(c) for c in range(0x300, 0x1D00) if unicodedata.category(chr(c)) in ("Mn", "Mc"))

_HIGH = "‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ\x80-\xa0¢-ª¬-¶¸-º¼-¾"
"""What cp1252 reads in the bytes behind a first one, less what may stand behind a letter …"""
_BEHIND = "“”‘’…–—€«»·¡¿"
"""… as these may: they count only where a second letter of the kind follows."""

_SPACED = _CYRILLIC + _INDIC + _ARABIC
_HANGUL, _HAN = "\uac00-\ud7a3", "\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff" + _HAN
_EAST = _HANGUL + "\u3040-\u30ff" + _HAN

PATTERN = "|".join(
    (
        "[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]",
        "[ÂÃÐÑØÙ][\x80-\x9f\xa1-\xaa\xac-\xba\xbc-\xbf]|Â[\xa0«»]|â€|ã€|à[¤¥¦¸¹]",  # UTF-8 read as cp1252
        f"[ã-í][{_HIGH}]{{2}}|[ã-í][{_HIGH}{_BEHIND}]{{2}}[ã-í][{_HIGH}{_BEHIND}]{{2}}",  # of three bytes: East Asian
        f"(?:^|[\\s!-/:-@])[{_COMBINING}]",
        f"[{_CYRILLIC}][{_LATIN}{_GREEK}]|[{_LATIN}{_GREEK}][{_CYRILLIC}]",
        f"[{_GREEK}]{{2}}[{_LATIN}]|[{_LATIN}][{_GREEK}]{{2}}",
        f"[{_INDIC}][{_LATIN}]",  # the other way round it is an ending on a name
        f"[{_ARABIC}][{_LATIN}]{{1,30}}[{_ARABIC}]",
        f"[{_HANGUL}][a-z]|[{_HANGUL}][{_HAN}]{{1,4}}[{_HANGUL}]",
        f"[{_SPACED}][{_EAST}]|[{_EAST}][{_SPACED}]",
    )
)
"""One pattern for whole columns (Polars) and for single texts (`re`), so within the syntax that both know."""

_FAULT = re.compile(PATTERN)
_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")


def corruption(source: str, target: str) -> float | None:
    """1 − faults that the source has not / words of the target, 0 to 1; null for an empty target.

    In scripts without spaces each character counts as a word.
    """
    if not target:
        return None
    faults = Counter(_FAULT.findall(target))
    n_new = sum(n for fault, n in faults.items() if fault not in source)
    return max(0.0, 1 - n_new / max(1, len(_WORD.findall(target)))) if n_new else 1.0


SETTLED = pl.when(pl.col("target").str.contains(PATTERN)).then(math.nan).when(pl.col("target") != "").then(1.0)
"""`corruption` of columns, as far as Polars can tell; NaN = ask. Few texts hold anything suspicious."""
