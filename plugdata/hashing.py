"""The hash of a value that ids and ledger keys are made of: the same on every machine and in every release.

It is of canonical JSON (sorted keys, no spaces, raw UTF-8), and says by its tag how it was made. Changing this module
changes every id and every ledger key. Knows no row and no call.
"""

import hashlib
import json


def tagged_hash(value: object) -> str:
    """Tag "b2:" and 32 hex digits: BLAKE2b of the canonical JSON of a value (sorted keys, no spaces, raw UTF-8).

    Changing this function changes every id and every ledger key.
    """
    return tagged(canonical(value))


def canonical(value: object) -> bytes:
    """The canonical JSON of a value, as `tagged_hash` reads it."""
    return _canonical(value).encode("utf-8", "surrogatepass")


def tagged(canonical: bytes) -> str:
    """`tagged_hash` of the value whose canonical JSON this is."""
    return "b2:" + hashlib.blake2b(canonical, digest_size=16).hexdigest()


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""Made once: `json.dumps` would make an encoder for each value (2 µs)."""
