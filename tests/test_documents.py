"""Collections of natural text: every document told with its place and origin, every fault in words, memory bounded."""

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.errors import SourceError
from plugdata.recipe import Texts
from plugdata.sources import encodings, text
from plugdata.sources.documents import Document, documents, documents_digest
from tests.servers.hub import HubServer
from tests.test_sources import jsonl, parquet, zst

ROOT = Path(__file__).parents[1]
FI = "Talvi tuli tänä vuonna aikaisin, ja järvi jäätyi jo marraskuussa."
FI_2 = "Kylän väki kokoontui rantaan katsomaan, kestääkö jää hiihtäjän."
HI = "सर्दियों में गाँव में जल्दी अँधेरा हो जाता है।"
TH = "ในฤดูหนาวหมู่บ้านมืดเร็ว ผู้คนจึงมารวมกันรอบกองไฟเพื่อเล่านิทานเก่า"
AR = "في الشتاء يحل الظلام مبكرا في القرية، ويجتمع الناس حول النار ليحكوا القصص القديمة."
RU = "Зимой в деревне темнеет рано, и люди собираются у печи, чтобы рассказывать истории."
TR = "Kışın köyde hava erken kararır ve insanlar ocağın başında toplanıp eski hikâyeleri anlatır."
PL = "Zimą w wiosce wcześnie robi się ciemno, więc ludzie gromadzą się przy piecu i opowiadają źródłowe historie."
ZH = "冬天村子里天黑得很早，人们围坐在炉火旁讲述古老的故事，孩子们听得入了迷。"
TW = "冬天村子裡天黑得很早，人們圍坐在爐火旁講述古老的故事，孩子們聽得入了迷。"
JA = "冬になると村は早く暗くなり、人々は囲炉裏のまわりに集まって昔話を語ります。"
KO = "겨울이 되면 마을은 일찍 어두워지고 사람들은 화롯가에 모여 옛날이야기를 나눕니다."
SW = "Wakati wa baridi giza huingia mapema kijijini, na watu hukusanyika kusimulia hadithi."

Load = Callable[..., list[Document]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write files by name and read what `path` names; the other keywords are those of Texts."""

    def write_and_read(files: dict[str, bytes], path: str = "", **setting: Any) -> list[Document]:
        for name, data in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        asked = {"lang": "fi", "path": path or next(iter(files)), **setting}
        return list(documents(Texts(**asked), tmp_path))

    return write_and_read


def seen(found: list[Document]) -> list[tuple[str, str]]:
    return [(each.place, each.fault or each.text) for each in found]


# --- plain text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("file", [("a.txt:2", f"{FI}\n{HI}\n\n \n{TH}")]),
        ("line", [("a.txt:2", FI), ("a.txt:3", HI), ("a.txt:6", TH)]),
        ("paragraphs", [("a.txt:2", f"{FI}\n{HI}"), ("a.txt:6", TH)]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_document_is_the_file_a_line_or_what_blank_lines_enclose(
    load: Load, unit: str, expected: list[tuple[str, str]], end: str
) -> None:
    found = load({"a.txt": f"\n{FI}\n{HI}\n\n \n{TH}\n".replace("\n", end).encode()}, documents=unit)
    assert seen(found) == expected
    assert [each.source_id for each in found] == [str(number) for number in range(len(found))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", zst), (".bz2", bz2.compress)]
)
def test_unicode_with_its_mark_is_read_however_packed(
    load: Load, encoding: str, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    found = load({f"a.txt{suffix}": pack(f"{AR}\n{KO}".encode(encoding))}, documents="line")
    assert [each.text for each in found] == [AR, KO]


def test_text_is_nfc(load: Load) -> None:
    import unicodedata

    assert load({"a.txt": unicodedata.normalize("NFD", f"{KO} {FI}").encode()})[0].text == f"{KO} {FI}"


@pytest.mark.parametrize(
    ("lang", "said", "encoding"),
    [
        ("fi", FI, "cp1252"),
        ("ru", RU, "cp1251"),
        ("ru", RU, "koi8-r"),
        ("ar", AR, "cp1256"),
        ("th", TH, "cp874"),
        ("tr", TR, "cp1254"),
        ("pl", PL, "cp1250"),
        ("zh", ZH, "gb18030"),
        ("zh", TW, "big5"),
        ("ja", JA, "cp932"),
        ("ko", KO, "cp949"),
        ("sw", RU, "cp1251"),  # of another language than the recipe says
    ],
)
@pytest.mark.parametrize("n_times", [1, 60])
def test_another_encoding_is_named_and_the_way_to_turn_it_round(
    load: Load, lang: str, said: str, encoding: str, n_times: int
) -> None:
    (found,) = load({"a.txt": f"{said}\n".encode(encoding) * n_times}, lang=lang)
    assert found.text == "" and found.place == "a.txt"
    assert found.fault == f"not UTF-8: looks like {encoding}; iconv -f {encoding} -t utf-8 turns it round"


def test_a_file_of_records_in_another_encoding_is_one_fault(load: Load) -> None:
    line = json.dumps({"text": RU}, ensure_ascii=False).encode("cp1251") + b"\n"
    (found,) = load({"a.jsonl": line * 50}, lang="ru")
    assert "looks like cp1251" in found.fault


def test_damaged_bytes_cost_the_documents_that_hold_them_alone(load: Load) -> None:
    data = f"{FI}\n{HI}\n".encode() + FI_2.encode("cp1252") + f"\n{TH}".encode()
    found = load({"a.txt": data}, documents="line")
    assert [each.text for each in found] == [FI, HI, "", TH]
    assert found[2].place == "a.txt:3" and found[2].fault.startswith("not valid UTF-8")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        ("\n".encode("utf-16"), "empty"),
        (b"%PDF-1.7\n%\xe2\xe3", "binary: a PDF"),
        (b"\x89PNG\r\n\x1a\n", "binary: a PNG picture"),
        (b"PK\x03\x04\x14\x00", "binary: a zip archive"),
        (FI.encode() + b"\0" + FI.encode(), "binary: holds NUL bytes"),
        (bytes(range(1, 256)) * 40, "not UTF-8, nor an encoding that can be told"),
        (FI.encode("utf-16")[:-1], "cannot be read: 'utf-16"),
    ],
)
def test_a_file_without_text_is_one_document_that_says_why(load: Load, data: bytes, fault: str) -> None:
    (found,) = load({"a.txt": data})
    assert found.fault.startswith(fault) and found.text == "" and found.place == "a.txt"


# --- records ---------------------------------------------------------------------------------------------------------

CULTURA_X = {"text": SW, "timestamp": "2021/03/05 10:11:12", "url": "https://example.org/a", "source": "mC4"}
FINE_WEB = {"text": SW, "id": "<urn:uuid:1>", "dump": "CC-MAIN-2024-10", "url": "https://example.org/b", "date": "2024"}
WIKIPEDIA = {"id": "12", "url": "https://sw.wikipedia.org/wiki/Kijiji", "title": "Kijiji", "text": SW}


@pytest.mark.parametrize(
    ("record", "source_id", "url", "date"),
    [
        (CULTURA_X, CULTURA_X["url"], CULTURA_X["url"], CULTURA_X["timestamp"]),
        (FINE_WEB, FINE_WEB["id"], FINE_WEB["url"], FINE_WEB["date"]),
        (WIKIPEDIA, WIKIPEDIA["id"], WIKIPEDIA["url"], None),
        ({"raw_content": SW, "URL": "https://example.org/c"}, "https://example.org/c", "https://example.org/c", None),
        ({"body": SW}, "0", None, None),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.csv"])
def test_known_shapes_are_read_whatever_the_file(
    load: Load, name: str, record: dict[str, str], source_id: str, url: str | None, date: str | None
) -> None:
    table = pl.DataFrame([record, record])
    data = {
        "a.jsonl": jsonl(record, record),
        "a.json": json.dumps([record, record]).encode(),
        "a.parquet": parquet([record, record]),
        "a.csv": table.write_csv().encode(),
    }[name]
    found = load({name: data}, lang="sw", license="cc-by-4.0")
    assert len(found) == 2
    assert found[0][1:] == (source_id, SW, url, date, "cc-by-4.0", "")
    assert found[0].place.startswith(name)


def test_columns_that_the_recipe_names_win(load: Load) -> None:
    record = {"text": "x", "maandishi": SW, "kiungo": "https://example.org/d", "leseni": "cc0-1.0"}
    (found,) = load({"a.jsonl": jsonl(record)}, columns={"text": "maandishi", "url": "kiungo", "license": "leseni"})
    assert (found.text, found.url, found.license) == (SW, "https://example.org/d", "cc0-1.0")


def test_the_stricter_of_two_licences_counts(load: Load) -> None:
    record = {"text": SW, "license": "cc-by-nc-4.0"}
    (found,) = load({"a.jsonl": jsonl(record)}, license="cc-by-4.0")
    assert found.license == "cc-by-nc-4.0"


def test_a_date_of_parquet_is_written_as_iso(load: Load) -> None:
    from datetime import datetime

    (found,) = load({"a.parquet": parquet([{"text": SW, "date": datetime(2024, 5, 6, 7)}])})
    assert found.date == "2024-05-06T07:00:00"


def test_a_bad_record_is_told_and_the_others_are_read(load: Load) -> None:
    data = b'{"text": \n' + jsonl({"text": FI}, {"text": None}, {"text": [FI]}, {"x": 1}, [1], {"text": "\ud800"})
    found = load({"a.jsonl": data + jsonl({"text": TH})})
    assert [each.text for each in found] == ["", FI, "", "", "", "", "", TH]
    assert [each.place for each in found] == [f"a.jsonl:{line}" for line in range(1, 9)]
    faults = ["not valid JSON", "empty", "text is not text", "no column", "not an object", "not valid UTF-8"]
    for each, fault in zip([found[0], *found[2:7]], faults, strict=True):
        assert each.fault.startswith(fault)


@pytest.mark.parametrize(
    ("columns", "message"),
    [({}, "no column of text"), ({"text": "bdoy"}, "did you mean 'boddy'"), ({"url": "link"}, "no column 'link'")],
)
def test_a_file_without_the_column_is_an_error_of_one_line(load: Load, columns: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        load({"a.jsonl": jsonl({"boddy" if "url" not in columns else "text": FI, "lang": "fi"}) * 2}, columns=columns)
    assert "\n" not in str(error.value) and "lang" in error.value.hint


def test_a_column_that_the_recipe_names_may_come_later(load: Load) -> None:
    found = load(
        {"a.jsonl": jsonl({"text": FI}, {"text": TH, "where": "https://example.org"})}, columns={"url": "where"}
    )
    assert [each.url for each in found] == [None, "https://example.org"]


def test_csv_that_never_ends_its_record_is_a_fault(load: Load) -> None:
    found = load({"a.csv": b"text\n" + f"{HI}\n".encode() + b'"' + b"a" * (34 * 2**20)})
    assert found[0].text == HI
    assert "a record of more than 33,554,432 characters" in found[1].fault


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_depth_and_a_bad_file_costs_nothing_else(load: Load) -> None:
    files = {
        "all/b/2.txt": FI.encode(),
        "all/b/3.txt": b"%PDF-1.4",
        "all/a.jsonl": jsonl({"text": TH}),
        "all/info.json": b'{"description": {"n": 3}}',
        "all/broken.jsonl.gz": gzip.compress(jsonl({"text": FI}))[:-12],
        "all/broken.parquet": b"PAR1 no more",
        "all/picture.png": b"\x89PNG",
        "all/.cache/4.txt": HI.encode(),
    }
    found = load(files, path="all")
    assert [(each.place, each.text) for each in found if not each.fault] == [("a.jsonl:1", TH), ("b/2.txt:1", FI)]
    faults = {each.place: each.fault for each in found if each.fault}
    assert faults.keys() == {"b/3.txt", "info.json", "broken.jsonl.gz", "broken.parquet"}
    assert faults["info.json"] == "no column of text" and faults["broken.jsonl.gz"].startswith("cannot be read: ")


@pytest.mark.parametrize("path", ["nothing", "empty", "a.pdf"])
def test_no_collection_is_an_error_of_one_line_with_a_hint(load: Load, tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError) as error:
        load({"a.pdf": b"%PDF"}, path=path)
    assert "\n" not in str(error.value) and error.value.hint


def test_the_limit_is_of_documents(load: Load) -> None:
    assert len(load({"a.txt": f"{FI}\n".encode() * 9}, documents="line", limit=4)) == 4


def test_the_digest_is_of_names_and_content(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.txt").write_text(FI, "utf-8")
    texts = Texts(lang="fi", path="a")
    first = documents_digest(texts, tmp_path)
    (tmp_path / "a" / "b" / "1.txt").rename(tmp_path / "a" / "1.txt")
    assert first.startswith("sha256:") and documents_digest(texts, tmp_path) != first


# --- long documents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", ["\n\n", "\n", "। ", "。", " "])
def test_a_long_document_is_cut_at_the_best_place_there_is(load: Load, gap: str) -> None:
    worse = {"\n\n": "\n", "\n": "। ", "। ": " "}.get(gap, "")
    sentence = ("घरबार" + worse) * 20 + "अ" + gap
    said = (sentence * (2_500_000 // len(sentence))).strip()
    found = load({"a.jsonl": jsonl({"text": said, "id": "x"})}, lang="hi")
    assert [each.source_id for each in found] == ["x", "x#2", "x#3"]
    assert all(len(each.text) <= text.MAX_CHARS and not each.fault for each in found)
    assert all(each.text.endswith(("अ", "अ" + gap.strip())) for each in found)
    assert "".join("".join(each.text.split()) for each in found) == "".join(said.split())
    assert [each.text for each in load({"a.txt": said.encode()}, lang="hi")] == [each.text for each in found]


def test_a_sign_stays_with_its_letter(load: Load) -> None:
    found = load({"a.txt": ("กี่" * 500_000).encode()}, lang="th")
    assert len(found) == 2 and all(each.text.startswith("กี่") and each.text.endswith("กี่") for each in found)


def test_a_document_after_a_long_one_has_its_own_line_and_number(load: Load) -> None:
    found = load({"a.txt": f"{'a b' * 500_000}\n{FI}\n".encode()}, documents="line")
    assert [(each.place, each.source_id) for each in found] == [("a.txt:1", "0"), ("a.txt:1", "0#2"), ("a.txt:2", "1")]


@given(st.text("ab \n", max_size=300), st.integers(1, 40))
def test_pieces_are_the_same_however_the_text_comes(said: str, size: int) -> None:
    for ends in (None, text.LINE, text.BLANK_LINE):
        blocks = (said[at : at + size] for at in range(0, len(said), size))
        assert list(text.pieces(blocks, ends)) == list(text.pieces([said], ends))
        assert "".join(piece.text for piece in text.pieces([said], ends)).split() or not said.split()
        for piece in text.pieces([said], ends):
            assert said.split("\n")[piece.line - 1].strip() == piece.text.split("\n")[0].strip()


MEASURE = """
import resource, sys
from pathlib import Path
from plugdata.recipe import Texts
from plugdata.sources.documents import documents
list(documents(Texts(lang="fi", path="small.jsonl")))  # what is imported late is not what is measured
told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
most = int(told["VmData"].split()[0]) * 2**10 + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
found = list(map(len, (document.text for document in documents(Texts(lang="fi", path=sys.argv[1])))))
print(len(found), sum(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts memory on Linux alone")
@pytest.mark.parametrize(
    ("name", "start", "most", "expected"), [("a.txt", "", 40, "100 99999900"), ("a.jsonl", '{"text": "', 110, "1 0")]
)
def test_a_file_of_one_line_takes_bounded_memory(
    tmp_path: Path, name: str, start: str, most: int, expected: str
) -> None:
    (tmp_path / "small.jsonl").write_bytes(jsonl({"text": FI}))
    with open(tmp_path / name, "w") as file:
        file.write(start)
        file.writelines("kyla talo " * 100_000 for _ in range(100))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MEASURE, name, str(most)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() == expected


# --- the Hub ---------------------------------------------------------------------------------------------------------

FROM_HUB = """
import json, sys
from huggingface_hub import HfApi
from plugdata.errors import SourceError
from plugdata.recipe import Texts
from plugdata.sources.documents import documents, documents_digest
there = {"repo_id": "tester/fineweb", "repo_type": "dataset"}
HfApi().create_repo(**there)
HfApi().upload_file(path_or_fileobj="sw.parquet", path_in_repo="data/train-00000.parquet", **there)
texts = Texts(lang="sw", id="tester/fineweb", license="odc-by", limit=2)
print(json.dumps([list(documents(texts)), documents_digest(texts)]))
try:
    list(documents(texts.model_copy(update={"split": "test"})))
except SourceError as error:
    print(json.dumps([str(error), error.hint]))
"""


def test_a_hub_data_set_is_streamed(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "sw.parquet").write_bytes(parquet([{**FINE_WEB, "id": f"<urn:uuid:{n}>"} for n in range(5)]))
    environment = {**os.environ, **hub.environment(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FROM_HUB]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found, digest), (error, hint) = map(json.loads, done.stdout.splitlines())
    url, license = FINE_WEB["url"], "odc-by"
    places = ["tester/fineweb:row 1", "tester/fineweb:row 2"]
    assert found == [[place, f"<urn:uuid:{n}>", SW, url, "2024", license, ""] for n, place in enumerate(places)]
    assert digest.startswith("hub:tester/fineweb[/train]@")
    assert "test" in error and "\n" not in error and hint


def test_hostile_heads_are_looked_at_in_linear_time() -> None:
    for data in (b"\xe4" * 2**20, "é".encode() * 2**19, b"\xff\xfe" * 2**19, b"<doc id=" * 2**17):
        encodings.look(data[: encodings.SAMPLE], "fi")
    assert list(text.pieces([" \n" * 100_000, "\n" * 100_000, "\n \t" * 100_000], text.BLANK_LINE)) == []


def test_a_stream_that_gives_little_at_a_time_is_read_whole() -> None:
    with gzip.open(io.BytesIO(gzip.compress(TH.encode()))) as packed:
        assert "".join(encodings.chunks(io.BufferedReader(packed, 4), "utf-8")) == TH
