"""The stage `passages`: documents of real files become rows, of which none is lost."""

import json
import unicodedata
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugdata import recipe as recipes
from plugdata import rows
from plugdata.corpus import Corpus, Workers
from plugdata.errors import SourceError
from plugdata.recipe import Passages, Recipe
from plugdata.rows import Reason, Status, row_id
from plugdata.stages.passages import passages
from plugdata.stages.sourcing import source_records
from plugdata.stages.step import Step
from plugdata.xinstruct import boilerplate
from plugdata.xinstruct import passages as natural

pytestmark = pytest.mark.usefixtures("lid_model_path")

WORDS = """
vanha|nuori|hiljainen|iloinen|väsynyt|utelias|kuuluisa|vaatimaton|rohkea|varovainen
opettaja|kalastaja|lääkäri|leipuri|tuomari|kapteeni|puutarhuri|insinööri|opiskelija|vartija
korjaa|myy|kuvailee|piilottaa|lainaa|maalaa|laskee|pesee|etsii|kantaa
veneen|kellon|kirjeen|korin|lampun|kartan|pöydän|sateenvarjon|soittimen|takin
koulun takana|joen lähellä|asemalla|keittiössä|sillan alla|katolla|torilla|puutarhassa|saarella|kirkon edessä
"""
PHRASES = [line.split("|") for line in WORDS.strip().split("\n")]


def article(seed: int, n: int = 12) -> str:
    """Sentences in Finnish, other ones for every seed."""
    told = []
    for i in range(n):
        drawn = [of[(seed * (7 * k + 3) + i * (3 * k + 1) + seed * i // 7) % 10] for k, of in enumerate(PHRASES)]
        told.append(" ".join(drawn).capitalize() + f" jo {seed * 100 + i}. kerran ilman apua.")
    return " ".join(told)


def asked(folder: Path, documents: Iterable[dict[str, Any]], **more: Any) -> Recipe:
    """A recipe for a file of documents in Finnish; `texts` of `more` are added to it."""
    path = folder / "fi.jsonl"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in documents), encoding="utf-8")
    return recipes.resolve(
        {
            "kind": "x-instruction",
            "corpus": str(folder / "corpus"),
            "texts": [{"lang": "fi", "path": str(path), "license": "cc-by-4.0"}, *more.pop("texts", ())],
            "languages": ["fi"],
            "models": [{"model": "none", "base_url": "http://127.0.0.1:9/v1"}],
            **more,
        }
    )


def step_of(recipe: Recipe) -> Step:
    (step,) = passages(Corpus.create(recipe.corpus), recipe, source_records(recipe))
    return step


def made(recipe: Recipe, workers: int = 1) -> pl.DataFrame:
    """The rows of the stage, written and read again."""
    corpus = Corpus.create(recipe.corpus)
    corpus.write_text("recipe.yaml", "")
    with Workers(workers) as pool:
        (step,) = passages(corpus, recipe, source_records(recipe), pool.map)
        corpus.write(step.stage, step.lang, step.frames(), step.contract)
    assert not corpus.spill.exists()
    return corpus.rows("passages", "fi")


def reasons(found: pl.DataFrame) -> dict[str | None, int]:
    return dict(found.group_by("reason").len().iter_rows())


def test_every_passage_is_a_row_and_so_is_a_document_without_any(tmp_path: Path) -> None:
    long = "\n\n".join(article(n) for n in range(4))
    documents = [
        {"text": article(10), "url": "https://www.lehti.example/1", "date": "2019-05-03", "id": "a"},
        {"text": long, "url": "https://lehti.example/2", "id": "b"},
        {"text": "Lyhyt.", "id": "c"},
        {"text": "", "id": "d"},
    ]
    found = made(asked(tmp_path, documents)).sort("ordinal")
    assert found["ordinal"].to_list() == list(range(found.height))
    assert dict(found.schema) == rows.PASSAGES
    by = {id: group for (id,), group in found.group_by("source_id", maintain_order=True)}
    assert by["a"].select("place", "url", "date", "license", "source", "lang", "n_removed", "status").row(0) == (
        "fi.jsonl:1", "https://www.lehti.example/1", "2019-05-03", "cc-by-4.0", "fi", "fi", 0, "kept",
    )  # fmt: skip
    assert by["a"]["id"][0] == row_id("", "", article(10))
    assert by["a"]["lid"][0] > 0.8 and by["a"]["lid_top"][0] == "fi"
    assert "\n\n".join(by["b"]["passage"]) == long
    assert by["c"].select("passage", "status", "reason", "n_removed").row(0) == (None, "dropped", "no-passage", 6)
    assert by["d"].select("passage", "status", "reason").row(0) == (None, "quarantined", "not-text")
    assert by["d"]["detail"][0]
    by_id = made(asked(tmp_path, documents))
    assert by_id["id"].is_sorted()


ENGLISH = """The harbour was quiet when the first boats came back, and nobody was waiting on the quay but the clerk. He
wrote down what each of them had caught, what it weighed and what was paid for it, and he wrote slowly, because the ink
was cold. When the last of them had tied up, he closed the book and walked home along the wall."""


def test_a_passage_that_goes_on_in_another_language_is_no_passage(tmp_path: Path) -> None:
    half = f"{article(1, 12)}\n\n{ENGLISH}"
    documents = [{"text": text} for text in (article(0), half, f"{ENGLISH}\n\n{article(2, 12)}")]
    found = made(asked(tmp_path, documents, passages={"min_lid": 0.1})).sort("ordinal")
    assert found["reason"].to_list() == [None, "lid", "lid"]
    assert found["detail"].str.contains("of its beginning and end is in another language").to_list()[1:] == [True, True]
    every = made(asked(tmp_path, documents, passages={"max_mixed": 1, "min_lid": 0.1}))
    assert every["status"].to_list() == ["kept"] * 3


def test_a_heading_in_the_language_does_not_hide_what_follows(tmp_path: Path) -> None:
    heading = "Sataman hiljainen aamu ja kirjuri, joka kirjoitti kaiken muistiin\n\n"
    documents = [{"text": heading + text} for text in (article(0), f"{ENGLISH}\n\n{article(1, 12)}")]
    assert made(asked(tmp_path, documents)).sort("ordinal")["reason"].to_list() == [None, "lid"]


def test_workers_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("plugdata.stages.passages"), "FRAME_CHARS", 2_000)
    documents = [{"text": f"Sama otsikko\n{article(n)}", "url": f"https://a.example/{n}"} for n in range(20)]
    alone = made(asked(tmp_path, documents))
    shared = made(asked(tmp_path, documents), workers=2)
    assert alone.equals(shared)
    assert not alone["passage"].str.contains("Sama otsikko").any()


def test_what_documents_of_a_domain_share_goes_from_all_of_them(tmp_path: Path) -> None:
    def page(n: int, domain: str) -> dict[str, str]:
        shared = "Kaupungin oma lehti vuodesta 1890"
        return {"text": f"{shared}\n\n{article(n)}", "url": f"https://{domain}/{n}"}

    documents = [*(page(n, "a.example") for n in range(5)), *(page(n, "b.example") for n in range(5, 9))]
    kept = made(asked(tmp_path, documents)).sort("ordinal")
    assert kept["passage"].str.starts_with("Kaupungin oma").to_list() == [False] * 5 + [True] * 4
    assert kept["n_removed"].to_list() == [len("Kaupungin oma lehti vuodesta 1890\n\n")] * 5 + [0] * 4
    every = made(asked(tmp_path, documents, passages={"repeated_lines": None}))
    assert every["passage"].str.starts_with("Kaupungin oma").all()


def test_twins_are_merged_and_near_duplicates_dropped_for_the_first(tmp_path: Path) -> None:
    other = tmp_path / "toinen.jsonl"
    other.write_text(json.dumps({"text": article(1, 30), "id": "x"}, ensure_ascii=False) + "\n", encoding="utf-8")
    near = article(2, 30) + " Uusi loppu."
    documents = [{"text": text} for text in (article(1, 30), article(2, 30), near, article(2, 30).replace(".", "!"))]
    more = [{"lang": "fi", "path": str(other), "license": "cc-by-sa-4.0"}]
    bounds = {"max_chars": 4000, "min_chars": 400}
    found = made(asked(tmp_path, documents, texts=more, passages=bounds)).sort("ordinal")
    assert found["reason"].to_list() == [None, None, "duplicate-near", "duplicate-exact", "duplicate-id"]
    assert found["stage"].to_list() == [None, None, "passages", "passages", "passages"]
    assert found["license"][0] == "cc-by-sa-4.0"
    assert [one["source"] for one in found["provenance"][0]] == ["fi", "toinen"]
    assert found["kept_id"].to_list() == [None, None, found["id"][1], found["id"][1], None]
    only_equal = made(asked(tmp_path, documents, texts=more, passages={**bounds, "near": None})).sort("ordinal")
    assert only_equal["reason"].to_list() == [None, None, None, "duplicate-exact", "duplicate-id"]


def test_a_domain_gives_so_many_passages_and_always_the_same(tmp_path: Path) -> None:
    documents = [{"text": article(n), "url": f"https://{'a' if n % 4 else 'b'}.example/{n}"} for n in range(20)]
    found = made(asked(tmp_path, documents, passages={"per_domain": 3}))
    assert reasons(found) == {None: 6, "domain-cap": 14}
    again = made(asked(tmp_path, reversed(documents), passages={"per_domain": 3}))
    assert set(found.filter(rows.kept())["id"]) == set(again.filter(rows.kept())["id"])


def test_shards_share_the_passages_out(tmp_path: Path) -> None:
    documents = [{"text": article(n)} for n in range(20)]
    kept = [set(made(asked(tmp_path, documents, shard=f"{i}/3")).filter(rows.kept())["id"]) for i in (1, 2, 3)]
    assert sum(map(len, kept)) == len(set.union(*kept)) == 20


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The ferry crosses the lake twice a day, and nobody in the village remembers another one. " * 3, Reason.LID),
        ("เรือข้ามฟากลำเก่าข้ามทะเลสาบวันละสองครั้ง และผู้โดยสารส่วนใหญ่เป็นเด็กนักเรียน " * 3, Reason.LID),
        ("Vanha lautta ylittää järven. " * 15, Reason.REPETITION),
        ("12.5 34.7 88.1 92.0 11.3 + 45.2; " * 12, Reason.NO_PASSAGE),
    ],
)
def test_what_is_no_text_of_the_language_is_dropped_and_says_why(tmp_path: Path, text: str, reason: Reason) -> None:
    found = made(asked(tmp_path, [{"text": text}, {"text": article(1)}], passages={"min_chars": 100})).sort("ordinal")
    assert found.select("status", "stage", "reason").row(0) == (Status.DROPPED, "passages", reason)
    assert found["detail"][0]
    assert found["status"][1] == "kept"


@pytest.mark.parametrize(("pii", "status"), [("mask", "kept"), ("drop", "dropped"), ("off", "kept")])
def test_personal_data_is_masked_dropped_or_left(tmp_path: Path, pii: str, status: str) -> None:
    text = article(3) + " Kirjoita osoitteeseen matti.meikalainen@posti.fi tai soita +358 40 123 4567."
    (row,) = made(asked(tmp_path, [{"text": text}], passages={"pii": pii})).to_dicts()
    assert row["status"] == status
    assert ("[EMAIL]" in row["passage"] and "[PHONE]" in row["passage"]) == (pii == "mask")
    assert row["id"] == row_id("", "", row["passage"])
    assert (row["reason"], row["detail"]) == (("pii", "email, phone") if pii == "drop" else (None, None))


def test_a_limit_bounds_documents_of_a_language(tmp_path: Path) -> None:
    documents = [{"text": "\n\n".join(article(3 * n + k) for k in range(3))} for n in range(4)]
    assert set(made(asked(tmp_path, documents, limit=2))["place"]) == {"fi.jsonl:1", "fi.jsonl:2"}


def test_bounds_of_dense_scripts_are_scaled(tmp_path: Path) -> None:
    path = tmp_path / "zh.txt"
    path.write_text(
        "旧渡船每天两次横渡湖面，坐的大多是上学的孩子，船长认得他们每一个人。春天湖水上涨，码头就淹了一半，" * 3,
        "utf-8",
    )
    recipe = recipes.resolve(
        {
            "kind": "x-instruction",
            "corpus": str(tmp_path / "corpus"),
            "texts": [{"lang": "zh", "path": str(path)}],
            "languages": ["zh"],
            "models": [{"model": "none", "base_url": "http://127.0.0.1:9/v1"}],
        }
    )
    (row,) = pl.concat(step_of(recipe).frames()).to_dicts()
    assert 120 < len(row["passage"]) < recipe.passages.min_chars


def test_what_a_step_depends_on(tmp_path: Path) -> None:
    documents = [{"text": article(1)}]
    first = step_of(asked(tmp_path, documents)).settings
    assert step_of(asked(tmp_path, documents)).settings == first
    assert str(tmp_path) not in json.dumps(first)
    assert step_of(asked(tmp_path, documents, passages={"min_lid": 0.4})).settings != first
    assert step_of(asked(tmp_path, documents, limit=5)).settings != first
    assert step_of(asked(tmp_path, [{"text": article(2)}])).settings != first


def test_a_collection_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing\.jsonl"):
        step_of(asked(tmp_path, [{"text": "a"}], texts=[{"lang": "fi", "path": str(tmp_path / "missing.jsonl")}]))


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\n\n   .:|>-`#<&;@+0123456789 ab åก ा你ا\u0301\ufffd\x00"), st.characters(codec="utf-8")
    ),
    max_size=400,
)


@settings(max_examples=40)
@given(st.lists(HOSTILE, min_size=1, max_size=6), st.sampled_from(["fi", "th", "hi", "zh"]))
def test_no_document_is_lost_whatever_it_holds(lid_model_path: Path, texts: list[str], lang: str) -> None:
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    documents = pl.DataFrame(
        {
            "place": [f"x:{n}" for n in range(len(texts))],
            "source": "x",
            "source_id": [str(n) for n in range(len(texts))],
            "text": texts,
            "fault": "",
        }
    ).with_columns(pl.lit(None, pl.String).alias(name) for name in ("url", "date", "license"))
    bounds = Passages(min_chars=20, max_chars=100)
    known = natural.cleaned(documents, lang).with_columns(keys=pl.lit([], pl.List(pl.UInt64)))
    found = natural.divided(known, lang, "en", bounds, lid_model_path)
    assert found["place"].unique(maintain_order=True).to_list() == documents["place"].to_list()
    assert (
        found.filter(pl.col("passage").is_null())["reason"].to_list().count("no-passage")
        == found["passage"].null_count()
    )
    assert (found["n_removed"] >= 0).all()


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.Lehti.example/a?b=c", "lehti.example"),
        ("http://user:secret@news.example:8080/x", "news.example"),
        ("//cdn.example", "cdn.example"),
        ("not a url", "own"),
        (None, "own"),
    ],
)
def test_a_domain_is_the_host_of_a_url_and_else_the_source(url: str | None, domain: str) -> None:
    frame = pl.DataFrame({"url": [url], "source": ["own"]}, schema={"url": pl.String, "source": pl.String})
    assert frame.select(boilerplate.domain(pl.col("url"), pl.col("source"))).item() == domain


def test_lines_of_code_and_rules_are_no_headers(tmp_path: Path) -> None:
    texts = pl.Series(["```\nreturn x\n```\n---\nHeader\nHeader", "Header\n" + "long " * 60])
    keys = boilerplate.keys(texts, pl.Series(["a", "a"]))
    assert keys.list.len().to_list() == [1, 1]
    with boilerplate.counting(tmp_path / "spill") as counts:
        counts.add(pl.DataFrame({"text": texts, "domain": ["a", "a"], "keys": keys}))
        shared = counts.reaching(2)
    assert not (tmp_path / "spill").exists()
    left = boilerplate.without(texts, pl.Series(["a", "a"]), boilerplate.among(keys, shared))
    assert left.to_list() == ["```\nreturn x\n```\n---", "long " * 60]


def _shared(tmp_path: Path, texts: list[str]) -> list[str]:
    """What is left of documents of a domain without the lines that they share."""
    documents, domains = pl.Series(texts), pl.Series(["a"] * len(texts))
    keys = boilerplate.keys(documents, domains)
    with boilerplate.counting(tmp_path / "spill") as counts:
        counts.add(pl.DataFrame({"text": documents, "domain": domains, "keys": keys}))
        shared = counts.reaching(3)
    return boilerplate.without(documents, domains, boilerplate.among(keys, shared)).to_list()


def test_a_heading_that_some_articles_of_a_domain_share_stays(tmp_path: Path) -> None:
    texts = [f"Historia\nTekstiä numero {n}." if n < 4 else f"Tekstiä numero {n}." for n in range(10)]
    assert _shared(tmp_path, texts) == texts


def test_a_page_that_was_fetched_several_times_shares_nothing_with_itself(tmp_path: Path) -> None:
    texts = ["Otsikko\nSama teksti."] * 6
    assert _shared(tmp_path, texts) == texts
