"""Texts whose sets of shingles are alike, found by their rarest shingles: every pair, and nearly no other.

Two sets of which one has n shingles and that reach a Jaccard similarity t share at least t·n of them. So if all are
put in one order, any order, they share one of the first n − ⌈t·n⌉ + 1 ("prefix filtering": Chaudhuri, Ganti and
Kaushik, ICDE 2006; Bayardo, Ma and Srikant, WWW 2007, from whom the shorter prefix of the shorter text is). With the
rarest first, nearly all prefixes hold what no other text has, and such texts are done with; MinHash would hash every
shingle a hundred times to find some of what this finds whole. How frequent a shingle is, is counted in cells that
several may share: a wrong count costs candidates, no recall.

All that grows with the number of texts is on disk (the shingles) or some bytes a text. Knows no text, only shingles.
"""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plugdata.curate.duplicates.tokens import BITS, Shingles, runs

Integers: TypeAlias = NDArray[np.int64]
Narrow: TypeAlias = NDArray[np.int32]

MAX_CELLS_BITS = 28
"""256 MB of counts. Four cells a shingle are taken where that is less: three in four have one of their own."""

MAX_MET = 20_000
MAX_ASKED = 200
"""Kept texts that a text meets in its prefix, and is compared with (those it shares most with), at most. Where
thousands of texts are nearly near-duplicates of each other, this bounds what a text costs to some milliseconds."""

_ROUNDING = 1e-9
"""A prefix too long costs little, one too short costs a pair."""


class Near:
    """Shingles of texts, collected on disk in `folder`, and the near-duplicates among them."""

    def __init__(self, near: float, folder: Path) -> None:
        self._near = near
        self._file = folder / "shingles"
        self._counts = array("q")

    def add(self, texts: Shingles) -> None:
        """Take further texts; they are numbered from 0 in the order in which they come."""
        with open(self._file, "ab") as file:
            texts.hashes.tofile(file)
        self._counts.frombytes(texts.counts.tobytes())

    def found(self, firsts: Integers, places: Integers, n_outside: int) -> pl.DataFrame:
        """place, kept_place and jaccard of every near-duplicate among the texts `firsts` (numbers, ascending).

        places: of each, its rank in the order of preference. Those below n_outside are kept whatever they are like.
        """
        counts = np.frombuffer(self._counts, np.int64)
        n_places = int(places.max()) + 1 if len(places) else 0
        size, offset = np.zeros(n_places, np.int64), np.zeros(n_places, np.int64)
        size[places], offset[places] = counts[firsts], (np.cumsum(counts) - counts)[firsts]
        place_of = np.full(len(counts), -1, np.int64)
        place_of[firsts] = places
        rows: list[tuple[int, int, float]] = []
        if len(counts):
            prefixes = self._prefixes(counts, place_of)
            with open(self._file, "rb") as file:
                rows = list(_compared(prefixes, size, offset, file.fileno(), self._near, n_outside))
        schema = {"place": pl.Int64, "kept_place": pl.Int64, "jaccard": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _prefixes(self, counts: Integers, place_of: Integers) -> "_Prefixes":
        """The rarest shingles of each text that has a place (the others are exact duplicates)."""
        cell_bits = min(max(int(counts.sum() * 4).bit_length(), 16), MAX_CELLS_BITS)
        cells = np.zeros(2**cell_bits, np.uint8)
        for part in self._parts(counts, place_of):
            seen, n_seen = np.unique(part.hashes >> np.uint64(BITS - cell_bits), return_counts=True)
            cells[seen] += np.minimum(255 - cells[seen], n_seen).astype(np.uint8)
        parts = []
        for part in self._parts(counts, place_of):
            count = cells[part.hashes >> np.uint64(BITS - cell_bits)].astype(np.uint64)
            text = np.repeat(np.arange(len(part.counts), dtype=np.uint64), part.counts)
            keys = np.sort((text << np.uint64(BITS)) | (count << np.uint64(BITS - 8)) | (part.hashes >> np.uint64(8)))
            keys &= np.uint64(2**BITS - 1)
            rank = np.arange(len(keys)) - np.repeat(np.cumsum(part.counts) - part.counts, part.counts)
            n_first = np.repeat(_prefix(part.counts, self._near), part.counts)
            n_head = np.repeat(_prefix(part.counts, _of_the_shorter(self._near)), part.counts)
            chosen = (rank < n_first) & (keys >= np.uint64(2 << (BITS - 8)))  # what is counted once nobody shares
            place = np.repeat(part.places, part.counts)[chosen]
            parts.append((keys[chosen], place.astype(np.int32), rank[chosen].astype(np.int32), (rank < n_head)[chosen]))
        del cells
        return _shared(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _parts(self, counts: Integers, place_of: Integers) -> "Iterator[_Part]":
        with open(self._file, "rb") as file:
            for start, stop in runs(counts):
                hashes = np.fromfile(file, np.uint64, int(counts[start:stop].sum()))
                chosen = place_of[start:stop] >= 0
                here = counts[start:stop]
                yield _Part(hashes[np.repeat(chosen, here)], here[chosen], place_of[start:stop][chosen])


class _Part(NamedTuple):
    hashes: NDArray[np.uint64]
    counts: Integers  # of each text
    places: Integers


class _Prefixes(NamedTuple):
    """Shingles at the beginning of their texts that two texts at least have there, by place and rank."""

    place: Narrow
    group: Narrow  # equal: the same shingle
    rank: Narrow  # from 0, in the text's own order
    n_groups: int


def _shared(keys: NDArray[np.uint64], place: Narrow, rank: Narrow, is_head: NDArray[np.bool_]) -> _Prefixes:
    """What could make two texts meet: a shingle of two of them, in one at least among the first of the shorter text."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    group = np.empty(len(keys), np.int32)
    group[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]])[: len(keys)])
    del order, ordered
    n_groups = int(group.max()) + 1 if len(group) else 0
    serves = (np.bincount(group, minlength=n_groups) > 1) & (np.bincount(group[is_head], minlength=n_groups) > 0)
    chosen = np.flatnonzero(serves[group])
    chosen = chosen[np.argsort(place[chosen], kind="stable")]
    return _Prefixes(place[chosen], group[chosen], rank[chosen], n_groups)


def _compared(
    prefixes: _Prefixes, size: Integers, offset: Integers, shingles: int, near: float, n_outside: int
) -> Iterator[tuple[int, int, float]]:
    """(place, place of the kept text, Jaccard) of every near-duplicate.

    shingles: a file descriptor; size, offset: of each place, how many and where.
    """

    def read(place: int) -> "array[int]":
        found = array("Q")
        found.frombytes(os.pread(shingles, 8 * sizes[place], 8 * offsets[place]))
        return found

    sizes, offsets = size.data, offset.data
    place, group, rank = prefixes.place.data, prefixes.group.data, prefixes.rank.data
    n_head = _prefix(size, _of_the_shorter(near)).data
    enough = near / (1 + near)
    # Of each shingle the kept texts that have it, as chains of entries: those where it is at the head, and the rest.
    heads, rest = array("q", [-1]) * prefixes.n_groups, array("q", [-1]) * prefixes.n_groups
    before = array("q", [-1]) * len(place)
    starts = np.flatnonzero(np.diff(prefixes.place, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts, len(place)][1:], strict=True):
        here = place[start]
        n = sizes[here]
        met: dict[int, int] = {}
        left = MAX_MET if here >= n_outside else 0
        for entry in range(start, stop):
            chains = (heads, rest) if rank[entry] < n_head[here] else (heads,)
            for chain in chains:
                other = chain[group[entry]]
                while other >= 0 and left:
                    there = place[other]
                    if there not in met:  # the first shingle that both have, so all further ones come after it
                        most = min(n - rank[entry], sizes[there] - rank[other])
                        met[there] = int(most >= enough * (n + sizes[there]) - _ROUNDING)
                    elif met[there]:
                        met[there] += 1
                    other, left = before[other], left - 1
        asked = [there for there, n_shared in met.items() if n_shared]
        own = set(read(here)) if asked else set()
        for there in sorted(sorted(asked, key=lambda there: (-met[there], there))[:MAX_ASKED]):
            common = len(own.intersection(read(there)))
            jaccard = common / (n + sizes[there] - common)
            if jaccard >= near:
                yield here, there, jaccard
                break
        else:
            for entry in range(start, stop):
                chain = heads if rank[entry] < n_head[here] else rest
                before[entry], chain[group[entry]] = chain[group[entry]], entry


def _prefix(counts: Integers, share: float) -> Integers:
    """How many shingles of texts one must look at, if a share of them lies in the other text."""
    found: Integers = counts - np.ceil(share * counts - _ROUNDING).astype(np.int64) + 1
    return found


def _of_the_shorter(near: float) -> float:
    """The share of its shingles that the shorter of two texts has in common with the other, at least."""
    return 2 * near / (1 + near)
