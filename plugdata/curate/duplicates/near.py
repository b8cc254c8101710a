"""Texts whose sets of shingles are alike: every pair that shares one of its rarest shingles is looked at.

What a pair can have in common at most is known from these alone: what it shares of them, and what comes after the last
in the texts' own order ("positional filtering": Xiao, Wang, Lin and Yu, PPJoin, WWW 2008). Only pairs that can reach
the threshold by that are compared, shingle by shingle. MinHash would hash every shingle a hundred times to find some
of what this finds whole.

Texts are taken in blocks, in order of preference, so that numpy does what is done for every pair; a text that is
dropped takes no further part. All that grows with the number of texts is on disk (the shingles) or some bytes a text.
Knows no text, only shingles.
"""

import logging
import os
from array import array
from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

import numpy as np
import polars as pl

from plugdata.curate.duplicates.rarest import Frequencies, Integers, Narrow, Part, Prefixes, head, prefix, prefixes
from plugdata.curate.duplicates.tokens import Shingles, runs

MAX_MET = 20_000
MAX_ASKED = 200
"""Shingles of kept texts that a text meets in its prefix, the rarest first, and kept texts that it is compared with,
those first with which it shares most: at most. This bounds what a text costs to some milliseconds where thousands are
nearly near-duplicates of each other. How many it concerned is logged."""

BLOCK = 256
"""Texts taken together. Half or twice as many take as long (200,000 rows of benchmarks/synthetic.py)."""

_ROUNDING = 1e-9
"""A bound too high costs a comparison, one too low costs a pair."""

_log = logging.getLogger(__name__)


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
            most = int(prefix(counts[firsts], self._near).sum())
            rarest = prefixes(self._parts(counts, place_of), self._frequencies(counts, place_of), self._near, most)
            with open(self._file, "rb") as file:
                rows = list(_compared(rarest, size, offset, file.fileno(), self._near, n_outside))
        schema = {"place": pl.Int64, "kept_place": pl.Int64, "jaccard": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _frequencies(self, counts: Integers, place_of: Integers) -> Frequencies:
        frequencies = Frequencies(int(counts.sum()))
        for part in self._parts(counts, place_of):
            frequencies.add(part.hashes)
        return frequencies

    def _parts(self, counts: Integers, place_of: Integers) -> Iterator[Part]:
        """The texts that have a place (the others are exact duplicates)."""
        with open(self._file, "rb") as file:
            for start, stop in runs(counts):
                hashes = np.fromfile(file, np.uint64, int(counts[start:stop].sum()))
                chosen = place_of[start:stop] >= 0
                here = counts[start:stop]
                yield Part(hashes[np.repeat(chosen, here)], here[chosen], place_of[start:stop][chosen])


class _Kept:
    """Of each shingle the kept texts that have it: those where it is at the head, and apart from them the rest.

    An entry is one shingle of one text: a place in the columns of Prefixes.
    """

    def __init__(self, rarest: Prefixes, size: Integers, near: float) -> None:
        is_rest = rarest.rank >= head(size, near)[rarest.place]
        self.n_cut = 0  # texts that met more than MAX_MET
        self._place = rarest.place
        self._region = 2 * rarest.group + is_rest  # where entries of this shingle are kept
        n = np.bincount(self._region, minlength=2 * rarest.n_groups)
        self._starts = np.cumsum(n) - n
        self._n = np.zeros_like(n)  # in each region so far
        self._entries = np.empty(len(self._region), np.int32)

    def add(self, entries: Integers) -> None:
        """Take in the entries of some texts, in ascending order."""
        region = self._region[entries]
        order = np.argsort(region, kind="stable")
        region, first, n = np.unique(region[order], return_index=True, return_counts=True)
        at = self._starts[region] + self._n[region] - first
        self._entries[np.repeat(at, n) + np.arange(len(entries))] = entries[order]
        self._n[region] += n

    def take_back(self, entries: Integers) -> None:
        """Undo the last `add`, which was of these."""
        np.subtract.at(self._n, self._region[entries], 1)

    def met(self, entries: Integers) -> Iterator[tuple[Integers, Narrow]]:
        """(own entry, other's entry) of every shingle that these texts share with one in here, themselves included.

        In order of own entries, some texts at a time.
        """
        firsts = np.flatnonzero(np.diff(self._place[entries], prepend=-1))
        bounds = 2 * np.append(firsts, len(entries))
        own = self._region[entries]
        regions = np.stack([own & ~1, own | 1], axis=1)
        n = self._n[regions]
        n[:, 1] *= own & 1 == 0  # what is at the head of neither need not be looked at
        n = n.ravel()
        n_met = np.add.reduceat(n, bounds[:-1])
        self.n_cut += int((n_met > MAX_MET).sum())
        before = np.cumsum(n) - n
        before -= np.repeat(before[bounds[:-1]], np.diff(bounds))
        n = np.clip(n, 0, np.maximum(MAX_MET - before, 0))
        starts = self._starts[regions].ravel()
        own = np.repeat(entries, 2)
        for first, stop in runs(np.minimum(n_met, MAX_MET)):
            now = slice(bounds[first], bounds[stop])
            at = np.repeat(starts[now] - (np.cumsum(n[now]) - n[now]), n[now])
            yield np.repeat(own[now], n[now]), self._entries[at + np.arange(len(at))]


def _compared(
    rarest: Prefixes, size: Integers, offset: Integers, shingles: int, near: float, n_outside: int
) -> Iterator[tuple[int, int, float]]:
    """(place, place of the kept text, Jaccard) of every near-duplicate.

    shingles: a file descriptor; size, offset: of each place, how many and where.
    """

    def read(place: int) -> "array[int]":
        found = array("Q")
        found.frombytes(os.pread(shingles, 8 * sizes[place], 8 * offsets[place]))
        return found

    sizes, offsets = size.data, offset.data
    kept = _Kept(rarest, size, near)
    n_cut = 0
    for entries in _blocks(rarest.place):
        kept.add(entries)
        dropped: set[int] = set()
        asking = entries[np.searchsorted(rarest.place[entries], n_outside) :]
        for here, candidates in _candidates(kept, rarest, size, asking, near):
            others = [there for there in candidates if there not in dropped]
            n_cut += len(others) > MAX_ASKED
            own = set(read(here))
            for there in sorted(others[:MAX_ASKED]):
                common = len(own.intersection(read(there)))
                jaccard = common / (sizes[here] + sizes[there] - common)
                if jaccard >= near:
                    yield here, there, jaccard
                    dropped.add(here)
                    break
        if dropped:
            kept.take_back(entries)
            kept.add(entries[~np.isin(rarest.place[entries], list(dropped))])
    if kept.n_cut or n_cut:
        _log.info("near-duplicates: texts that met too many others: n=%d; were like too many: n=%d", kept.n_cut, n_cut)


def _blocks(place: Narrow) -> Iterator[Integers]:
    """The entries of BLOCK texts at a time."""
    bounds = np.append(np.flatnonzero(np.diff(place, prepend=-1))[::BLOCK], len(place))
    for start, stop in pairwise(bounds.tolist()):
        yield np.arange(start, stop)


def _candidates(
    kept: _Kept, rarest: Prefixes, size: Integers, entries: Integers, near: float
) -> Iterator[tuple[int, list[int]]]:
    """Of texts with these entries, in order: which texts before it can reach `near`, those that share most first."""
    place, rank = rarest.place, rarest.rank
    for own, other in kept.met(entries):
        is_before = other < own
        own, other = own[is_before], other[is_before]
        here, there = place[own], place[other]
        needed = near / (1 + near) * (size[here] + size[there]) - _ROUNDING
        to_come = np.minimum(size[here] - rank[own], size[there] - rank[other])  # this shingle and those after it
        pair = here.astype(np.int64) << 32 | there
        possible = np.unique(
            pair[to_come >= needed]
        )  # the first that a pair shares decides; at further ones less is left
        if not len(possible):
            continue
        which = np.searchsorted(possible[:-1], pair)
        chosen = np.flatnonzero(possible[which] == pair)
        chosen = chosen[np.argsort(which[chosen], kind="stable")]
        last = np.flatnonzero(np.diff(which[chosen], append=-1))
        n_shared = np.diff(last, prepend=-1)
        last = chosen[last]
        reaches = n_shared - 1 + to_come[last] >= needed[last]
        here, there, n_shared = here[last][reaches], there[last][reaches], n_shared[reaches]
        order = np.lexsort((there, -n_shared, here))
        for text, found in groupby(zip(here[order].tolist(), there[order].tolist(), strict=True), itemgetter(0)):
            yield text, [candidate for _, candidate in found]
