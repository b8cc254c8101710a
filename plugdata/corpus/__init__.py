"""The corpus directory: where things lie, how they are written, who may write, what the manifest says.

    CORPUS/
      recipe.yaml                    what was asked for, resolved
      ledger.sqlite                  every LLM call (owned by calls/)
      rows/STAGE/[LANG/]part-00000.parquet   all rows of a stage, sorted by (id, ordinal)
      manifest.json                  per stage: digest, output hash, counts; written last
      progress.json                  the stage at work, while a writer lives
      logs/*.log                     what each run told
      dist/                          exactly what goes to the Hub (owned by publish/)

One writer at a time (a lock that dies with its process), any number of readers. A file is written beside its name,
synced and renamed, so a reader never sees half of one. A stage holds one Parquet file with many row groups: one
rename replaces it whole, where a folder of parts could be seen half old, half new.

The parts: directory (what lies where, the lock, rows written and counted), manifest (what stands in it), files
(written whole or not at all), sorting (of any number of rows, on disk), aside (rows on disk, to be gone through again),
parts (row-wise work on all cores), log (what a run tells). Knows nothing of what the stages do.
"""

from plugdata.corpus.directory import BATCH, Corpus, Written
from plugdata.corpus.files import replacing
from plugdata.corpus.log import logged
from plugdata.corpus.manifest import Counts, Manifest, Progress, SourceRecord, StageRecord, stage_key
from plugdata.corpus.parts import Workers

__all__ = [
    "BATCH",
    "Corpus",
    "Counts",
    "Manifest",
    "Progress",
    "SourceRecord",
    "StageRecord",
    "Workers",
    "Written",
    "logged",
    "replacing",
    "stage_key",
]
