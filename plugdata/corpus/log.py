"""The log file of a run: its news, what the rooms log meanwhile, and how it ended. Never a key, never a row."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from plugdata.corpus.directory import Corpus
from plugdata.corpus.files import writing


@contextmanager
def logged(corpus: Corpus, started_at: datetime) -> Iterator[Callable[[str], None]]:
    """While the block lasts, what plugdata logs goes into a file of CORPUS/logs; the function given adds a line."""
    log = logging.getLogger("plugdata")
    path = corpus.path / "logs" / f"{started_at:%Y%m%dT%H%M%S.%f}Z.log"
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield lambda line: log.info("%s", line)
        log.info("done")
    except BaseException as error:
        log.info("stopped: %s: %s", type(error).__name__, error)
        raise
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        handler.close()
