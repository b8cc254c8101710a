"""Whether a model obeyed an instruction in place of translating it.

Judged on the texts of a row side by side while translating, so by lengths and character n-grams alone. What it cannot
see: an instruction that was obeyed in few words of its own, unlike the response.
"""

from collections.abc import Mapping

from plugdata import languages

TOO_LONG = 2.0
"""Times the ceiling of the two languages' length band (languages.ratio_band) that no translated instruction has: of 124
translations of real instructions into Spanish and Korean by a small local model the longest has 1.3 times."""
LONG_CHARS = 160
"""Characters that an instruction may have in any case: "Sum: 2+2" becomes a sentence in some languages."""

ALIKE = 0.8
"""Dice similarity of character trigrams from which two texts say the same thing …"""
FURTHER = 0.4
"""… and by which it must exceed that of their sources. Instruction and response of 999 real rows: 10 % above 0.4; input
and response, of which many are to be corrected or reworded: 31 %."""
UNASKED = (0.6, 0.25)
"""The same two for a question that came back without its question mark: it shares words with its answer anyway."""
_WITHOUT_MARK = frozenset({"ja", "km", "lo", "my", "th"})
"""Languages that ask by a word, and commonly without a question mark."""
_QUESTION_MARKS = frozenset("?？؟;\u037e՞፧")  # Greek asks by a semicolon

MIN_CHARS = 10
"""Characters below which texts may well be alike by chance: two English words can have one Chinese one."""
READ_CHARS = 600
"""Characters that are compared: what says the same begins the same."""


def answered(source: Mapping[str, str], said: Mapping[str, str], source_code: str, target_code: str) -> str | None:
    """In words, why some translated texts of a row (by segment name) look obeyed rather than translated."""
    if "instruction" in said:
        asked, got = source["instruction"], said["instruction"]
        if len(got) > LONG_CHARS:
            ceiling = languages.ratio_band(source_code, target_code)[1]
            if len(got) > TOO_LONG * ceiling * len(asked):
                return f"instruction has {len(got)} characters for {len(asked)} of its source, as an answer to it may"
    if "response" in said:
        for name in ("instruction", "input"):
            if name in said and (told := _same(name, source, said, target_code)):
                return told
    return None


def _same(name: str, source: Mapping[str, str], said: Mapping[str, str], target_code: str) -> str | None:
    asked, text, response = source[name][:READ_CHARS], said[name][:READ_CHARS], said["response"][:READ_CHARS]
    shorter, longer = sorted((len(text), len(response)))
    if shorter < MIN_CHARS or 3 * shorter < longer:
        return None
    unasked = (
        source[name].rstrip()[-1:] in _QUESTION_MARKS
        and _QUESTION_MARKS.isdisjoint(text)
        and target_code.split("-")[0] not in _WITHOUT_MARK
    )
    least, further = UNASKED if unasked else (ALIKE, FURTHER)
    alike = similarity(text, response)
    if alike < least or alike < further + similarity(asked, source["response"][:READ_CHARS]):
        return None
    return f"{name} says the same as the response ({alike:.0%} alike), which their sources do not"


def similarity(a: str, b: str) -> float:
    """Dice coefficient of two texts' sets of character trigrams, upper and lower case the same: 0 to 1."""
    grams_a, grams_b = _trigrams(a), _trigrams(b)
    return 2 * len(grams_a & grams_b) / max(1, len(grams_a) + len(grams_b))


def _trigrams(text: str) -> set[tuple[str, ...]]:
    text = text.casefold()
    return set(zip(text, text[1:], text[2:], strict=False))
