"""A published corpus as a corpus again: what its recipe and rows become in a new directory.

    CORPUS/pulled/pivot.parquet              each id once: its texts in the pivot, its source, licence, source_id
    CORPUS/pulled/LANG/CONFIG.SPLIT-*.parquet    as published, in the default layout

Owns how published rows are read as sources and given translations. Must not know how stages run.

- An id hashes texts that are not published: instruction and input apart, or the sources' own language. So the ids are
  not made anew but read: `columns` of the source and of the translations name the column that holds them, and the one
  that holds each row's own source. Its licence and its id there are read as from any file.
- What was published comes back whole. The translations come in as given ones that were checked: instruction and input
  are one text now, in which the checks see other things than they saw before. For the same reason no class of tasks is
  dropped again. The filters are asked once more, since they judge the rows of a new language by the bounds of the same
  recipe; those that are fitted to the rows are fitted to fewer now. The funnel says if they take something out.
- Of the published recipe all is kept that says which rows there are and what becomes of them, split and layouts
  included; not what names files of another machine, models, how they were asked, or where it was published.
  `manifest.json` and the ledger stay behind: what models said of the languages that are there is not asked again.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from plugdata import assets
from plugdata import recipe as recipes
from plugdata.corpus import BATCH, replacing, sorting
from plugdata.corpus.files import swap
from plugdata.errors import InputError
from plugdata.publish.dist import SUMS
from plugdata.publish.hub.changes import digests
from plugdata.publish.hub.requests import Say, explained, quiet, tries
from plugdata.recipe import Recipe
from plugdata.recipe.file import parse

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PIVOT = ["id", "source", "source_id", "license", "pivot_instruction", "pivot_response"]

_KEPT = ("pivot", "layouts", "parallel", "split", "screen", "translate", "filter", "dedup", "publish")
_MAKERS = {
    "screen": ("decontaminate", "against"),
    "translate": ("glossary", "again", "mode"),
    "filter": ("user",),
    "dedup": ("against",),
    "publish": ("repo",),
}
"""Keys of the published recipe that are kept, and what of them is its maker's alone: files, places, ways to ask."""

_DATA = re.compile(r"([\w.-]+)/([\w-]+\.parquet)")


def pull(repo: str, revision: str | None, corpus: Path, *, token: str | None, say: Say) -> Recipe:
    """Write the rows of a data set under `corpus`/pulled, and give the recipe that makes a corpus of them.

    Raises: InputError for a data set that plugdata did not publish, or whose files are not those it published;
    HubError where it cannot be had; CorpusError where the disk is full.
    """
    from huggingface_hub import HfApi, get_token

    api = HfApi(token=token or get_token() or False, library_name="plugdata")
    for left in corpus.glob(".pull.*"):  # by a pull that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".pull.", dir=corpus) as folder, quiet(say), explained(repo, api.endpoint):
        for attempt in tries(say, "pulling"):
            with attempt:
                commit = _commit(api, repo, revision)
        here, pulled = Path(folder, "hub"), Path(folder, "pulled")
        listing, recipe = _fetched(api, repo, commit, here, [SUMS, "recipe.yaml"], say)
        sums = digests(listing.read_text(encoding="utf-8", errors="replace"))
        asked = parse(recipe.read_text(encoding="utf-8", errors="replace"), f"{repo}: recipe.yaml")
        if asked.get("kind") == "x-instruction":
            raise InputError(
                f"{repo} is natural text, not translations", "datasets.load_dataset reads it; only kind plug is pulled"
            )
        read = _read(asked, repo)
        found = _of_languages(sums, asked)
        if not found:
            raise InputError(f"{repo} at {commit[:12]} holds no rows", "was its push broken off? Name another revision")
        for lang, names in found.items():
            paths = _fetched(api, repo, commit, here, names, say)
            for name, path in zip(names, paths, strict=True):
                if assets.sha256_of(path) != sums[name]:
                    raise InputError(
                        f"{name} of {repo} is not the file that was published", "it was changed since; name a revision"
                    )
                to = pulled / lang / name.replace("/", ".")
                to.parent.mkdir(parents=True, exist_ok=True)
                path.replace(to)
        n_rows = _write_pivot(pulled / "pivot.parquet", {lang: pulled / lang for lang in found}, here / ".spill")
        swap(pulled, corpus / "pulled")
    say(f"{repo} at {commit[:12]}: {n_rows:,} rows in {', '.join(found)}")
    return _recipe(read, repo, commit, corpus, list(found))


def _commit(api: "HfApi", repo: str, revision: str | None) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if repo.count("/") != 1:
        raise InputError(f"{repo!r} is no name of a data set", "name it ORG/NAME")
    try:
        return str(api.dataset_info(repo, revision=revision).sha)
    except RevisionNotFoundError:
        raise InputError(f"{repo} has no revision {revision!r}", "name a branch, a tag or a commit") from None
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        other = next((kind for kind in ("model", "space") if api.repo_exists(repo, repo_type=kind)), None)
        if other is None:
            raise
        raise InputError(f"{repo} is a {other}, not a data set", "name what `plugdata push` published") from None


def _fetched(api: "HfApi", repo: str, commit: str, folder: Path, names: Sequence[str], say: Say) -> list[Path]:
    """Files of a commit, fetched. Raises InputError for one that it lacks."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    found = []
    for name in names:
        for attempt in tries(say, f"fetching {name}"):
            with attempt:
                try:
                    path = api.hf_hub_download(repo, name, repo_type="dataset", revision=commit, local_dir=folder)
                except LocalEntryNotFoundError as error:  # what the Hub said to the question before is its cause
                    raise error.__cause__ or error from None
                except EntryNotFoundError:
                    raise InputError(
                        f"{repo} at {commit[:12]} holds no {name}, so plugdata did not publish it",
                        "another data set is read by `plugdata translate`",
                    ) from None
        found.append(Path(path))
    return found


def _of_languages(names: Iterable[str], asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """Language → its files in the default layout, sorted. A config is LANG, or LANG-LICENCE, or either of a layout."""
    others = tuple(str(layout) for layout in list(asked.get("layouts") or ())[1:])
    langs = [str(lang) for lang in asked.get("languages") or ()]
    found: dict[str, list[str]] = {lang: [] for lang in langs}
    for name in sorted(names):
        if not (match := _DATA.fullmatch(name)):
            continue
        config = match[1]
        fits = [lang for lang in langs if config == lang or config.startswith(f"{lang}-")]
        if not fits:
            continue
        lang = max(fits, key=len)  # "es-MX" is no "es"
        rest = config[len(lang) + 1 :]
        if not any(rest == layout or rest.startswith(f"{layout}-") for layout in others):
            found[lang].append(name)
    return {lang: files for lang, files in found.items() if files}


def _write_pivot(path: Path, folders: Mapping[str, Path], spill: Path) -> int:
    """Every id of some languages with its pivot's texts, sorted; how many."""
    import pyarrow.parquet as pq

    n_rows, writer = 0, None
    with replacing(path) as handle:
        for frame in _merged(sorting.by_columns(_rows(folders), ["id", "lang"], spill)):
            n_rows += frame.height
            table = frame.to_arrow()
            writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
            writer.write_table(table)
        if writer:
            writer.close()
    return n_rows


def _rows(folders: Mapping[str, Path]) -> Iterator[pl.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for lang, folder in folders.items():
        for file in sorted(folder.iterdir()):
            try:
                with pq.ParquetFile(file, pre_buffer=False) as rows:
                    for batch in rows.iter_batches(BATCH, columns=PIVOT):
                        frame = pl.from_arrow(batch)
                        assert isinstance(frame, pl.DataFrame)
                        yield frame.select(pl.col(PIVOT).cast(pl.String), lang=pl.lit(lang))
            except (pa.ArrowException, pl.exceptions.PolarsError) as error:
                said = str(error).partition("\n")[0]
                raise InputError(f"{file} holds other columns than plugdata publishes: {said}") from error


def _merged(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The first row of each id. Raises InputError where the pivot's texts of one id differ between languages."""
    last: pl.DataFrame | None = None
    for frame in frames:
        whole = frame if last is None else pl.concat([last, frame])
        before = pl.col("id") == pl.col("id").shift(1)
        texts = pl.struct("pivot_instruction", "pivot_response")
        odd = whole.filter(before & (texts != texts.shift(1)))
        if odd.height:
            id, lang = odd.select("id", "lang").row(0)
            raise InputError(f"the pivot's texts of {id} in {lang!r} are not those in another language")
        fresh = whole.filter(before.fill_null(False).not_())
        yield (fresh if last is None else fresh.slice(1)).select(PIVOT)
        last = whole.tail(1)


def _read(asked: Mapping[str, Any], repo: str) -> Recipe:
    """What is kept of a published recipe. Raises RecipeError for one whose keys, which anybody may have edited, hold
    something else."""
    kept = {
        key: {name: value for name, value in asked[key].items() if name not in _MAKERS.get(key, ())}
        if isinstance(asked[key], Mapping)
        else asked[key]
        for key in _KEPT
        if key in asked
    }
    data = {"corpus": "pulled", "sources": [{"path": "pulled"}], "languages": asked.get("languages"), **kept}
    return recipes.resolve(data, where=f"{repo}: recipe.yaml")


def _recipe(read: Recipe, repo: str, commit: str, corpus: Path, langs: list[str]) -> Recipe:
    """The recipe of the corpus in its new place, given what `_read` kept of the published one."""
    kept = read.model_dump(mode="json", include=set(_KEPT))
    if (lid := kept["filter"]["lid"]) and lid["model"] not in (None, *assets.LID_MODELS):
        lid["model"] = None
    if (length := kept["filter"]["length"]) and length["tokenizer"]:
        kept["filter"]["length"] = {name: value for name, value in length.items() if "token" not in name}
    route = {name: "translate" if policy == "drop" else policy for name, policy in kept["screen"]["route"].items()}
    route["by"] = "off" if route["by"] == "off" else "rules"
    same = {"id": "id", "source": "source"}
    data = {
        **kept,
        "screen": {"route": route, "duplicates": "off"},
        "corpus": str(corpus),
        "sources": [
            {
                "path": str(corpus / "pulled" / "pivot.parquet"),
                "name": repo,
                "columns": {"instruction": "pivot_instruction", "response": "pivot_response", **same},
            }
        ],
        "languages": langs,
        "translations": [
            {
                "lang": lang,
                "path": str(corpus / "pulled" / lang),
                "columns": {"instruction": "instruction", "response": "response", "id": "id"},
                "made_by": f"{repo}@{commit[:12]}",
                "checked": True,
            }
            for lang in langs
        ],
    }
    return recipes.resolve(data, where=f"{repo}: recipe.yaml")
