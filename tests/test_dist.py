"""dist/: what is published, in which order and split, the same bytes every time, and that `datasets` reads it back."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from plugdata import pair, recipe
from plugdata.corpus import Counts
from plugdata.errors import ContractError, CorpusError, FunnelError, GateError
from plugdata.hashing import tagged_hash
from plugdata.publish import COLUMNS, Facts, ModelUse, dist, readback, shards
from plugdata.recipe import Recipe
from plugdata.rows import DEDUP, row_id

PARTS = {
    "ko": ("과일 {n}의 이름을 대세요.", "사과 {n}입니다."),
    "ar": ("سمّ الفاكهة رقم {n}.", "تفاحة {n}."),
    "no": ("Nevn frukt nummer {n}.", "Et eple {n}."),
    "zh": ("说出第{n}种水果。", "苹果{n}。"),
}
TRAIN, VALIDATION = "train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"


def dedup_rows(lang: str, n: int, dropped: Sequence[int] = (), **columns: Any) -> pl.DataFrame:
    """Rows of contract DEDUP: n in all, those numbered `dropped` taken out; `columns` overrides a whole column."""
    instruction, response = PARTS[lang]
    rows = [
        {
            "id": row_id(f"Name fruit {k}.", "", f"An apple {k}."),
            "ordinal": k,
            "source": "vicgalle/alpaca-gpt4",
            "source_id": str(k),
            "license": "cc-by-nc-4.0",
            "lang": lang,
            "pivot_lang": "en",
            "pivot_instruction": f"Name fruit {k}.",
            "pivot_response": f"An apple {k}.",
            "instruction": instruction.format(n=k),
            "response": response.format(n=k),
            "lid_response": None if k % 3 == 0 else 0.75,
            "ratio_response": 0.5,
            "status": "dropped" if k in dropped else "kept",
            "stage": "filter" if k in dropped else None,
            "reason": "lid" if k in dropped else None,
            **columns,
        }
        for k in range(n)
    ]
    return pl.DataFrame([{name: row.get(name) for name in DEDUP} for row in rows], schema=DEDUP).sort("id")


def save(frame: pl.DataFrame, path: Path, row_group_size: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, row_group_size=row_group_size)
    return path


def make_recipe(langs: Sequence[str], **keys: Any) -> Recipe:
    asked = {"corpus": "c", "sources": [{"id": "vicgalle/alpaca-gpt4"}], "languages": list(langs), **keys}
    asked["publish"] = {"repo": "tester/plug", **asked.get("publish", {})}
    return recipe.resolve(asked)


def make_facts(**frames: pl.DataFrame) -> Facts:
    funnel = {}
    for lang, frame in frames.items():
        n, n_out = frame.height, frame.filter(pl.col("status") != "kept").height
        taken = Counts(rows=n, kept=n - n_out, out={"dropped": {"lid": n_out}} if n_out else {})
        funnel[lang] = [("source", Counts(rows=n, kept=n)), ("filter", taken)]
    models = [ModelUse("gpt-test", "translation", 1200, 34_000, 56_000, 1_234_000_000, 0, "2026-11-01", "2026-11-02")]
    return Facts("en", funnel, models, {}, ["translate-v1"], "kind: plug\n", '{"version": 1}\n', "0.1.0")


def build(folder: Path, frames: dict[str, pl.DataFrame], **keys: Any) -> dist.Built:
    """folder/dist built from frames by language."""
    paths = {lang: save(frame, folder / "rows" / f"{lang}.parquet") for lang, frame in frames.items()}
    return dist.build(folder / "dist", paths, make_recipe(list(frames), **keys), make_facts(**frames))


def ids(folder: Path, config: str) -> dict[str, list[str]]:
    return {
        path.name.partition("-")[0]: pq.read_table(path)["id"].to_pylist()
        for path in sorted((folder / "dist" / config).iterdir())
    }


def everything(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_whose_name_is_a_pattern_is_built_the_same_and_datasets_is_said_not_to_read_it(tmp_path: Path) -> None:
    frame = dedup_rows("ko", 9, dropped=[3])
    for name in ("whole", "[p]*"):
        build(tmp_path / name, {"ko": frame})
    assert everything(tmp_path / "[p]*") == everything(tmp_path / "whole")
    with pytest.raises(CorpusError) as caught:
        readback.loaded(str(tmp_path / "[p]*" / "dist"), ["ko"], str(tmp_path / "cache"))
    assert "is a pattern" in str(caught.value.hint)


def test_kept_rows_are_published_by_id_with_the_columns_and_messages_of_their_layout(tmp_path: Path) -> None:
    frame = dedup_rows("ko", 40, dropped=[3, 5])
    built = build(tmp_path, {"ko": frame}, layouts=["plug", "mono"])
    assert built == ({"ko": {"train": 38}, "ko-mono": {"train": 38}}, "cc-by-nc-4.0", ())
    kept = frame.filter(pl.col("status") == "kept")
    layouts: list[tuple[str, pair.LayoutName]] = [("ko", "plug"), ("ko-mono", "mono")]
    for config, layout in layouts:
        rows = pq.read_table(tmp_path / "dist" / config / TRAIN).to_pylist()
        assert list(rows[0]) == list(COLUMNS)
        assert [row["id"] for row in rows] == sorted(kept["id"])
        for row, source in zip(rows, kept.iter_rows(named=True), strict=True):
            texts = pair.Parts(*(row[field] for field in pair.Parts._fields))
            assert row["messages"] == pair.messages(texts, layout, "en", "ko")
            assert (row["layout"], row["template"]) == (layout, pair.LAYOUTS[layout].template)
            assert (row["lid_score"], row["length_ratio"]) == (source["lid_response"], 0.5)
            assert (row["source_id"], row["license"]) == (source["source_id"], "cc-by-nc-4.0")


def test_the_first_layout_of_the_recipe_has_the_plain_config_name(tmp_path: Path) -> None:
    built = build(tmp_path, {"ko": dedup_rows("ko", 3)}, layouts=["mono", "plug"])
    assert list(built.rows) == ["ko", "ko-plug"]
    assert json.loads((tmp_path / "dist/layouts.json").read_text()) == pair.layouts_json(["mono", "plug"], "en", ["ko"])


def test_the_same_rows_give_the_same_bytes_however_they_were_stored(tmp_path: Path) -> None:
    frame = dedup_rows("ko", 2_300, dropped=range(0, 2_300, 7))
    asked, facts = make_recipe(["ko"], layouts=["plug", "mono"], split={"validation": 0.1}), make_facts(ko=frame)
    seen = []
    for n, row_group_size in enumerate((None, 190, 190)):
        path = save(frame, tmp_path / str(n) / "ko.parquet", row_group_size)
        dist.build(tmp_path / str(n) / "dist", {"ko": path}, asked, facts)
        seen.append(everything(tmp_path / str(n) / "dist"))
    assert seen[0] == seen[1] == seen[2]
    about = pq.ParquetFile(tmp_path / "0/dist/ko" / TRAIN).metadata
    groups = [about.row_group(n).num_rows for n in range(about.num_row_groups)]
    assert groups == [shards.ROW_GROUP, about.num_rows - shards.ROW_GROUP]
    assert about.row_group(0).column(0).has_offset_index


def test_a_row_is_in_one_split_in_every_language_and_growth_moves_none(tmp_path: Path) -> None:
    def made(name: str, n: int) -> dict[str, list[str]]:
        frames = {lang: dedup_rows(lang, n) for lang in ("ko", "ar")}
        build(tmp_path / name, frames, layouts=["plug", "mono"], split={"validation": 0.2, "seed": 7})
        for config in ("ko-mono", "ar", "ar-mono"):
            assert ids(tmp_path / name, config) == ids(tmp_path / name, "ko")
        return ids(tmp_path / name, "ko")

    small, large = made("small", 100), made("large", 300)
    assert 30 < len(large["validation"]) < 90
    assert all(set(small[split]) <= set(large[split]) for split in ("train", "validation"))
    build(tmp_path / "other", {"ko": dedup_rows("ko", 300)}, split={"validation": 0.2, "seed": 8})
    assert set(ids(tmp_path / "other", "ko")["validation"]) != set(large["validation"])


def test_an_empty_split_is_left_out_of_its_config(tmp_path: Path) -> None:
    assert build(tmp_path, {"ko": dedup_rows("ko", 1)}, split={"validation": 0.01}).rows == {"ko": {"train": 1}}
    assert dist.check(tmp_path / "dist") == {"ko": {"train": 1}}
    assert build(tmp_path, {"ko": dedup_rows("ko", 1)}, split={"validation": 0.999}).rows == {"ko": {"validation": 1}}
    assert dist.check(tmp_path / "dist") == {"ko": {"validation": 1}}


def test_a_parallel_corpus_publishes_only_ids_kept_in_every_language(tmp_path: Path) -> None:
    frames = {"ko": dedup_rows("ko", 30, [1, 2]), "ar": dedup_rows("ar", 30, [2, 3]), "zh": dedup_rows("zh", 30)}
    built = build(tmp_path, frames, parallel=True)
    assert {config: splits["train"] for config, splits in built.rows.items()} == {"ko": 27, "ar": 27, "zh": 27}
    assert ids(tmp_path, "ko") == ids(tmp_path, "ar") == ids(tmp_path, "zh")
    assert (
        "| not kept in every language | −1 (3.3 %) | −1 (3.3 %) | −3 (10.0 %) |"
        in (tmp_path / "dist/README.md").read_text()
    )


def test_a_language_without_kept_rows_is_left_out_and_none_at_all_is_refused(tmp_path: Path) -> None:
    none = dedup_rows("ar", 4, dropped=range(4))
    built = build(tmp_path, {"ko": dedup_rows("ko", 4), "ar": none})
    assert list(built.rows) == ["ko"] and built.notes == ("ar: no row is kept, so it is left out",)
    with pytest.raises(GateError, match="kept in any language"):
        build(tmp_path, {"ar": none})
    with pytest.raises(GateError, match="kept in every language"):
        build(tmp_path, {"ko": dedup_rows("ko", 4), "ar": none}, parallel=True)


def test_the_licence_is_that_of_the_rows_that_are_published(tmp_path: Path) -> None:
    mixed = dedup_rows("ko", 6, dropped=[0]).with_columns(
        license=pl.when(pl.col("ordinal") == 0).then(pl.lit("cc-by-sa-3.0")).otherwise(pl.lit("mit"))
    )
    assert build(tmp_path, {"ko": mixed}).license == "mit"
    before = everything(tmp_path / "dist")
    with pytest.raises(GateError, match="'vicgalle/alpaca-gpt4' is unknown"):
        build(tmp_path, {"ko": dedup_rows("ko", 6, license=None)})
    assert everything(tmp_path / "dist") == before
    assert build(tmp_path, {"ko": dedup_rows("ko", 6, license=None)}, publish={"license": "mit"}).license == "mit"


def test_rows_that_contradict_the_funnel_or_their_contract_leave_the_old_dist_untouched(tmp_path: Path) -> None:
    frame = dedup_rows("ko", 8)
    build(tmp_path, {"ko": frame})
    before = everything(tmp_path / "dist")
    rows = {"ko": save(frame, tmp_path / "ko.parquet"), "ar": tmp_path / "ar.parquet"}
    asked, facts = make_recipe(["ko", "ar"]), make_facts(ko=frame, ar=dedup_rows("ar", 8))
    for ar, error, words in (
        (dedup_rows("ar", 8, dropped=[1]), FunnelError, "ar: the funnel says 8 rows are kept, the rows themselves 7"),
        (dedup_rows("ar", 8).reverse(), ContractError, "'ar' are not sorted by id"),
        (pl.concat([dedup_rows("ar", 4)] * 2).sort("id"), ContractError, "each once"),
        (dedup_rows("ar", 8).drop("lid_response"), ContractError, "lacks the column 'lid_response'"),
    ):
        save(ar, rows["ar"])
        with pytest.raises(error, match=words):
            dist.build(tmp_path / "dist", rows, asked, facts)
        assert everything(tmp_path / "dist") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ar.parquet", "dist", "ko.parquet", "rows"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/thesis.tex").write_text("mine")
    with pytest.raises(CorpusError, match="did not write"):
        build(tmp_path, {"ko": dedup_rows("ko", 2)})
    assert (tmp_path / "dist/thesis.tex").read_text() == "mine"


def test_a_new_build_replaces_the_folder_whole_and_lists_every_file(tmp_path: Path) -> None:
    build(tmp_path, {"ko": dedup_rows("ko", 5), "ar": dedup_rows("ar", 5)}, layouts=["plug", "mono"])
    (tmp_path / ".dist.new").mkdir()  # what a killed build leaves
    (tmp_path / ".dist.new/junk").write_text("half")
    build(tmp_path, {"ko": dedup_rows("ko", 5)})
    assert not (tmp_path / ".dist.new").exists()
    found = everything(tmp_path / "dist")
    listed = dict(line.split("  ")[::-1] for line in (tmp_path / "dist" / dist.SUMS).read_text().splitlines())
    del found[dist.SUMS]
    assert listed == found
    assert set(found) == {"LICENSE", "README.md", "layouts.json", "manifest.json", "recipe.yaml", f"ko/{TRAIN}"}
    assert (tmp_path / "dist/recipe.yaml").read_text() == "kind: plug\n"


def test_every_config_loads_with_datasets_norwegian_too(tmp_path: Path) -> None:
    frames = {lang: dedup_rows(lang, 60) for lang in ("no", "zh")}
    built = build(tmp_path, frames, layouts=["plug", "mono"], split={"validation": 0.2})
    assert list(built.rows) == ["no", "no-mono", "zh", "zh-mono"]
    assert dist.check(tmp_path / "dist") == built.rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "rows"]


def test_every_config_streams_and_is_read_by_polars_and_duckdb_through_globs(tmp_path: Path) -> None:
    frames = {lang: dedup_rows(lang, 60) for lang in ("no", "zh")}
    built = build(tmp_path, frames, layouts=["plug", "mono"], split={"validation": 0.2})
    folder = tmp_path / "dist"
    for config, splits in built.rows.items():
        for split, n in splits.items():
            cache = str(tmp_path / "cache")
            streamed = list(datasets.load_dataset(str(folder), config, split=split, streaming=True, cache_dir=cache))
            read = pl.read_parquet(f"{folder}/{config}/{split}-*.parquet")
            assert read.to_dicts() == streamed and read.height == n
    total = sum(n for config in ("no", "zh") for n in built.rows[config].values())
    query = f"select count(*), count(distinct id), min(len(messages)) from '{folder}/??/*.parquet'"
    found = duckdb.sql(query)
    assert found is not None and found.fetchall() == [(total, 60, 3)]


@pytest.mark.parametrize(("n_bytes", "n_files"), [(400_000, 4), (900_000, 2), (10_000, 16)])
def test_a_large_split_is_many_files_that_are_read_as_one(
    tmp_path: Path, n_bytes: int, n_files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noise(id: str) -> str:
        return "".join(tagged_hash([id, n]) for n in range(100))  # nothing presses it together

    frame = dedup_rows("ko", 400).with_columns(response=pl.col("id").map_elements(noise, pl.String))
    whole = build(tmp_path / "whole", {"ko": frame}, split={"validation": 0.2})
    monkeypatch.setattr(shards, "ROW_GROUP", 20)
    monkeypatch.setattr(shards, "SHARD_BYTES", n_bytes)
    cut = build(tmp_path / "cut", {"ko": frame}, split={"validation": 0.2})
    assert cut == whole and dist.check(tmp_path / "cut/dist") == cut.rows
    files = sorted(path for path in (tmp_path / "cut/dist/ko").iterdir() if path.name.startswith("train"))
    assert [path.name for path in files] == [f"train-{n:05}-of-{n_files:05}.parquet" for n in range(n_files)]
    for path in files:
        groups = [pq.read_metadata(path).row_group(n) for n in range(pq.read_metadata(path).num_row_groups)]
        taken = sum(group.column(n).total_compressed_size for group in groups for n in range(group.num_columns))
        assert taken <= n_bytes or len(groups) == 1
    for split in whole.rows["ko"]:
        one, many = (pl.read_parquet(f"{tmp_path}/{kind}/dist/ko/{split}-*.parquet") for kind in ("whole", "cut"))
        assert one.equals(many)


def mixed_rows(lang: str, n: int, licenses: Sequence[str | None]) -> pl.DataFrame:
    """Rows of so many sources by turns, each under a licence of its own."""
    frame = dedup_rows(lang, n)
    return frame.with_columns(
        source=pl.format("source-{}", pl.col("ordinal") % len(licenses)),
        license=pl.Series([licenses[k % len(licenses)] for k in frame["ordinal"]], dtype=pl.String),
    )


def test_rows_that_cannot_share_a_licence_are_refused_or_published_apart(tmp_path: Path) -> None:
    frames = {lang: mixed_rows(lang, 60, ["CC-BY-NC-4.0", "cc-by-sa-3.0", "cc-by-nc-4.0"]) for lang in ("ko", "zh")}
    with pytest.raises(GateError, match="cannot share one licence") as refused:
        build(tmp_path, frames)
    assert "publish.split_by_license" in refused.value.hint
    asked: dict[str, Any] = {"layouts": ["plug", "mono"], "split": {"validation": 0.2}}
    built = build(tmp_path, frames, publish={"split_by_license": True}, **asked)
    names = [f"{lang}{layout}" for lang in ("ko", "zh") for layout in ("", "-mono")]
    assert list(built.rows) == [f"{name}-{license}" for name in names for license in ("cc-by-nc-4.0", "cc-by-sa-3.0")]
    assert dist.check(tmp_path / "dist") == built.rows and built.license == "other"
    assert {config: sum(splits.values()) for config, splits in built.rows.items() if config.startswith("ko-cc")} == {
        "ko-cc-by-nc-4.0": 40,
        "ko-cc-by-sa-3.0": 20,
    }
    for config in built.rows:
        rows = pl.read_parquet(f"{tmp_path}/dist/{config}/*.parquet")
        assert rows["license"].str.to_lowercase().unique().to_list() == [config.partition("cc-")[1] + config[-9:]]
    assert "- ko-cc-by-sa-3.0: Creative Commons Attribution-ShareAlike 3.0" in (tmp_path / "dist/LICENSE").read_text()
    shared = build(
        tmp_path / "two", {"ko": mixed_rows("ko", 9, ["mit", "apache-2.0"])}, publish={"split_by_license": True}
    )
    assert (list(shared.rows), shared.license) == (["ko"], "apache-2.0")


def test_a_licence_that_is_unknown_is_no_config_of_its_own(tmp_path: Path) -> None:
    frame = mixed_rows("ko", 6, ["mit", None])
    for asked in ({"split_by_license": True}, {"split_by_license": True, "license": "other"}):
        with pytest.raises(GateError, match="'source-1' is unknown"):
            build(tmp_path, {"ko": frame}, publish=asked)
    odd = mixed_rows("ko", 6, ["cc-by-sa-4.0", "My Own/Licence 2.0"])
    built = build(tmp_path, {"ko": odd}, publish={"split_by_license": True})
    assert sorted(built.rows) == ["ko-cc-by-sa-4.0", "ko-my-own-licence-2.0"]
    assert dist.check(tmp_path / "dist") == built.rows
    alike = mixed_rows("ko", 6, ["cc-by-sa-4.0", "My Own/Licence 2.0", "my-own-licence 2.0"])
    with pytest.raises(
        GateError, match=r"'My Own/Licence 2\.0' and 'my-own-licence 2\.0' would both be the config 'ko-my-own-l"
    ):
        build(tmp_path, {"ko": alike}, publish={"split_by_license": True})


def test_the_report_lies_beside_the_rows_and_is_not_asked_for_where_nothing_is_published(tmp_path: Path) -> None:
    asked: list[Path] = []

    def report(path: Path) -> None:
        asked.append(path)
        path.write_text("<!doctype html>")

    for license in (None, "mit"):
        rows = {"ko": save(dedup_rows("ko", 4, license=license), tmp_path / "ko.parquet")}
        told = make_recipe(["ko"]), make_facts(ko=dedup_rows("ko", 4))
        if license is None:
            with pytest.raises(GateError):
                dist.build(tmp_path / "dist", rows, *told, report)
        else:
            dist.build(tmp_path / "dist", rows, *told, report)
    assert len(asked) == 1
    assert (tmp_path / "dist/report.html").read_text() == "<!doctype html>"
    assert "  report.html\n" in (tmp_path / "dist" / dist.SUMS).read_text()


def test_every_layout_is_published_from_the_same_rows(tmp_path: Path) -> None:
    layouts = [layout for layout in pair.LAYOUTS if layout != "prompt"]
    built = build(tmp_path, {"ko": dedup_rows("ko", 12)}, layouts=layouts, split={"validation": 0.3})
    assert len(built.rows) == len(layouts) == 11 and len({str(splits) for splits in built.rows.values()}) == 1
    assert dist.check(tmp_path / "dist") == built.rows
    told = json.loads((tmp_path / "dist/layouts.json").read_text())
    for config in built.rows:
        for row in pl.read_parquet(f"{tmp_path}/dist/{config}/*.parquet").iter_rows(named=True):
            texts = pair.Parts(*(row[field] for field in pair.Parts._fields))
            found = pair.extract(row["messages"][-1]["content"], told[row["template"]]["layout"], "en", "ko")
            held = told[row["template"]]["parts"]
            assert found and {field: getattr(found, field) for field in held} == {
                field: getattr(texts, field) for field in held
            }


def test_the_card_tells_what_was_measured_of_published_rows_alone(tmp_path: Path) -> None:
    def measured(lang: str, least: list[float | None]) -> pl.DataFrame:
        column = pl.Series(least)
        return (
            dedup_rows(lang, 4, dropped=[0])
            .sort("ordinal")
            .with_columns(
                numbers_instruction=pl.lit(1.0),
                numbers_response=column,
                n_chars_response=pl.lit(9),
                pii=pl.lit([], pl.List(pl.String)),
            )
            .sort("id")
        )

    build(tmp_path, {"ko": measured("ko", [0.1, 0.5, 1.0, None]), "zh": measured("zh", [0.1, 1.0, None, 1.0])})
    text = (tmp_path / "dist/README.md").read_text()
    assert "| numbers differ | 33.3 % of 3 | 0 % of 3 |" in text
    assert "too little prose for language identification | 100 % of 3 | 100 % of 3 |" in text
    assert "found in none: looks like it holds personal data" in text and "tables differ" not in text


def test_prompts_alone_are_published_as_one_user_turn_and_load(tmp_path: Path) -> None:
    nothing = pl.lit(None, pl.String)
    frame = dedup_rows("ko", 6).with_columns(pivot_response=nothing, response=nothing)
    frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("lid_response", "ratio_response"))
    built = build(tmp_path, {"ko": frame}, translate={"fields": "instruction"}, layouts=["plug", "mono"])
    assert built.rows == {"ko": {"train": 6}} == dist.check(tmp_path / "dist")
    rows = pq.read_table(tmp_path / "dist/ko" / TRAIN).to_pylist()
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        assert row["messages"] == [{"role": "user", "content": row["instruction"]}]
        assert row["response"] is row["pivot_response"] is row["lid_score"] is row["length_ratio"] is None
        assert (row["layout"], row["template"]) == ("prompt", "prompt-v1")
    assert json.loads((tmp_path / "dist/layouts.json").read_text())["prompt-v1"]["parts"] == []
    assert "no responses; not a professional translation" in (tmp_path / "dist/README.md").read_text()


def test_check_finds_a_count_that_the_card_does_not_say(tmp_path: Path) -> None:
    build(tmp_path, {"ko": dedup_rows("ko", 9)})
    path = tmp_path / "dist/ko" / TRAIN
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(CorpusError, match=r"does not load with `datasets`: .*num_examples=9"):
        dist.check(tmp_path / "dist")
    pq.write_table(pq.read_table(path).drop_columns(["license"]), path)
    with pytest.raises(CorpusError, match="dist"):
        dist.check(tmp_path / "dist")
