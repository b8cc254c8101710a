"""What asking again bought, as `status`, a run's last screen and the demo's tell it."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from plugdata.corpus import Corpus
from plugdata.review.closing import closing
from tests import commands
from tests.commands import Run, write_recipe
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")


def test_what_repair_bought_is_shown(run: Run, tmp_path: Path) -> None:
    def at_first(request: llm.Request) -> bool:
        return "the 0th kind" in request.text and "Your earlier answer" not in request.text

    always = llm.when(lambda request: "the 2th kind" in request.text, llm.echo())
    with LlmServer([llm.when(at_first, llm.missing_tag()), always]) as server:
        _, out, _ = run("run", write_recipe(tmp_path, server, 4, languages=["ko"]), "-q")
    n_calls = len(server.requests)
    shown = json.loads(run("status", "corpus", "--json")[1])["repair"]
    assert shown == {"ko": {"rows": 4, "at_once": 2, "kept": 3, "calls": n_calls}}
    line = f"repair ko: 50 % of 4 rows right at once, 75 % in the end, {n_calls / 4:.2f} calls a row"
    assert line in out
    assert line in run("status", "corpus")[1]
    screen = io.StringIO()
    Console(file=screen, width=100).print(closing(Corpus(Path("corpus"))))
    assert line in screen.getvalue()


def test_rows_of_one_answer_a_text_need_no_word_on_repair(run: Run, tmp_path: Path) -> None:
    with LlmServer() as server:
        _, out, _ = run(
            "run", write_recipe(tmp_path, server, 4, languages=["ko"], translate={"protocol": "plain"}), "-q"
        )
        assert len(server.requests) > 4
    assert "repair" not in out
    assert set(Corpus(Path("corpus")).rows("translate", "ko")["n_calls"]) == {2, 3}
