"""What a report says and which rows it shows: the same bytes every time, within its size, at any stage of a corpus."""

import html
import json
import re
import shutil
from pathlib import Path

import pytest

from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from plugdata.errors import FunnelError, InputError
from plugdata.review import report
from plugdata.review.shown import cut, visible
from tests import commands, reviewed
from tests.commands import Run, records, write_recipe, write_rows
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run


def _page(corpus: Corpus) -> str:
    report.write(corpus.path / "report.html", corpus, recipes.load(corpus.recipe), None)
    return (corpus.path / "report.html").read_text(encoding="utf-8")


def _rows(page: str) -> list[tuple[str, str, str, str]]:
    """Language, status, reason and place of each row of a page, in its order."""
    found = re.findall(
        r'<article .*?data-lang="(.*?)" data-status="(.*?)" data-reason="(.*?)">(.*?)</article>', page, re.S
    )
    places = [re.search(r"row-\d+", body) for *_, body in found]
    return [(*row[:3], place[0]) for row, place in zip(found, places, strict=True) if place]


def _text(page: str) -> str:
    """What a page says, without its elements."""
    body = page.partition("</head>")[2].partition("<script>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_the_same_corpus_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus")
    page = _page(corpus)
    (corpus.path / "report.html").unlink()
    shutil.copytree(corpus.path, tmp_path / "elsewhere")
    assert _page(corpus) == page == _page(Corpus(tmp_path / "elsewhere"))
    assert str(tmp_path) not in page


def test_a_page_has_rows_of_every_language_and_reason(tmp_path: Path) -> None:
    groups = {row[:3] for row in _rows(_page(reviewed.write(tmp_path / "corpus")))}
    out = {("dropped", reason) for reason in ("duplicate-near", "duplicate-exact", "ratio")} | {("quarantined", "echo")}
    expected = {(lang, *group) for lang in reviewed.LANGS for group in {*out, ("kept", "")}}
    assert groups == expected | {("th", "dropped", "lid")}


def test_rows_nearest_to_their_bound_come_first(tmp_path: Path) -> None:
    rows = _rows(_page(reviewed.write(tmp_path / "corpus")))
    assert [place for lang, _, reason, place in rows if (lang, reason) == ("th", "lid")] == [
        "row-11",
        "row-10",
        "row-9",
    ]
    assert [place for lang, _, reason, place in rows if (lang, reason) == ("ar", "ratio")] == ["row-12", "row-13"]


def test_of_many_kept_rows_half_are_near_a_bound_and_half_are_not(tmp_path: Path) -> None:
    rows = _rows(_page(reviewed.write(tmp_path / "corpus", n_plain=300, hostile=False)))
    kept = [int(place.removeprefix("row-")) for lang, status, _, place in rows if (lang, status) == ("ko", "kept")]
    assert len(kept) == report.rows.KEPT
    low = [at for at in kept if at % 7 == 6]  # whose p(lang) is the least that is kept
    assert report.rows.KEPT / 2 <= len(low) < 0.8 * report.rows.KEPT
    assert set(kept[: len(low)]) == set(low)


def test_a_page_is_below_a_megabyte_and_leaves_no_reason_out(tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus", n_plain=120, times=30)
    page = _page(corpus)
    assert 900_000 < len(page.encode()) < 1_000_000
    rows = _rows(page)
    assert len({row[:3] for row in rows}) == 3 * 5 + 1
    assert f"{len(rows)} rows: of each language" in page


def test_duplicates_stand_below_the_row_that_was_kept_once_for_all_languages(tmp_path: Path) -> None:
    text = _text(_page(reviewed.write(tmp_path / "corpus")))
    clusters = text.partition("once for all languages that have them alike")[2].partition("All that was measured")[0]
    assert "5 rows , Arabic, Korean, Thai kept row Why does bread rise in oven 0?" in clusters
    assert re.search(r"dedup 0.88 .*?oven 16\?.* dedup 0.9 .*?oven 20\?.* dedup 0.92 .*?oven 24\?", clusters)
    assert re.search(r"kept row Tell a visitor how to reach pier 1\..*dedup equal Tell .*? pier 21\.", clusters)


def test_the_bound_is_drawn_where_it_lies(tmp_path: Path) -> None:
    page = _page(reviewed.write(tmp_path / "corpus"))
    charts = re.findall(r'<table class="chart">.*?</table>', page, re.S)
    assert len(charts) == 2 * 2 * len(reviewed.LANGS)
    lid = next(chart for chart in charts if "<b>Thai</b>, response" in chart)
    assert "kept where ≥ 0.4" in lid
    assert re.findall(r'<tr class="bound"><th scope="row">([\d.]+)', lid) == ["0.4"]
    ratio = next(chart for chart in charts if "<b>Thai</b>, response" in chart and "0.4–2" in chart)
    assert re.findall(r'<tr class="bound"><th scope="row">([\d.]+)', ratio) == ["0.354", "2"]


def test_a_funnel_that_does_not_balance_is_refused(run: Run, tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus")
    manifest = json.loads((corpus.path / "manifest.json").read_text())
    manifest["stages"]["dedup/ko"]["counts"]["kept"] += 1
    (corpus.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FunnelError):
        _page(Corpus(corpus.path))
    for command in ("report", "stats"):
        code, _, err = run(command, "corpus")
        assert code == 1 and "ko: 35 rows were read, 27 are kept and 9 taken out" in err
    assert not (corpus.path / "report.html").exists()


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("screen", ["English, not translated yet", "all languages", "pier 3 .", "No model was asked"]),
        ("translate", ["English → Arabic, Korean, Thai", "after stage translate translate translate"]),
        ("measure", ["after stage measure measure measure", "Language ID"]),
        ("filter", ["after stage filter filter filter", "kept where ≥ 0.4"]),
    ],
)
def test_a_corpus_is_reported_at_any_stage(tmp_path: Path, until: str, told: list[str]) -> None:
    page = _page(reviewed.write(tmp_path / "corpus", until=until))
    for line in told:
        assert re.sub(r"\s", "", line) in re.sub(r"\s", "", _text(page)) or "pier 3" in line
    assert len(_rows(page)) > 30


def test_a_corpus_without_a_finished_stage_says_so(tmp_path: Path) -> None:
    corpus = reviewed.write(tmp_path / "corpus")
    (corpus.path / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds no finished stage yet"):
        _page(corpus)


@pytest.mark.usefixtures("lid_model_path")
def test_what_models_cost_stands_in_the_report_while_a_run_goes_on(run: Run, tmp_path: Path) -> None:
    models = {"model": "<b>cheap</b>", "price": {"input": 2, "output": 4}}
    with LlmServer([llm.nth(0, llm.echo())]) as server:
        recipe = write_recipe(tmp_path, server, models=[{**models, "base_url": server.base_url}])
        assert run("run", recipe, "--until", "translate", "-q")[0] == 0
    ledger = json.loads(run("ledger", "corpus", "--json")[1])
    with Corpus(Path("corpus")).lock():
        code, out, err = run("report", "corpus", "-o", "page.html")
    assert (code, out.startswith("page.html (")) == (0, True), err
    text = _text(Path("page.html").read_text(encoding="utf-8"))
    for prompt, n_calls in (("translate-tags-v2", 12), ("repair-tags-v1", 1)):
        uses = [use for use in ledger["uses"] if use["prompt"] == prompt]
        n_in, n_out = (sum(use[f"{kind}_tokens"] for use in uses) for kind in ("prompt", "completion"))
        assert f"<b>cheap</b> translate: {prompt} {n_calls} {n_in:,} 0 {n_out:,} $" in text
    assert ": 83 % of 6 rows right at once, 100 % in the end, 1.17 calls a row" in text
    assert "rows apache-2.0 12" in text and "A publication carries apache-2.0" in text


@pytest.mark.usefixtures("lid_model_path")
def test_questions_without_responses_are_reported(run: Run, tmp_path: Path) -> None:
    asked = [{name: text for name, text in record.items() if name != "output"} for record in records(6)]
    write_rows(tmp_path / "questions.json", asked)
    with LlmServer() as server:
        model = ["--fields", "instruction", "--model", "m", "--base-url", server.base_url]
        assert run("translate", "questions.json", "corpus", "--to", "ko", *model, "-q")[0] == 0
    code, out, err = run("report", "corpus")
    assert (code, out.startswith("corpus/report.html (")) == (0, True), err
    page = Path("corpus/report.html").read_text(encoding="utf-8")
    assert page.count("<article") == 6 and page.count('<p class="none">–</p>') == 12
    assert "Nothing can be published yet:" in _text(page)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("\x1b[2J\x00\x9b", "⟨U+001B⟩[2J⟨U+0000⟩⟨U+009B⟩"),
        ("\u202eabc\u2069", "⟨U+202E⟩abc⟨U+2069⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("می\u200cروم", "می\u200cروم"),
        ("क्\u200dष \U0001f468\u200d\U0001f33e", "क्\u200dष \U0001f468\u200d\U0001f33e"),
        ("\u200fعربي", "\u200fعربي"),
    ],
)
def test_what_is_hidden_is_named_and_what_a_script_needs_stays(text: str, shown: str) -> None:
    assert visible(text) == shown
    shown.encode()


def test_a_long_text_is_cut_with_its_length() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("a" * 1234, 5) == "aaaa… (1,234 characters)"
