"""How much of a translation was left in its source's language: words that stand in it as they stand in the source.

copying.py asks the same of a whole answer, to refuse what was not translated; this measures what is left over in an
answer that was. Takes prose (checks.prose). Names, numbers and single letters are no words here. Knows no language:
a source that quotes the target's language looks like a leftover.
"""

from itertools import pairwise

from plugdata.checks.copying import MIN_WORDS, to_translate

RUN = 3
"""Words of the shortest run that counts, as in an echo: two in a row are often a term that stays ("machine learning"),
or chance between related languages."""


def leftover(source: str, target: str) -> float | None:
    """1 − words of the target in runs of RUN or more that the source holds too / its words, 0 to 1.

    Null for an empty target, and where words stand in both but either has fewer than MIN_WORDS.
    """
    spaced = target.split()
    shared = {word for word in set(source.split()).intersection(spaced) if len(word) > 1 and word.islower()}
    if target and not any(one in shared and two in shared for one, two in pairwise(spaced)):  # far faster than below
        return 1.0
    ours, theirs = to_translate(source), to_translate(target)
    if len(ours) < MIN_WORDS or len(theirs) < MIN_WORDS:
        return None
    known = set(ours)
    if b"\1" * RUN not in bytes([word in known for word in theirs]):  # nearly always; to compare runs takes longer
        return 1.0
    runs = set(zip(*(ours[i:] for i in range(RUN)), strict=False))
    left: set[int] = set()
    for place, run in enumerate(zip(*(theirs[i:] for i in range(RUN)), strict=False)):
        if run in runs:
            left.update(range(place, place + RUN))
    return 1 - len(left) / len(theirs)
