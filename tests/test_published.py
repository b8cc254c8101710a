"""What dist/ says of a corpus that was really run: the report beside the rows, the card's models and their cost."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import commands
from tests.commands import Run, records, write_recipe, write_rows
from tests.servers import llm
from tests.servers.judging import judging, verdict
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")

PRICED = {"price": {"input": 1.0, "output": 2.0}}


def _card() -> str:
    return Path("corpus/dist/README.md").read_text(encoding="utf-8")


def test_the_card_tells_who_translated_and_who_judged_for_how_much(run: Run, tmp_path: Path) -> None:
    with LlmServer(answer=judging(lambda request: verdict())) as server:
        cheap = {"model": "cheap", "base_url": server.base_url, **PRICED}
        strong = {"model": "strong", "base_url": server.base_url, "price": "free"}
        quality: dict[str, Any] = {"judge": {"sample": 1.0, "model": strong}}
        recipe = write_recipe(tmp_path, server, 6, languages=["ko"], models=[cheap], quality=quality)
        assert run("run", recipe, "-q")[0] == 0
        told = json.loads(run("ledger", "corpus", "--json")[1])
    text = _card()
    assert f"| cheap | translation | 6 | {told['uses'][0]['prompt_tokens']:,} |" in text
    assert "| strong | judging | 6 |" in text and "| 0 | 20" in text
    assert f"In all 12 calls for USD {told['nano_usd'] / 1e9:.2f}." in text or told["nano_usd"] < 10_000_000
    assert "mean accuracy (1–5), judged by a model | 5.0 (6 rows)" in text


def test_given_translations_that_a_model_judged_are_no_models_work(run: Run, tmp_path: Path) -> None:
    rows = records(6)
    write_rows(tmp_path / "en.json", rows)
    texts = ("instruction", "input", "output")
    write_rows(tmp_path / "ko.json", [{**row, **{n: llm.translate(row[n], "ko") for n in texts}} for row in rows])
    with LlmServer(answer=judging(lambda request: verdict())) as server:
        asked = {
            "corpus": "corpus",
            "sources": [{"path": "en.json", "license": "mit"}],
            "languages": ["ko"],
            "translations": [{"lang": "ko", "path": "ko.json"}],
            "models": [{"model": "judge", "base_url": server.base_url}],
            "quality": {"judge": {"sample": 1.0}},
        }
        (tmp_path / "my.yaml").write_text(json.dumps(asked))
        code, _, err = run("run", "my.yaml", "-q")
        assert code == 0, err
    text = _card()
    assert "Translations into Korean were given." in text and "| judge | judging | 6 |" in text
    assert (
        "No model was called" not in text and "machine" not in text.partition("## Known limits")[2].partition("##")[0]
    )
    assert "annotations_creators" not in yaml.safe_load(text.split("---\n")[1])


def test_a_published_report_shows_no_row_that_was_taken_out_so_as_not_to_be_published(run: Run, tmp_path: Path) -> None:
    rows = records(4)
    rows[2]["output"] += " Write to harbour.master@haven-post.org for more."
    write_rows(tmp_path / "rows.json", rows)
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, 4, languages=["ko"], filter={"pii": {"action": "drop"}})
        write_rows(tmp_path / "rows.json", rows)
        assert run("run", recipe, "-q")[0] == 0
    published = Path("corpus/dist/report.html").read_text(encoding="utf-8")
    assert run("report", "corpus")[0] == 0
    mine = Path("corpus/report.html").read_text(encoding="utf-8")
    assert "harbour.master@" in mine and "harbour.master@" not in published
    assert "filter: pii | −1 (25.0 %)" in _card()


@pytest.mark.parametrize("action", ["drop", "mask"])
def test_a_published_report_shows_no_personal_data_of_rows_that_nobody_looked_at_for_any(
    run: Run, tmp_path: Path, action: str
) -> None:
    rows = records(6)
    rows[2]["output"] += " Write to harbour.master@haven-post.org for more."
    rows[3] = {**rows[2], "id": "twin", "instruction": rows[2]["instruction"].upper()}
    rows[4]["instruction"] = "Describe the picture that rita.lund@haven-post.org sent."
    rows[4]["input"] = "[image]"
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, 6, languages=["ko"], filter={"pii": {"action": action}})
        write_rows(tmp_path / "rows.json", rows)
        assert run("run", recipe, "-q")[0] == 0
    assert "screen: duplicate" in _card() and "screen: needs-media" in _card()
    published = Path("corpus/dist/report.html").read_text(encoding="utf-8")
    assert run("report", "corpus")[0] == 0
    mine = Path("corpus/report.html").read_text(encoding="utf-8")
    assert "rita.lund@" in mine and "harbour.master@" in mine and "1 clusters" in published
    assert "@haven-post" not in published
