"""The report as people meet it, in headless Chromium: what filters show, what hostile rows cannot do, how it looks.

Skipped where there is no `chromium` on the PATH (Debian: apt-get install chromium fonts-noto-core fonts-noto-cjk).
"""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from plugdata.corpus import Corpus, stage_key
from plugdata.review import report
from plugdata.rows import CONTRACTS, SHARED
from tests import reviewed

ALONE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ALONE += ["--disable-sync", "--no-first-run"]


class Opened(NamedTuple):
    """A page, and what happened on it that nobody asked for: dialogs, errors, requests but for the file itself."""

    page: Page
    happened: list[str]

    def shown(self) -> list[str]:
        """The texts of the rows that are to be seen."""
        return [str(row.inner_text()) for row in self.page.locator("article:visible").all()]

    def told(self) -> str:
        return str(self.page.locator("output").inner_text())


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH: the page is not looked at")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ALONE)
        yield found
        found.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return reviewed.write(tmp_path_factory.mktemp("page") / "corpus")


@pytest.fixture(scope="module")
def file(corpus: Corpus) -> Path:
    from plugdata import recipe as recipes

    path = corpus.path / "report.html"
    report.write(path, corpus, recipes.load(corpus.recipe), None)
    return path


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Open]:
    contexts = []

    def open(hash: str = "", **settings: Any) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        happened: list[str] = []

        def dismissed(dialog: Dialog) -> None:
            happened.append(f"dialog {dialog.message}")
            dialog.dismiss()

        page.on("dialog", dismissed)
        page.on("console", lambda message: happened.append(f"console {message.text}"))
        page.on("pageerror", lambda error: happened.append(f"error {error}"))
        page.on("request", lambda request: happened.append(request.url) if "report.html" not in request.url else None)
        page.goto(file.as_uri() + hash)
        return Opened(page, happened)

    yield open
    for context in contexts:
        context.close()


def test_the_filters_show_the_rows_that_they_name(opened: Open) -> None:
    found = opened()
    whole = len(found.shown())
    assert found.told() == f"{whole} of {whole} rows"
    found.page.select_option("[name=lang]", "th")
    found.page.select_option("[name=reason]", "lid")
    assert found.told() == f"3 of {whole} rows"
    assert all("dropped: lid" in row and "looks" not in row for row in found.shown())
    assert found.page.locator("article:visible").evaluate_all("rows => rows.every(row => row.dataset.lang === 'th')")
    found.page.select_option("[name=status]", "kept")
    assert (found.told(), found.shown()) == (f"0 of {whole} rows", [])
    assert found.page.locator("#none").is_visible()
    found.page.click("button[type=reset]")
    expect(found.page.locator("output")).to_have_text(f"{whole} of {whole} rows")
    assert found.happened == []


@pytest.mark.parametrize(
    ("words", "in_each"),
    [
        ("ยีสต์", "ยีสต์"),
        ("PIER 13", "pier 13"),
        ("13 pier", "pier 13"),
        ("الرصيف", "الرصيف"),
        ("row-27", "row-27"),
        ("달팽이가 27미터", "27미터"),
    ],
)
def test_search_finds_every_word_whatever_its_case_and_order(opened: Open, words: str, in_each: str) -> None:
    found = opened()
    found.page.fill("[name=q]", words)
    assert found.shown() and all(in_each in row for row in found.shown())
    assert len(found.shown()) < found.page.locator("article").count()


def test_search_finds_a_row_by_its_id_but_no_number_in_one(opened: Open) -> None:
    found = opened()
    id = str(found.page.locator("article .id").nth(3).inner_text())
    found.page.fill("[name=q]", id[:12])
    assert found.shown() and all(id[:12] in row for row in found.shown())
    found.page.fill("[name=q]", id[4:12])
    assert found.shown() == []


def test_the_funnel_of_the_page_is_that_of_the_manifest(opened: Open, corpus: Corpus) -> None:
    found = opened()
    table = [row.inner_text().split("\t") for row in found.page.locator("#funnel tr").all()]
    manifest = corpus.manifest()
    assert manifest is not None
    for at, lang in enumerate(reviewed.LANGS, start=2):
        told = {(stage.strip(), name): cells[at - 2] for stage, name, *cells in table[1:]}
        expected: dict[tuple[str, str], str] = {}
        for stage in list(CONTRACTS)[:-1]:
            counts = manifest.stages[stage_key(stage, None if stage in SHARED else lang)].counts
            for status, reasons in counts.out.items():
                expected |= {(stage, f"{status}: {reason}"): f"−{n}" for reason, n in reasons.items()}
        assert {key: n for key, n in told.items() if n.startswith("−")} == expected
        assert told["", "kept"] == str(counts.kept)
        assert told["source", "read"] == str(counts.rows)


def test_a_count_of_the_funnel_leads_to_its_rows(opened: Open) -> None:
    found = opened()
    found.page.click("#funnel a[href='#lang=th&status=dropped&reason=lid']")
    assert len(found.shown()) == 3
    found.page.click("nav a[href='#funnel']")
    found.page.click("#funnel a[href='#lang=ko&status=kept']")
    assert found.page.locator("article:visible").evaluate_all(
        "rows => rows.every(row => row.dataset.lang === 'ko' && row.dataset.status === 'kept')"
    )
    address = found.page.url
    assert opened("#" + address.partition("#")[2]).shown() == found.shown()


def test_rows_that_mean_harm_are_text_and_do_nothing(opened: Open) -> None:
    found = opened("#lang=ko")
    shown = "\n".join(found.shown())
    for text in reviewed.HOSTILE[:2]:
        assert text in shown
    assert "⟨U+202E⟩gnp.exe⟨U+202C⟩" in shown and "⟨U+001B⟩[31mred" in shown and "{{ 7 * 7 }}" in shown
    made = "article script, article img, article svg, article a, article [onmouseover], article style"
    assert found.page.locator(made).count() == 0
    assert found.page.locator("script").count() == 1
    for row in found.page.locator("article:visible").all()[:10]:
        row.hover()
    found.page.fill("[name=q]", reviewed.HOSTILE[1])
    assert found.shown()
    assert found.happened == []


def test_markup_that_got_in_all_the_same_could_run_and_load_nothing(opened: Open) -> None:
    found = opened()
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/a.png"
        markup = f"<img src='{url}' onerror='window.hit = 1'><b onclick='window.hit = 2'>press</b>"
        found.page.evaluate("html => document.querySelector('#origin').insertAdjacentHTML('beforeend', html)", markup)
        script = "const s = document.createElement('script'); s.textContent = 'window.hit = 3'; document.body.append(s)"
        found.page.evaluate(f"() => {{ {script} }}")
        found.page.locator("#origin b", has_text="press").click()
        assert found.page.evaluate("window.hit") is None
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody called
            elsewhere.accept()
    refused = [line for line in found.happened if "Content Security Policy" in line]
    for what in ("inline event handler", "the image", "inline script"):
        assert any(what in line for line in refused)


@pytest.mark.parametrize(("lang", "direction", "edge"), [("ar", "rtl", "right"), ("th", "ltr", "left")])
def test_rows_run_in_the_direction_of_their_script(opened: Open, lang: str, direction: str, edge: str) -> None:
    found = opened(f"#lang={lang}&q=pier")
    targets = found.page.locator(f"article:visible .pair p[lang={lang}]")
    assert targets.count() > 4
    gap = """(nodes, edge) => nodes.map(node => {
      const range = document.createRange(); range.selectNodeContents(node);
      const line = range.getBoundingClientRect(), box = node.getBoundingClientRect();
      return [getComputedStyle(node).direction, Math.abs(line[edge] - box[edge]) < 2];
    })"""
    assert targets.evaluate_all(gap, edge) == [[direction, True]] * targets.count()
    pivots = found.page.locator("article:visible .pair p[lang=en]")
    assert {way for way, _ in pivots.evaluate_all(gap, "left")} == {"ltr"}


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_needs_scrolling_sideways(opened: Open, width: int) -> None:
    found = opened(viewport={"width": width, "height": 800})
    for details in found.page.locator("details").all()[:8]:
        details.evaluate("node => node.open = true")
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_are_two_pages_that_both_can_be_read(opened: Open) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        found = opened(color_scheme=scheme)
        ground = _luminance(found.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        panel = _luminance(
            found.page.locator("article").first.evaluate("node => getComputedStyle(node).backgroundColor")
        )
        grounds.add(ground > 0.5)
        for selector in ("body", "a", "caption", "article h3 small", ".badge.kept", ".badge.dropped", ".detail"):
            color = found.page.locator(selector).first.evaluate("node => getComputedStyle(node).color")
            assert min(_contrast(_luminance(color), behind) for behind in (ground, panel)) >= 4.5, (scheme, selector)
    assert grounds == {True, False}


def _luminance(color: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_rows_are_walked_through_by_keyboard(opened: Open) -> None:
    found = opened("#lang=ar&status=kept")
    at = "document.activeElement.tagName + ' ' + [...document.querySelectorAll('article:not([hidden])')]"
    at += ".indexOf(document.activeElement)"
    found.page.keyboard.press("j")
    assert found.page.evaluate(at) == "ARTICLE 0"
    found.page.keyboard.press("j")
    found.page.keyboard.press("j")
    found.page.keyboard.press("k")
    assert found.page.evaluate(at) == "ARTICLE 1"
    found.page.keyboard.press("m")
    assert found.page.locator("article:focus details").evaluate("node => node.open")
    found.page.keyboard.press("/")
    found.page.keyboard.type("jk")
    assert found.page.input_value("[name=q]") == "jk"


def test_bars_are_as_long_as_their_counts(opened: Open) -> None:
    found = opened()
    chart = found.page.locator("#language table.chart").first
    rows = chart.locator("tbody tr").evaluate_all(
        """rows => rows.map(row => [[...row.querySelectorAll('td:not(.bars)')].map(cell => +cell.innerText),
           [...row.querySelectorAll('i')].map(bar => bar.getBoundingClientRect().width)])"""
    )
    assert len(rows) > 5
    unit = max(sum(bars) / sum(counts) for counts, bars in rows if sum(counts))
    for counts, bars in rows:
        assert sum(bars) == pytest.approx(unit * sum(counts), abs=1.5)


def test_without_scripts_every_row_is_there(opened: Open) -> None:
    found = opened(java_script_enabled=False)
    assert found.page.locator("article:visible").count() == found.page.locator("article").count() > 50
    assert not found.page.locator("form").is_visible()
