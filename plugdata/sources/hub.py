"""Hub data sets → records, streamed, and the commit that a name stands for.

Owns the use of `datasets` and its errors. Must not know what the columns mean (records.py). The libraries are
imported inside the functions: they take two thirds of a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from plugdata.errors import SourceError
from plugdata.sources.raw import Record


class Named(Protocol):
    """What a recipe says of a Hub data set: its Source and its Texts do."""

    @property
    def id(self) -> str | None: ...
    @property
    def config(self) -> str | None: ...
    @property
    def split(self) -> str: ...
    @property
    def revision(self) -> str | None: ...


def records(source: Named) -> Iterator[Record]:
    """The rows of one split, in order. Raises SourceError if they cannot be had."""
    from datasets import load_dataset

    if Path(str(source.id)).exists():
        # `datasets` would read it instead, under the name and digest of what is on the Hub
        raise SourceError(f"{source.id} is a Hub id, but also a path here", "read the local one by `path`")
    with _asking(source):
        rows = load_dataset(source.id, source.config, split=source.split, revision=source.revision, streaming=True)
        if rows.features:
            rows = rows.decode(False)  # pictures and sound stay as they are: nothing here looks at them
        for number, row in enumerate(rows, 1):
            yield Record(f"{source.id}:row {number}", row)


def digest(source: Named) -> str:
    """What it holds now: "hub:ID[CONFIG/SPLIT]@COMMIT". Raises SourceError."""
    return f"hub:{source.id}[{source.config or ''}/{source.split}]@{commit(source)}"


def commit(source: Named) -> str:
    """The commit that the source's revision stands for now. Raises SourceError."""
    from huggingface_hub import HfApi

    with _asking(source):
        return str(HfApi().dataset_info(str(source.id), revision=source.revision).sha)


@contextmanager
def _asking(source: Named) -> Iterator[None]:
    """Turn the libraries' errors into a SourceError of one line, with what to do about it."""
    import pyarrow as pa
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from httpx2 import HTTPError  # what huggingface_hub lets through when nothing answers
    from huggingface_hub import errors

    try:
        yield
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        raise SourceError(_what(source, "it does not exist on the Hub, or not for you"), _ACCESS) from error
    except errors.RevisionNotFoundError as error:
        raise SourceError(_what(source, f"it has no revision {source.revision!r}"), _CHOICE) from error
    except DatasetNotFoundError as error:
        raise SourceError(_what(source, str(error)), _ACCESS) from error
    except (ConnectionError, HTTPError) as error:
        raise SourceError(_what(source, str(error)), _REACH) from error
    except (OSError, ValueError, RuntimeError, DatasetsError, pa.ArrowException) as error:
        # "Config name is missing." and its like name the choice on their second line
        raise SourceError(_what(source, str(error)), _CHOICE) from error


_ACCESS = "check the id; a gated or private data set needs its terms accepted and HF_TOKEN set"
_REACH = "is this machine offline? A copy downloaded elsewhere can be read by `path`"
_CHOICE = "choose with the source's `config`, `split` and `revision`, or download it and read it by `path`"


def _what(source: Named, said: str) -> str:
    lines = [line.strip() for line in said.splitlines()[:2] if line.strip()]
    return f"{source.id}: {' '.join(lines) or 'cannot be read'}"
