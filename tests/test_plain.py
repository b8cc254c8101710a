"""`filter` and `dedup` of a file of one's own: what becomes of its records, and that they come through as they are."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plugdata.sources import back
from plugdata.sources.plain import Given, Plain, id_of, number_of, pairs
from tests.commands import Run, run, write_recipe
from tests.servers.llm import LlmServer

__all__ = ["run"]
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("lid_model_path")

Value = Mapping[str, Any]

PLACES = [
    "el puente viejo",
    "el jardín tranquilo",
    "el tren nocturno",
    "el mercado de la isla",
    "la escuela del pueblo",
]
IN_ENGLISH = ["the old bridge", "the quiet garden", "the night train", "the market on the island", "the village school"]


def spanish(n: int = 5) -> list[dict[str, Any]]:
    """Pairs in English and Spanish, each about something else."""
    return [
        {
            "id": n,
            "pivot_instruction": f"Describe {IN_ENGLISH[n % 5]} to somebody who has never been there.",
            "pivot_response": f"When you come to {IN_ENGLISH[n % 5]}, you hear voices first, and then you see colours.",
            "instruction": f"Describe {PLACES[n % 5]} a alguien que nunca haya estado allí.",
            "response": f"Cuando uno llega y ve {PLACES[n % 5]}, primero oye voces y después ve muchos colores.",
            "notes": {"tags": [n, n + 1], "seen": None},
        }
        for n in range(n)
    ]


def alone(values: Sequence[Value]) -> list[dict[str, Any]]:
    """The same without the pivot, as Alpaca writes it."""
    return [{"instruction": value["instruction"], "input": "", "output": value["response"]} for value in values]


def lines(path: Path, values: Sequence[Value | str]) -> Path:
    text = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def read(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_record_without_a_language_is_counted_somewhere_and_that_is_told(run: Run) -> None:
    values = [{**value, "lang": lang} for value, lang in zip(spanish(), ("es", "es", "ko", "xx", None), strict=True)]
    lines(Path("in.jsonl"), values)
    code, _, err = run("filter", "in.jsonl", "-o", "out.jsonl")
    assert (code, "2 records without a language of the table are counted with es" in err) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_told_to_end_leaves_nothing_beside_its_output(tmp_path: Path, number: int) -> None:
    lines(tmp_path / "in.jsonl", spanish(20_000))
    command = [sys.executable, "-m", "plugdata", "filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "-q"]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        while not list(tmp_path.glob(".plugdata-*")):
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_what_is_left_in_english_is_dropped_with_its_reason_and_the_rest_is_as_it_was(run: Run) -> None:
    values = spanish()
    values[2]["response"] = values[2]["pivot_response"]
    lines(Path("in.jsonl"), values)
    code, out, err = run("filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "--dropped", "gone.jsonl")
    assert code == 0, err
    assert read("out.jsonl") == [*values[:2], *values[3:]]
    (gone,) = read("gone.jsonl")
    assert gone == {**values[2], "status": "dropped", "reason": "lid", "detail": gone["detail"]}
    assert "looks like 'en'" in gone["detail"]
    assert "dropped: lid" in out and "−1" in out
    assert sorted(path.name for path in Path().iterdir()) == ["gone.jsonl", "in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("format", ["jsonl", "json", "csv", "parquet"])
def test_records_come_through_every_format_as_they_are(format: str, run: Run) -> None:
    values = spanish()
    lines(Path("in.jsonl"), values)
    assert run("filter", "in.jsonl", "--lang", "es", "-o", f"new/out.{format}", "-q")[0] == 0
    path = Path(f"new/out.{format}")
    if format == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            found: Any = [
                {**row, "id": int(row["id"]), "notes": json.loads(row["notes"])} for row in csv.DictReader(file)
            ]
    elif format == "parquet":
        found = pq.read_table(path).to_pylist()
    else:
        found = json.loads(path.read_text(encoding="utf-8")) if format == "json" else read(str(path))
    assert found == values


def test_a_parquet_file_keeps_its_types(run: Run) -> None:
    values = [{**value, "id": n} for n, value in enumerate(spanish())]
    schema = pa.schema(
        [*((name, pa.string()) for name in list(values[0])[1:5]), ("id", pa.uint16()), ("at", pa.timestamp("s"))]
    )
    pq.write_table(pa.Table.from_pylist(values, schema), "in.parquet")
    assert run("dedup", "in.parquet", "--lang", "es", "-o", "out.parquet")[0] == 0
    assert pq.read_table("out.parquet").equals(pq.read_table("in.parquet"))


def test_a_column_of_several_types_is_json_text_in_parquet_and_said_to_be(run: Run) -> None:
    mixed: list[Any] = ["a", 1, {}, None, [2]]
    values = [{**value, "mixed": one} for value, one in zip(spanish(), mixed, strict=True)]
    lines(Path("in.jsonl"), values)
    _, _, err = run("dedup", "in.jsonl", "--lang", "es", "-o", "out.parquet")
    assert pl.read_parquet("out.parquet")["mixed"].to_list() == ['"a"', "1", "{}", None, "[2]"]
    assert "mixed: values of several types" in err


def test_with_all_every_record_is_there_with_its_verdict_and_measurements(run: Run) -> None:
    values = spanish()
    values[4]["instruction"] = values[4]["pivot_instruction"]
    lines(Path("in.jsonl"), [*values[:3], "{broken", *values[3:]])
    run("filter", "in.jsonl", "--lang", "es", "-o", "all.parquet", "--all", "--measurements")
    found = pl.read_parquet("all.parquet")
    assert found["status"].to_list() == ["kept"] * 3 + ["quarantined", "kept", "dropped"]
    assert found["reason"].to_list()[3:] == ["bad-record", None, "lid"]
    assert found["raw"].to_list()[3] == "{broken" and "in.jsonl:4" in found["detail"][3]
    assert found["lid_response"][0] > 0.5 and found["lid_instruction"][5] < 0.2


def test_a_record_that_an_earlier_run_took_out_stays_out(run: Run) -> None:
    values = spanish()
    values[1]["response"] = values[1]["pivot_response"]
    lines(Path("in.jsonl"), [*values, values[0], "{broken"])
    run("filter", "in.jsonl", "--lang", "es", "-o", "filtered.jsonl", "--all")
    code, out, _ = run("dedup", "filtered.jsonl", "--lang", "es", "-o", "both.jsonl", "--all")
    assert code == 0
    assert [value["reason"] for value in read("both.jsonl")] == [
        *(None, "lid", None, None, None, "duplicate-exact", "bad-record")
    ]
    assert "source   dropped: lid" in out


@pytest.mark.parametrize(
    "own",
    [
        {"status": ["dropped"], "reason": None, "detail": None},
        {"status": "dropped", "reason": 3, "detail": None},
        {"status": "dropped", "reason": "late", "detail": {"by": "Ana"}},
    ],
)
def test_what_is_no_verdict_of_ours_takes_nothing_out_and_comes_through(own: dict[str, Any], run: Run) -> None:
    made = [{**value, **own} for value in spanish()]
    lines(Path("in.jsonl"), made)
    assert run("filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "-q")[0] == 0
    assert read("out.jsonl") == made
    code, _, err = run("filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "--all")
    assert (code, "a column 'status' of its own" in err) == (2, True)


def test_of_duplicates_the_first_stays_and_the_others_name_it(run: Run) -> None:
    values = spanish()
    near = {**values[0], "pivot_response": values[0]["pivot_response"] + " Go."}
    lines(Path("in.jsonl"), [*values, values[3], near])
    run(*("dedup", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "--dropped", "gone.csv", "--measurements"))
    assert [value["id"] for value in read("out.jsonl")] == [1, 2, 3, 4, 0]
    with open("gone.csv", encoding="utf-8", newline="") as file:
        gone = list(csv.DictReader(file))
    assert [row["detail"] for row in gone] == [gone[0]["detail"], "same text as record 4"]
    assert gone[0]["reason"] == "duplicate-near" and gone[0]["detail"].endswith("to record 7")
    assert [row["cluster"] for row in gone] == ["7", "4"]


def test_texts_without_a_pivot_are_duplicates_of_each_other_by_themselves(run: Run) -> None:
    values = alone(spanish())
    lines(Path("in.jsonl"), [*values, values[1]])
    run("dedup", "in.jsonl", "--lang", "es", "-o", "out.jsonl")
    assert read("out.jsonl") == values


def test_without_a_pivot_what_is_compared_with_it_abstains_and_repetition_counts(run: Run) -> None:
    values = alone(spanish())
    values[0]["output"] = "En 1492 llegaron 3 naves; en 1522 volvió 1: 1492, 1522, 18, 265."
    values[1]["output"] = "Los árboles del jardín crecen despacio. " * 8
    lines(Path("in.jsonl"), values)
    run("filter", "in.jsonl", "--lang", "es", "-o", "all.parquet", "--all", "--measurements")
    found = pl.read_parquet("all.parquet")
    assert found["reason"].to_list() == [None, "repetition", None, None, None]
    about_pivot = ["ratio_response", "numbers_response", "copied_response", "symbols_response", "digits_response"]
    assert found.select(pl.col(about_pivot).is_null().all()).row(0) == (True,) * 5
    assert found["lid_response"].is_not_null().all()


def test_each_record_may_say_its_language_and_each_language_is_judged_alone(run: Run) -> None:
    korean = {
        "pregunta": "오래된 다리를 처음 보는 사람에게 설명해 주세요.",
        "respuesta": "다리에 다가가면 먼저 물소리가 들리고 그다음에 색이 보입니다.",
        "lang": "ko",
    }
    values = [
        {"pregunta": value["instruction"], "respuesta": value["output"], "lang": "es"} for value in alone(spanish(2))
    ]
    wrong = {**values[0], "lang": "ko"}
    lines(Path("in.jsonl"), [values[0], korean, {**korean, "lang": None}, wrong, values[1], {**korean, "lang": "xx"}])
    names = ("--map", "instruction=pregunta", "--map", "response=respuesta")
    code, out, _ = run("filter", "in.jsonl", "-o", "out.jsonl", "--dropped", "gone.jsonl", *names)
    assert code == 0
    assert read("out.jsonl") == [values[0], korean, values[1]]
    assert [(value["lang"], value["reason"]) for value in read("gone.jsonl")] == [
        *((None, "bad-record"), ("ko", "lid"), ("xx", "bad-record"))
    ]
    assert " es " in out and " ko " in out


def test_conversations_and_compressed_files_are_read_as_sources_are(run: Run) -> None:
    values = [
        {
            "messages": [
                {"role": "user", "content": value["instruction"]},
                {"role": "assistant", "content": value["output"]},
            ]
        }
        for value in alone(spanish())
    ]
    with gzip.open("in.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(value) + "\n" for value in [*values, {"messages": []}])
    run("filter", "in.jsonl.gz", "--lang", "es", "-o", "out.jsonl", "--dropped", "gone.jsonl")
    assert read("out.jsonl") == values
    assert [value["reason"] for value in read("gone.jsonl")] == ["no-response"]


def test_a_threshold_and_another_data_set_are_given_as_to_a_corpus(run: Run) -> None:
    lines(Path("in.jsonl"), spanish())
    run("filter", "in.jsonl", "--lang", "es", "-o", "short.jsonl", "--set", "filter.length.max_chars=20")
    assert read("short.jsonl") == []
    lines(Path("other.jsonl"), alone(spanish(2)))
    run("dedup", "in.jsonl", "--lang", "es", "-o", "new.jsonl", "--against", "./other.jsonl")
    assert [value["id"] for value in read("new.jsonl")] == [2, 3, 4]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["filter", "in.jsonl", "--lang", "es"], "-o FILE"),
        (["filter", "in.jsonl", "-o", "out.jsonl"], "--lang CODE"),
        (["filter", "in.jsonl", "--lang", "en", "-o", "out.jsonl"], "--pivot CODE"),
        (["filter", "in.jsonl", "--lang", "spanish", "-o", "out.jsonl"], "did you mean 'es'"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "in.jsonl"], "what is read"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "a.jsonl", "--dropped", "a.jsonl"], "named twice"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "a.jsonl", "--dropped", "b.jsonl", "--all"], "--dropped"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "out.xlsx"], ".parquet"),
        (["filter", "none.jsonl", "--lang", "es", "-o", "out.jsonl"], "does not exist"),
        (["filter", "empty.jsonl", "--lang", "es", "-o", "out.jsonl"], "empty.jsonl holds no record\n"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "--map", "respons=a"], "did you mean 'response'"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "out.jsonl", "--set", "filter.lidd=1"], "did you mean 'lid'"),
        (["filter", "in.jsonl", "--lang", "es", "-o", "o.jsonl", "--set", "filter.pii.action=mask"], "for a corpus"),
        (["dedup", "in.jsonl", "--lang", "es", "-o", "o.jsonl", "--set", "dedup.per_language=false"], "for a corpus"),
        (["filter", "own.jsonl", "--lang", "es", "-o", "out.jsonl", "--all"], "a column 'status' of its own"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(args: list[str], told: str, run: Run) -> None:
    lines(Path("in.jsonl"), spanish())
    lines(Path("own.jsonl"), [{**value, "status": "checked by Ana"} for value in spanish()])
    Path("empty.jsonl").touch()
    code, _, err = run(*args)
    assert (code, told in err) == (2, True), err
    assert sorted(path.name for path in Path().iterdir()) == ["empty.jsonl", "in.jsonl", "own.jsonl"]


def test_options_of_a_file_are_refused_for_a_corpus(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        assert run("run", write_recipe(tmp_path, server), "--until", "pair")[0] == 0
    for option in (["-o", "out.jsonl"], ["--all"], ["--lang", "ko"]):
        code, _, err = run("filter", "corpus", *option)
        assert code == 2 and "is for a file" in err
    assert run("filter", "corpus")[0] == 0


def test_rows_have_the_order_and_the_ids_of_their_places(tmp_path: Path) -> None:
    path = lines(tmp_path / "in.jsonl", spanish(50))
    made = pl.concat(pairs(Given(Plain(path, "es"))))
    assert made["id"].is_sorted() and made["id"].n_unique() == 50
    assert made.select(number_of(pl.col("id"))).to_series().to_list() == list(range(1, 51))
    assert id_of(2_999_999) > id_of(999_999)


def test_a_value_that_no_utf8_can_hold_is_kept_as_an_escape(tmp_path: Path) -> None:
    values = [{"a": "half \ud83d of a pair"}]
    columns = back.Columns()
    columns.learn(values)
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        with back.writing(tmp_path / name, columns) as put:
            put(values)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8")) == values[0]
    assert json.loads(pl.read_parquet(tmp_path / "out.parquet")["a"][0]) == values[0]["a"]
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "a\nhalf ? of a pair\n"
