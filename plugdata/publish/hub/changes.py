"""What a push would change: the content of a dist/ beside what is published already. Reads files here, sends nothing.

Owns the list of files, and what a person gets to see of it. Must not know how a Hub is spoken to.

- Ours are the files that the list of an earlier push (`SUMS`) names: of these, the ones that this dist/ lacks are
  deleted. Files that others put there stay.
- A person's own words in the published card stay too (card.merged), so README.md is not what lies in dist/, and the
  list of digests is made anew with it.
- A file is compared by the hash that the Hub tells of it: SHA-256 of a large file, git's of any other.
"""

import difflib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from plugdata.errors import CorpusError, GateError
from plugdata.publish import card
from plugdata.publish.dist import SUMS

CARD = "README.md"


class Part(NamedTuple):
    """A file to be published: where it lies here, or what it holds."""

    data: Path | bytes
    sha256: str

    @property
    def n_bytes(self) -> int:
        return len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size

    @property
    def git(self) -> str:
        """Git's hash of it."""
        digest = hashlib.sha1(b"blob %d\0" % self.n_bytes)
        if isinstance(self.data, bytes):
            digest.update(self.data)
            return digest.hexdigest()
        with open(self.data, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


Content = Mapping[str, Part]
"""Path in the data set → what it holds."""


class Held(NamedTuple):
    """A file as it is published: its size, and one of its two hashes."""

    n_bytes: int
    sha256: str | None = None
    git: str | None = None


class Published(NamedTuple):
    """What a data set holds before a push. head: its commit, None where there is none yet."""

    files: Mapping[str, Held] = {}
    card: str | None = None
    owned: frozenset[str] = frozenset()  # files that an earlier push put there
    head: str | None = None


class Changes(NamedTuple):
    """Paths, each list sorted, and the bytes of what is sent."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]
    sizes: Mapping[str, int]  # of all but the deleted

    @property
    def sent(self) -> tuple[str, ...]:
        return self.added + self.changed

    @property
    def n_bytes(self) -> int:
        return sum(self.sizes[name] for name in self.sent)

    def __bool__(self) -> bool:
        return bool(self.sent or self.deleted)


def content(dist: Path, published: str | None, *, force: bool = False) -> Content:
    """What is to be published of a dist/, given the card that is there.

    Raises CorpusError for an unfinished dist/; GateError for a card that cannot be read: `force` replaces it whole.
    """
    try:
        listing = (dist / SUMS).read_text(encoding="utf-8")
        ours = (dist / CARD).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        lacking = Path(error.filename).name
        raise CorpusError(f"{dist} holds no {lacking}, so it was not built to the end", "build it again") from None
    found = {name: Part(dist / name, digest) for name, digest in digests(listing).items()}
    try:
        found[CARD] = _said(card.merged(ours, published))
    except GateError as error:
        if not force:
            raise GateError(str(error), f"{error.hint}; or give --force to replace the whole card") from None
        found[CARD] = _said(ours)
    found[SUMS] = _said("".join(f"{found[name].sha256}  {name}\n" for name in found))
    return found


def text(part: Part) -> str:
    data = part.data if isinstance(part.data, bytes) else part.data.read_bytes()
    return data.decode()


def digests(listing: str) -> dict[str, str]:
    """Path → SHA-256, of a list of digests."""
    split = (line.partition("  ") for line in listing.splitlines())
    return {name: digest for digest, _, name in split if name}


def compare(content: Content, published: Published) -> Changes:
    """What has to be done so that a data set holds the content and nothing else of ours."""
    sizes = {name: content[name].n_bytes for name in sorted(content)}
    there = {name for name in sizes if name in published.files}
    same = {name for name in there if _is(content[name], published.files[name])}
    return Changes(
        added=tuple(name for name in sizes if name not in there),
        changed=tuple(name for name in sizes if name in there - same),
        unchanged=tuple(name for name in sizes if name in same),
        deleted=tuple(sorted((published.owned & published.files.keys()) - sizes.keys())),
        sizes=sizes,
    )


def told(changes: Changes) -> str:
    """The list of files as lines for a person, and their sum."""
    wide = max(map(len, [*changes.sizes, *changes.deleted]))
    words = (("added", changes.added), ("changed", changes.changed), ("unchanged", changes.unchanged))
    lines = [f"{word:<9}  {name:<{wide}}  {changes.sizes[name]:>13,} B" for word, names in words for name in names]
    lines += [f"{'deleted':<9}  {name}" for name in changes.deleted]
    n_sent, n_same, n_gone = len(changes.sent), len(changes.unchanged), len(changes.deleted)
    return "\n".join([*lines, f"{n_sent} to send ({changes.n_bytes:,} B), {n_same} unchanged, {n_gone} to delete"])


def difference(content: Content, published: str | None) -> str:
    """The card's lines that a push changes, as a unified diff; "" if none."""
    old = (published or "").splitlines(keepends=True)
    lines = difflib.unified_diff(old, text(content[CARD]).splitlines(keepends=True), "published/README.md", "README.md")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _is(part: Part, held: Held) -> bool:
    if part.n_bytes != held.n_bytes:
        return False
    return part.sha256 == held.sha256 if held.sha256 is not None else part.git == held.git


def _said(text: str) -> Part:
    data = text.encode()
    return Part(data, hashlib.sha256(data).hexdigest())
