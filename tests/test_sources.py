"""Reading sources: every record one row, every place true, every fault told; digests."""

import gzip
import hashlib
import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugdata import rows, sources
from plugdata.errors import SourceError
from plugdata.hashing import tagged_hash
from plugdata.recipe import Source

GOOD = {"instruction": "Name a fruit.", "input": "", "output": "Apple."}
PAIR = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def jsonl(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def zst(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., pl.DataFrame]]:
    """Write bytes under a name and read them back as rows; keywords are the Source's."""

    def write_and_read(data: bytes, name: str = "data.jsonl", **setting: Any) -> pl.DataFrame:
        (tmp_path / name).write_bytes(data)
        return pl.concat(sources.read(Source(path=name, **setting), tmp_path))

    yield write_and_read


Load = Callable[..., pl.DataFrame]


def parquet(records: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pl.DataFrame(records).write_parquet(sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "places"),
    [
        ("a.json", json.dumps([GOOD, GOOD], indent=1).encode(), ["a.json:2", "a.json:7"]),
        ("a.json", json.dumps({"version": 1, "data": [GOOD, GOOD]}).encode(), ["a.json:1", "a.json:1"]),
        ("a.json", jsonl(GOOD, GOOD), ["a.json:1", "a.json:2"]),  # lines under the wrong name
        ("a.json", b"\n" + json.dumps(GOOD).encode(), ["a.json:2"]),
        ("a.jsonl", b"\xef\xbb\xbf" + jsonl(GOOD) + b"\r\n\n" + jsonl(GOOD), ["a.jsonl:1", "a.jsonl:4"]),
        ("a.ndjson.gz", gzip.compress(jsonl(GOOD)), ["a.ndjson.gz:1"]),
        ("a.jsonl.zst", zst(jsonl(GOOD, GOOD)), ["a.jsonl.zst:1", "a.jsonl.zst:2"]),
        ("a.json.gz", gzip.compress(json.dumps([GOOD]).encode()), ["a.json.gz:1"]),
        ("a.parquet", parquet([GOOD, GOOD]), ["a.parquet:row 1", "a.parquet:row 2"]),
        (
            "a.csv",
            b'\xef\xbb\xbfinstruction,input,output\r\n"Name\na fruit.",,Apple.\n\nName a fruit.,,Apple.\n',
            ["a.csv:2", "a.csv:5"],
        ),
    ],
)
def test_every_file_type_gives_its_rows_with_the_line_where_each_starts(
    load: Load, name: str, data: bytes, places: list[str]
) -> None:
    frame = load(data, name)
    assert frame["place"].to_list() == places
    assert frame["status"].unique().to_list() == ["kept"]
    assert frame["response"].unique().to_list() == ["Apple."]
    assert frame.schema == pl.Schema(rows.SOURCE)


def test_a_folder_is_read_in_the_order_of_its_names_each_file_by_its_own_columns(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(jsonl({"instruction": "Q", "context": "C", "response": "dolly"}))
    (tmp_path / "a.json").write_bytes(json.dumps([GOOD]).encode())
    (tmp_path / "README.md").write_text("not data")
    (tmp_path / ".hidden.jsonl").write_text("not data")
    frame = pl.concat(sources.read(Source(path=".", name="both"), tmp_path, ordinal=7))
    assert frame.select("ordinal", "source", "source_id", "place", "input").rows() == [
        (7, "both", "0", "a.json:1", ""),
        (8, "both", "1", "b.jsonl:1", "C"),
    ]


def test_turns_may_stand_in_a_csv_cell_as_json(load: Load) -> None:
    cell = json.dumps(PAIR).replace('"', '""')
    frame = load(f'id,messages\nx1,"{cell}"\n'.encode(), "a.csv")
    assert frame.select("source_id", "instruction", "response").row(0) == ("x1", "Hi", "Hello")


def test_an_index_column_without_a_name_is_no_field_of_ours(load: Load) -> None:
    assert load(b",instruction,output\n0,I,R\n", "a.csv").select("system", "status").row(0) == (None, "kept")


@pytest.mark.parametrize(
    ("name", "data", "setting", "said"),
    [
        ("a.jsonl", b"", {}, "holds no record"),
        ("a.json", b"[]", {}, "holds no record"),
        ("a.parquet", parquet([GOOD])[:40], {}, "cannot be read"),
        ("a.txt", b"text", {}, "no type that can be read"),
        ("a.jsonl.gz", gzip.compress(jsonl(GOOD) * 99)[:60], {}, "cannot be read"),
        ("a.jsonl.zst", b"not zstd", {}, "cannot be read"),
        ("a.jsonl", "ï»¿".encode("utf-16"), {}, "UTF-16"),
        ("a.jsonl", b"oops\n[1]\n", {}, "a.jsonl:1: not valid JSON"),
        (
            "a.jsonl",
            jsonl(GOOD),
            {"columns": {"response": "ouput"}},
            "no column 'ouput' for `response`; did you mean 'o",
        ),
        ("a.jsonl", jsonl({"question": "Q", "answer": "A"}), {}, "{instruction: question, response: answer}"),
        ("a.jsonl", jsonl({"dialog": PAIR}), {}, "did you mean columns: {messages: dialog}?"),
        ("a.jsonl", jsonl({"a": 1}), {}, "no format is known with these columns"),
        ("a.jsonl", jsonl({"instruction": "Name a fruit."}), {}, "no column that is known to hold responses"),
        ("a.jsonl", jsonl(GOOD), {"format": "dolly"}, "not the format dolly"),
        ("a.jsonl", jsonl(GOOD), {"format": "oasst", "columns": {"input": "input"}}, "takes no `columns`"),
        ("a.json", json.dumps({"train": [GOOD], "test": [GOOD]}).encode(), {}, "several lists of records: train, test"),
        ("a.csv", b'"instruction\n', {}, "a.csv:1: the header is not valid CSV"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_error_that_says_why(
    load: Load, name: str, data: bytes, setting: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load(data, name, **setting)
    assert said in str(caught.value)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_a_missing_path_and_an_empty_folder_are_source_errors(tmp_path: Path) -> None:
    for path, said in (("none.jsonl", "does not exist"), (".", "holds no data file")):
        with pytest.raises(SourceError, match=said):
            list(sources.read(Source(path=path), tmp_path))
        with pytest.raises(SourceError, match=said):
            sources.digest(Source(path=path), tmp_path)


def test_an_id_that_is_also_a_path_is_refused_rather_than_mixed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="also a path"):
        next(sources.read(Source(id="me/data"), tmp_path))


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b'{"instruction": "a" "output": "b"}', "not valid JSON: Expecting ',' delimiter at column 21"),
        (b'{"instruction": "caf\xe9", "output": "b"}', "not valid UTF-8 at byte 21"),
        (b"[1, 2]", "record is a list"),
        (b"null", "record is null"),
        (b'{"instruction": "a"}', "no 'output'"),
        (b'{"instruction": "a", "output": 7.10}', "output is a number, not text"),
        (b'{"instruction": true, "output": "b"}', "instruction is a boolean, not text"),
        (b'{"instruction": "\\ud800", "output": "b"}', "instruction holds half of a surrogate pair"),
        (b"[" * 100_000, "not valid JSON: nested too deeply at column 1"),
        (b"9" * 5_000, "not valid JSON: a number of more than 4,300 digits at column 1"),
    ],
)
def test_a_bad_record_is_quarantined_and_its_neighbours_live(load: Load, line: bytes, detail: str) -> None:
    frame = load(jsonl(GOOD) + line + b"\n" + jsonl(GOOD))
    assert frame["status"].to_list() == ["kept", "quarantined", "kept"]
    bad = frame.row(1, named=True)
    assert (bad["stage"], bad["reason"], bad["reasons"]) == ("source", "bad-record", ["bad-record"])
    assert (bad["detail"], bad["place"], bad["ordinal"]) == (detail, "data.jsonl:2", 1)
    assert bad["instruction"] == line.decode(errors="backslashreplace")
    assert bad["id"] == tagged_hash(["bad", "data", "data.jsonl:2"])


@pytest.mark.parametrize(
    ("data", "place", "said"),
    [
        (b"[\n%s,\n%s,\n{oops}, %s]", "a.json:4", "at line 4 column 2; nothing behind it was read"),
        (b"[\n%s,\n%s", "a.json:3", "the array does not end"),
        (b"[\n%s,\n%s,\n]", "a.json:4", "Expecting value"),
        (b"[%s,%s]\n[]", "a.json:2", "text after the end of the array"),
        (b'{"data": [\n%s,\n%s,\n{"instruction": "b', "a.json:4", "Unterminated string"),
    ],
)
def test_a_broken_array_gives_what_stands_before_the_fault_and_one_row_for_the_rest(
    load: Load, data: bytes, place: str, said: str
) -> None:
    frame = load(data.replace(b"%s", json.dumps(GOOD).encode()), "a.json")
    assert frame["status"].to_list() == ["kept", "kept", "quarantined"]
    assert frame["place"][2] == place
    assert said in frame["detail"][2]


def test_an_element_that_is_not_utf8_spares_the_rest_of_the_array(load: Load) -> None:
    data = json.dumps([GOOD, {**GOOD, "output": "X"}, GOOD]).encode().replace(b"X", b"\xff")
    frame = load(data, "a.json")
    assert frame["detail"].to_list() == [None, "not valid UTF-8", None]
    assert "\\udcff" in frame["instruction"][1]


def test_faulty_csv_records_are_quarantined_with_their_text(load: Load) -> None:
    data = b'instruction,output\na,b\nonly one\n"x"y,z\nc\xff,d\ne,f\n"never closed,g\n'
    frame = load(data, "a.csv")
    assert frame["status"].to_list() == ["kept", *["quarantined"] * 3, "kept", "quarantined"]
    assert frame["detail"][1] == "the header names 2 columns, the record has 1"
    assert "not valid CSV" in frame["detail"][2] and "not valid UTF-8" in frame["detail"][3]
    assert frame.select("place", "instruction").row(5) == ("a.csv:7", '"never closed,g')


def test_a_csv_field_may_be_long(load: Load) -> None:
    assert load(b"instruction,output\na," + b"x" * 200_000 + b"\n", "a.csv")["response"].str.len_chars()[0] == 200_000


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
any_record = any_json | st.fixed_dictionaries(
    {"instruction": any_json, "output": any_json},
    optional={"input": any_json, "id": any_json, "system": any_json, "license": any_json, "history": any_json},
)


@given(st.lists(any_record, max_size=12), st.integers(0, 12), st.integers(0, 2**40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_json_values_as_lines_give_exactly_one_row_each(
    tmp_path: Path, values: list[Any], at: int, ordinal: int
) -> None:
    values.insert(at, GOOD)
    (tmp_path / "any.jsonl").write_bytes(jsonl(*values))
    frame = pl.concat(sources.read(Source(path="any.jsonl"), tmp_path, ordinal=ordinal))
    assert frame["ordinal"].to_list() == list(range(ordinal, ordinal + len(values)))
    assert frame["place"].to_list() == [f"any.jsonl:{n}" for n in range(1, len(values) + 1)]
    assert frame["provenance"].list.len().unique().to_list() == [1]
    for row in frame.iter_rows(named=True):
        assert (row["status"] == "kept") == (row["reason"] is None) == (row["reasons"] == [])
        if row["status"] == "kept":
            assert row["id"] == rows.row_id(row["instruction"], row["input"], row["response"])
            assert unicodedata.is_normalized("NFC", row["instruction"] + "\n" + row["response"])


@pytest.mark.parametrize("bounds", [(3, None), (None, 3), (3, 9), (9, 3)])
def test_the_smaller_limit_bounds_and_bad_records_count(load: Load, tmp_path: Path, bounds: tuple[Any, Any]) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl(GOOD, 1, GOOD, GOOD))
    frame = pl.concat(sources.read(Source(path="a.jsonl", limit=bounds[0]), tmp_path, limit=bounds[1]))
    assert frame["status"].to_list() == ["kept", "quarantined", "kept"]


def test_many_records_come_in_frames_of_bounded_size(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl(*[GOOD] * 5_001))
    heights = [frame.height for frame in sources.read(Source(path="a.jsonl"), tmp_path)]
    assert sum(heights) == 5_001 and max(heights) <= 5_000


def test_a_digest_names_the_content(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.jsonl").write_bytes(jsonl(GOOD))
    whole = Source(path="d")
    assert sources.digest(Source(path="d/a.jsonl"), tmp_path) == f"sha256:{hashlib.sha256(jsonl(GOOD)).hexdigest()}"
    before = sources.digest(whole, tmp_path)
    (tmp_path / "d" / "README.md").write_text("no data")
    assert sources.digest(whole, tmp_path) == before
    (tmp_path / "d" / "a.jsonl").rename(tmp_path / "d" / "b.jsonl")
    assert sources.digest(whole, tmp_path) != before
