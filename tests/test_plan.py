"""What a run costs before it starts, what it may cost at most, and what a look at the first rows says of all."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugdata import planning
from plugdata import recipe as recipes
from plugdata.calls.money import usd
from plugdata.corpus import Corpus
from tests.servers import llm
from tests.servers.llm import LlmServer

ROOT = Path(__file__).parents[1]
TOPICS = ["rivers", "bridges", "gardens", "trains", "islands", "markets", "schools", "forests", "kitchens", "stars"]
PRICED = ["--price", "1,2"]
BOUNDED = ["--set", 'models.0.params={"temperature": 0, "max_tokens": 300}']
"""What a budget needs to know of a model that no price list holds: how long its answers can be."""


def _recipe(folder: Path, server: LlmServer, n: int, **settings: Any) -> Path:
    """The file of a recipe with `n` rows."""
    records = [
        {
            "instruction": f"Tell me about {TOPICS[i % 10]} of the {i}th kind and say why people like to visit them.",
            "input": "Use simple words, please." if i % 3 == 0 else "",
            "output": f"Many people like {TOPICS[i % 10]} since they are quiet in the morning. Number {i} on my list "
            f"lies {i * 7} kilometres from the town, and the way there leads along {TOPICS[(i * 7 + 3) % 10]}.",
        }
        for i in range(n)
    ]
    (folder / "rows.json").write_text(json.dumps(records))
    asked = {
        "corpus": "corpus",
        "sources": [{"path": "rows.json", "license": "apache-2.0"}],
        "languages": ["ko", "es"],
        "models": [{"model": "test", "base_url": server.base_url, "limits": {"concurrency": 2}}],
        **settings,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(asked))  # JSON is YAML
    return path


def _plugdata(folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PLUGDATA_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "plugdata", *map(str, args)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def _plan(folder: Path, *args: object) -> dict[str, Any]:
    done = _plugdata(folder, "plan", *args, "--json", "-q")
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def _used(folder: Path) -> dict[str, int]:
    """Calls, tokens and money (1e-9 USD) of a corpus's ledger."""
    with closing(sqlite3.connect(folder / "corpus" / "ledger.sqlite")) as db:
        names = ("calls", "prompt", "completion", "nano")
        query = "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), sum(nano_usd) FROM answers"
        return dict(zip(names, db.execute(query).fetchone(), strict=True))


def test_a_plan_tells_rows_calls_tokens_money_and_hours_and_sends_nothing(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 30)
        made = _plan(tmp_path, recipe, *PRICED, "--rpm", 6, "--budget", 4)
        shown = _plugdata(tmp_path, "plan", recipe, *PRICED, "--rpm", 6, "--budget", 4).stdout
        assert server.requests == []
    assert (made["read"], made["screened"], made["budget_usd"], made["spent_usd"]) == (30, 30, 4, 0)
    assert [(s["lang"], s["rows"], s["paid"], s["calls"]) for s in made["shares"]] == [
        ("ko", 30, 0, 30),
        ("es", 30, 0, 30),
    ]
    assert 0 < made["online_usd"]["min"] <= made["online_usd"]["expected"] < made["online_usd"]["max"]
    assert made["batch_usd"]["expected"] == pytest.approx(made["online_usd"]["expected"] / 2)
    assert (made["hours"], made["bound_by"]) == (pytest.approx(60 / 6 / 60), "rpm")
    assert "30 rows read, 30 worth a call in each language" in shown
    assert f"online (chosen): ${made['online_usd']['expected']:.3f} expected" in shown
    assert "0.2 hours by rpm" in shown
    assert "budget $4.00, of which $0 is spent" in shown


def test_a_plan_counts_what_is_paid_and_has_learnt_from_it_how_many_tokens_the_rest_takes(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 60, languages=["ko"])
        assert _plugdata(tmp_path, "run", recipe, "--limit", 24, *PRICED).returncode == 0
        before = _used(tmp_path)
        made = _plan(tmp_path, recipe, *PRICED)
        assert len(server.requests) == 24
        assert _plugdata(tmp_path, "run", recipe, "-q", *PRICED).returncode == 0
        after = _used(tmp_path)
    (share,) = made["shares"]
    assert (share["paid"], share["rows"], share["n_learnt"]) == (24, 36, 24)
    assert share["calls"] == after["calls"] - before["calls"]
    assert share["prompt_tokens"] == pytest.approx(after["prompt"] - before["prompt"], rel=0.1)
    assert share["completion_tokens"] == pytest.approx(after["completion"] - before["completion"], rel=0.1)
    assert made["online_usd"]["expected"] == pytest.approx((after["nano"] - before["nano"]) / 1e9, rel=0.1)
    assert made["spent_usd"] == before["nano"] / 1e9


def test_endpoints_of_one_model_share_its_rows_and_the_time(tmp_path: Path) -> None:
    with LlmServer() as server:
        member = {"model": "test", "base_url": server.base_url, "limits": {"rpm": 10}}
        alone = _plan(tmp_path, _recipe(tmp_path, server, 60, models=[member]))
        shared = _plan(tmp_path, _recipe(tmp_path, server, 60, models=[member, member]))
    rows = [share["rows"] for share in shared["shares"]]
    assert sum(rows) == 120
    assert shared["hours"] == pytest.approx(max(rows[0] + rows[2], rows[1] + rows[3]) / 10 / 60)
    assert shared["hours"] < alone["hours"] == pytest.approx(0.2)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_price_that_nobody_knows_is_asked_for(tmp_path: Path, command: str) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 4)
        elsewhere = ["--set", "models.0.base_url=https://llm.example.com/v1", "--set", "models.0.api_key_env=HOME"]
        done = _plugdata(tmp_path, command, recipe, *elsewhere)
        assert (done.returncode, done.stdout) == (2, "")
        assert "'test' at llm.example.com: no price" in done.stderr
        assert "--price free" in done.stderr
        assert _plan(tmp_path, recipe, *elsewhere, "--price", "free")["online_usd"]["max"] == 0


def test_a_budget_below_the_first_call_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 4)
        done = _plugdata(tmp_path, "run", recipe, *PRICED, *BOUNDED, "--budget", 0.0001)
        assert (done.returncode, len(server.requests)) == (4, 0)
    assert "the next call may cost" in done.stderr


def test_a_budget_that_is_reached_stops_the_run_and_a_larger_one_resumes_it(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 30)
        asked = ["run", recipe, *PRICED, *BOUNDED]
        stopped = _plugdata(tmp_path, *asked, "--budget", 0.01)
        assert stopped.returncode == 3, stopped.stderr
        assert "a larger --budget resumes" in stopped.stderr
        assert 0 < _used(tmp_path)["nano"] <= 0.01 * 1e9
        assert 0 < len(server.requests) < 60
        assert _plan(tmp_path, recipe, *PRICED, *BOUNDED)["shares"][0]["paid"] > 0
        assert _plugdata(tmp_path, *asked, "--budget", 1).returncode == 0
        assert len(server.requests) == len({request.digest for request in server.requests}) == 60


def test_a_look_at_the_first_rows_shows_them_and_what_all_would_cost(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 40)
        look = _plugdata(tmp_path, "run", recipe, "--limit", 6, *PRICED)
        found = planning.outlook(
            recipes.with_model(recipes.load(recipe), price={"input": 1, "output": 2}), Corpus(tmp_path / "corpus")
        )
        after_6 = _used(tmp_path)
        rest = _plugdata(tmp_path, "run", recipe, "--limit", 40, *PRICED)
    assert look.returncode == rest.returncode == 0, look.stderr
    assert look.stdout.count("· kept") == 10  # five of each language
    last = look.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"6 rows cost \$0\.0\d+; all 40 rows in 2 languages: about \$0\.0\d+, minutes, by concurrency", last
    )
    assert found is not None
    assert (found.done, found.rows, found.cost) == (6, 40, after_6["nano"])
    assert found.whole_cost == pytest.approx(_used(tmp_path)["nano"], rel=0.1)
    assert "all 40 rows" not in rest.stdout


def test_a_look_at_a_free_model_tells_the_hours_alone(tmp_path: Path) -> None:
    with LlmServer() as server:
        recipe = _recipe(tmp_path, server, 40, languages=["ko"])
        done = _plugdata(tmp_path, "run", recipe, "--limit", 3, "--rpm", 60, "--set", "sources.0.limit=12")
    assert done.stdout.splitlines()[-1] == "all 12 rows in one language: minutes, by rpm"


def test_a_look_counts_what_was_paid_for_rows_that_are_not_kept(tmp_path: Path) -> None:
    faulty = llm.when(lambda request: "the 0th kind" in request.text, llm.missing_tag())
    dead = llm.when(lambda request: "the 1th kind" in request.text, llm.server_error())
    with LlmServer(faults=[faulty, dead]) as server:
        recipe = _recipe(tmp_path, server, 20, languages=["ko"], translate={"retries": 0})
        done = _plugdata(tmp_path, "run", recipe, "--limit", 4, *PRICED)
    assert (done.returncode, done.stdout.count("· kept")) == (3, 2)
    used = _used(tmp_path)
    assert used["calls"] == len([request for request in server.requests if request.status == 200]) > 3
    assert f"4 rows cost {usd(used['nano'])}; all 20 rows in one language" in done.stdout
