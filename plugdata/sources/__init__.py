"""Sources: English instruction data from files and the Hub → rows of rows.SOURCE, and the lint that screens them.

Reads Alpaca, Dolly, OASST, ShareGPT and `messages` data as JSON, JSON Lines, CSV or Parquet. Every record becomes
exactly one row, with the place where it was read and, if it is not used, why. Must not know of calls or languages
to translate into. documents.py reads collections of natural text instead. plain.py and back.py serve files that are no
corpus: their records as pairs, and written again.
"""

from plugdata.sources import existing, lint
from plugdata.sources.documents import documents_digest
from plugdata.sources.read import digest, read
from plugdata.sources.twins import merge_twins, whole_groups

VERSION = 1
"""Of what is read and how it is cleaned and merged: a change of rows is a new version."""

__all__ = ["VERSION", "digest", "documents_digest", "existing", "lint", "merge_twins", "read", "whole_groups"]
