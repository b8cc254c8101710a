"""The rarest shingles of each text: two texts that are alike share one of them.

Two sets of which one has n shingles and that reach a Jaccard similarity t share at least t·n of them. So if all are
put in one order, any order, they share one of the first n − ⌈t·n⌉ + 1 ("prefix filtering": Chaudhuri, Ganti and
Kaushik, ICDE 2006; Bayardo, Ma and Srikant, WWW 2007, from whom the shorter prefix of the shorter text is: its "head"
here). With the rarest first, nearly all prefixes hold what no other text has, and such texts are done with.

How frequent a shingle is, is counted in cells that several may share: a wrong count costs candidates, no recall. It
must be counted beyond any number, though: rows made of templates have nothing else than frequent shingles, and when
all above 255 were held equal, their prefixes began with what every third row has.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plugdata.curate.duplicates.tokens import BITS

Integers: TypeAlias = NDArray[np.int64]
Narrow: TypeAlias = NDArray[np.int32]
Hashes: TypeAlias = NDArray[np.uint64]

MAX_CELLS_BITS = 28
"""256 MB of counts. Four cells a shingle are taken where that is less: three in four have one of their own."""

MORE_BITS = 20
"""Cells, 8 MB, for what is counted beyond 255, which few are: 2,140 of the 2.7 million shingles of 200,000 rows of
benchmarks/synthetic.py."""

N_RUNS = 16
"""Of the sort that groups equal shingles: a sixteenth of them at a time, as it takes some 30 bytes for each."""

_ROUNDING = 1e-9
"""A prefix too long costs little, one too short costs a pair."""


class Part(NamedTuple):
    """Shingles of some texts, one text after another."""

    hashes: Hashes
    counts: Integers  # of each text
    places: Integers  # of each text, its rank in the order of preference


class Prefixes(NamedTuple):
    """Shingles at the beginning of their texts that two texts at least have there, by place and rank."""

    place: Narrow
    group: Narrow  # equal: the same shingle
    rank: Narrow  # from 0, in the text's own order
    n_groups: int


class Frequencies:
    """In how many texts a shingle is."""

    def __init__(self, n_shingles: int) -> None:
        bits = min(max((4 * n_shingles).bit_length(), 16), MAX_CELLS_BITS)
        self._shift = np.uint64(BITS - bits)
        self._few = np.zeros(2**bits, np.uint8)
        self._more = np.zeros(2**MORE_BITS, np.int64)  # what exceeds 255
        self._mask = np.uint64(len(self._more) - 1)

    def add(self, hashes: Hashes) -> None:
        """Count the shingles of further texts."""
        cell, n = np.unique((hashes >> self._shift).astype(np.uint32), return_counts=True)  # half the time of uint64
        over = self._few[cell] + n - 255
        self._few[cell] = 255 + np.minimum(over, 0)
        full = over > 0
        np.add.at(self._more, cell[full] & self._mask, over[full])

    def levels(self, hashes: Hashes) -> NDArray[np.uint8]:
        """The higher, the more frequent: the count up to 128, then eighths of octaves; 255 at most."""
        cell = hashes >> self._shift
        found: NDArray[np.uint8] = self._few[cell]
        high = np.flatnonzero(found > 128)
        counts = found[high].astype(np.int64)
        full = counts == 255
        counts[full] += self._more[cell[high][full] & self._mask]
        found[high] = np.minimum(128 + 8 * np.log2(counts / 128), 255)
        return found


def prefixes(parts: Iterable[Part], frequencies: Frequencies, near: float, most: int) -> Prefixes:
    """Those shingles by which a text can meet another. most: an upper bound of the sum of `prefix` of all texts.

    Takes over `frequencies`, to whose size its own may come: the caller should keep no reference.
    """
    keys, place, rank = np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.int32)
    is_head = np.empty(most, np.bool_)
    n = 0
    for part in parts:
        level = frequencies.levels(part.hashes)
        shared = np.flatnonzero(level > 1)  # counted once: nobody shares it. These come first, and need no order
        text = np.repeat(np.arange(len(part.counts), dtype=np.uint64), part.counts)[shared]
        n_shared = np.bincount(text.astype(np.int64), minlength=len(part.counts))
        ordered = level[shared].astype(np.uint64) << np.uint64(BITS - 8) | part.hashes[shared] >> np.uint64(8)
        ordered = np.sort(text << np.uint64(BITS) | ordered) & np.uint64(2**BITS - 1)
        before = part.counts - np.cumsum(n_shared)  # of each text, less the place of its first one here
        ranks = np.arange(len(ordered)) + np.repeat(before, n_shared)
        chosen = np.flatnonzero(ranks < np.repeat(prefix(part.counts, near), n_shared))
        now = slice(n, n + len(chosen))
        keys[now], place[now], rank[now] = ordered[chosen], np.repeat(part.places, n_shared)[chosen], ranks[chosen]
        is_head[now] = (ranks < np.repeat(head(part.counts, near), n_shared))[chosen]
        n = now.stop
    del frequencies
    group, n_groups = _grouped(keys[:n], is_head[:n])
    del keys
    chosen = np.flatnonzero(group >= 0)
    chosen = chosen[np.argsort(place[chosen], kind="stable")]
    return Prefixes(place[chosen], group[chosen], rank[chosen], n_groups)


def _grouped(keys: Hashes, is_head: NDArray[np.bool_]) -> tuple[Narrow, int]:
    """The number of each shingle that two texts have, one at least at its head, else -1; and how many numbers."""
    group = np.empty(len(keys), np.int32)
    n_groups = 0
    run = (keys % np.uint64(N_RUNS)).astype(np.uint8)
    for here in range(N_RUNS):
        mine = np.flatnonzero(run == here)
        _, which, n = np.unique(keys[mine], return_inverse=True, return_counts=True)
        serves = (n > 1) & (np.bincount(which[is_head[mine]], minlength=len(n)) > 0)
        group[mine] = np.where(serves, n_groups + np.cumsum(serves) - 1, -1)[which]
        n_groups += int(serves.sum())
    return group, n_groups


def prefix(counts: Integers, near: float) -> Integers:
    """How many of the rarest shingles of texts one must look at: of the longer of two, or of both."""
    return _first(counts, near)


def head(counts: Integers, near: float) -> Integers:
    """How many suffice for the shorter of two."""
    return _first(counts, 2 * near / (1 + near))


def _first(counts: Integers, share: float) -> Integers:
    """How many shingles one must look at, if a share of them lies in the other text."""
    found: Integers = counts - np.ceil(share * counts - _ROUNDING).astype(np.int64) + 1
    return found
