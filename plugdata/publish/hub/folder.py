"""A folder in place of the Hub: `push --to DIR` makes it hold what the Hub would.

Owns that folder's change in one step. Must not know the network.

The folder is made beside itself and swapped in by two renames, as dist/ is: nobody reads half of one. A kill between
the two leaves it under the name `.DIR.old`, where the next push finds it. What others put there stays, if an earlier
push wrote the folder; a folder that holds something else is refused.
"""

import os
import shutil
from pathlib import Path

from plugdata.corpus.files import displaced, swap, writing
from plugdata.errors import InputError
from plugdata.publish.dist import SUMS
from plugdata.publish.hub import Preview, planned
from plugdata.publish.hub.changes import CARD, Content, Held, Part, Published, difference, digests


def push(dist: Path, to: Path, *, schema_change: bool, force: bool) -> Preview:
    """Make a folder hold what a data set on the Hub would after a push; made if absent. Gives what changed.

    Raises: GateError, with nothing written, as the push to a Hub; InputError for a folder that is none of ours;
    CorpusError if it cannot be written.
    """
    to = to.absolute()
    own = dist.absolute()
    if to == own or to in own.parents or own in to.parents:
        raise InputError(f"{to} is the corpus's own", "name another folder")
    with writing(to):
        if _standing(to) != to:
            _standing(to).rename(to)
        published = _published(to)
        made, changes = planned(dist, published, schema_change=schema_change, force=force)
        if changes:
            kept = {name for name in published.files if name not in changes.deleted and name not in made}
            _replace(to, made, sorted(kept))
    return Preview(changes, difference(made, published.card))


def preview(dist: Path, to: Path, *, schema_change: bool, force: bool) -> Preview:
    """What `push` would change. Writes nothing."""
    with writing(to):
        published = _published(_standing(to.absolute()))
        made, changes = planned(dist, published, schema_change=schema_change, force=force)
    return Preview(changes, difference(made, published.card))


def _standing(folder: Path) -> Path:
    """Where the folder's content lies: under the old name if a push was killed between its two renames."""
    old = displaced(folder)
    return old if (old / SUMS).is_file() and not folder.exists() else folder


def _published(folder: Path) -> Published:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file", "name a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return Published()
    if not (folder / SUMS).is_file():
        raise InputError(f"{folder} holds files that plugdata did not write", "name another folder, or a new one")
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = {name: Held(path.stat().st_size, git=Part(path, "").git) for name, path in paths.items()}
    card = paths[CARD].read_text(encoding="utf-8", errors="replace") if CARD in paths else None
    owned = digests((folder / SUMS).read_text(encoding="utf-8", errors="replace"))
    return Published(files, card, frozenset([SUMS, *owned]))


def _replace(folder: Path, made: Content, kept: list[str]) -> None:
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        for name in kept:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, new / name)
        for name, part in made.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            with open(new / name, "wb") as handle:
                if isinstance(part.data, bytes):
                    handle.write(part.data)
                else:
                    with open(part.data, "rb") as read:
                        shutil.copyfileobj(read, handle)
                handle.flush()
                os.fsync(handle.fileno())
        swap(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
