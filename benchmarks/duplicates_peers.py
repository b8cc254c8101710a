"""Peers at the work of benchmarks/duplicates.py: python duplicates_peers.py NAME DATA OUT.

Needs nothing of plugdata, so that it runs where the peer is installed. Each takes a row out if its exact Jaccard
similarity to a row that was kept before reaches the threshold (rensa-inline: its own estimate of it), as rensa's and
datasketch's documentations put the parts together.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module

NEAR = 0.8
N_HASHES = 128  # datasketch's default; rensa's examples take as many
_TOKEN = re.compile(r"[\u4e00-\u9fff\u0e00-\u0e7f]|[a-z]+")


def rows(data: str) -> Iterator[tuple[int, set[str]]]:
    """id and shingles of each row."""
    with open(data) as file:
        for line in file:
            row = json.loads(line)
            tokens = _TOKEN.findall(row["text"].lower())
            yield row["id"], {" ".join(tokens[i : i + 3]) for i in range(max(len(tokens) - 2, 1))}


def alike(own: set[str], other: set[str]) -> bool:
    common = len(own & other)
    return common >= NEAR * (len(own) + len(other) - common)


def datasketch(data: str) -> Iterator[tuple[int, int]]:
    peer = import_module("datasketch")
    index = peer.MinHashLSH(threshold=NEAR, num_perm=N_HASHES)
    kept: dict[int, set[str]] = {}
    for id, own in rows(data):
        sketch = peer.MinHash(num_perm=N_HASHES)
        sketch.update_batch([shingle.encode() for shingle in own])
        twin = next((other for other in sorted(index.query(sketch)) if alike(own, kept[other])), None)
        if twin is not None:
            yield id, twin
        else:
            kept[id] = own
            index.insert(id, sketch)


def rensa(data: str) -> Iterator[tuple[int, int]]:
    peer = import_module("rensa")
    index = peer.RMinHashLSH(threshold=NEAR, num_perm=N_HASHES, num_bands=16)
    kept: dict[int, set[str]] = {}
    for id, own in rows(data):
        sketch = peer.RMinHash(num_perm=N_HASHES, seed=42)
        sketch.update(list(own))
        twin = next((other for other in sorted(index.query(sketch)) if alike(own, kept[other])), None)
        if twin is not None:
            yield id, twin
        else:
            kept[id] = own
            index.insert(id, sketch)


def rensa_inline(data: str) -> Iterator[tuple[int, int]]:
    peer = import_module("rensa")
    known = peer.RMinHashDeduplicator(threshold=NEAR, num_perm=N_HASHES, use_lsh=True, num_bands=16)
    for id, own in rows(data):
        sketch = peer.RMinHash(num_perm=N_HASHES, seed=42)
        sketch.update(list(own))
        twins = known.get_duplicates(sketch)
        if twins:
            yield id, min(map(int, twins))
        else:
            known.add(str(id), sketch)


if __name__ == "__main__":
    name, data, out = sys.argv[1:]
    found = {"datasketch": datasketch, "rensa": rensa, "rensa-inline": rensa_inline}[name](data)
    with open(out, "w") as file:
        file.writelines(f"{id} {kept}\n" for id, kept in found)
