"""Which writers of a ledger are alive: each holds a lock on a file of its own, which the kernel frees however it ends.

The file lies beside the ledger, named after the writer, and is gone with it; one that is left is a dead one's.
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO, NamedTuple


class Writer(NamedTuple):
    """A living writer: its name, and the locked file that shows it alive."""

    name: str
    file: IO[str]


def begin(ledger: Path) -> Writer:
    """A new writer. What dead ones left behind is taken away."""
    for stale in ledger.parent.glob(f"{ledger.name}-*.writer"):
        is_alive(ledger, stale.name.removeprefix(f"{ledger.name}-").removesuffix(".writer"))
    name = secrets.token_hex(4)
    file = open(_sign(ledger, name), "w")  # noqa: SIM115 (held as long as the writer lives)
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.fstat(file.fileno()).st_nlink == 0:  # another writer took it for a dead one's before the lock
        file.close()
        return begin(ledger)
    return Writer(name, file)


def end(ledger: Path, writer: Writer) -> None:
    """The writer is done."""
    _sign(ledger, writer.name).unlink(missing_ok=True)
    writer.file.close()


def is_alive(ledger: Path, name: str) -> bool:
    """Whether a writer's process lives. The sign of a dead one is taken away."""
    sign = _sign(ledger, name)
    try:
        with sign.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sign.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _sign(ledger: Path, name: str) -> Path:
    return ledger.with_name(f"{ledger.name}-{name}.writer")
