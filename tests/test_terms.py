"""A glossary of a recipe through whole runs: what its file's change makes stale, and what that costs."""

from pathlib import Path

import pytest

from plugdata import recipe as recipes
from plugdata.corpus import Corpus
from tests import commands
from tests.commands import Run, kept, write_recipe
from tests.servers import llm
from tests.servers.llm import LlmServer

run = commands.run

pytestmark = pytest.mark.usefixtures("lid_model_path")

RIVERS, BRIDGES = "rivers,강|하천,ko", "bridges,다리,ko"


def _glossary(folder: Path, *terms: str) -> Path:
    path = folder / "terms.csv"
    path.write_text("\n".join(["source,target,lang", *terms]) + "\n", encoding="utf-8")
    return path


def _obedient(request: llm.Request) -> str:
    """An answer that renders terms as the system message says."""
    said = llm.replies.pseudo_translation(request)
    for line in "\n".join(llm.contents(request.json, "system")).splitlines():
        if line.startswith("- ") and "→" in line:
            source, _, target = line.removeprefix("- ").partition(" → ")
            if source in request.text:
                said = said.replace("</", f" {target.split(' / ')[0]}</")
    return said


def test_a_changed_term_asks_for_the_rows_that_hold_it_and_no_others(run: Run, tmp_path: Path) -> None:
    _glossary(tmp_path, RIVERS)
    with LlmServer(answer=_obedient) as server:
        recipe = write_recipe(tmp_path, server, 10, translate={"glossary": "terms.csv"})
        assert recipes.load(recipe).translate.glossary == tmp_path / "terms.csv"
        assert run("run", recipe, "-q")[0] == 0
        n_asked = len(server.requests)
        assert n_asked == 20
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == n_asked
        _glossary(tmp_path, RIVERS, BRIDGES)
        assert run("run", recipe, "-q")[0] == 0
        again = server.requests[n_asked:]
        assert again and all("bridges" in request.text for request in again)
        assert {llm.target_language(request) for request in again} == {"ko"}
        _glossary(tmp_path, RIVERS)
        assert run("run", recipe, "-q")[0] == 0
        assert len(server.requests) == n_asked + len(again)
    assert kept(run) == {"ko": 10, "es": 10}
    held = Corpus(Path("corpus")).rows("translate", "ko").sort("ordinal")
    assert "강" in held["target_instruction"][0]
    published = Path("corpus/dist/recipe.yaml").read_text()
    assert "glossary: terms.csv" in published and str(tmp_path) not in published


def test_a_term_that_is_not_heeded_is_a_reason_and_a_retry_mends_it(run: Run, tmp_path: Path) -> None:
    _glossary(tmp_path, RIVERS)
    with LlmServer() as server:  # that heeds no term
        recipe = write_recipe(tmp_path, server, 4, languages=["ko"], translate={"glossary": "terms.csv"})
        assert run("run", recipe, "-q")[0] == 0
    lost = Corpus(Path("corpus")).rows("dedup", "ko").filter(reason="glossary")
    assert all("'rivers' must be rendered as '강' or '하천'" in detail for detail in lost["detail"])
    assert lost.sort("ordinal")["source_id"].to_list() == ["row-0", "row-1"]
    with LlmServer(answer=_obedient) as server:
        strong = ["--model", "strong", "--base-url", server.base_url]
        assert run("retry", "corpus", "--reason", "glossary", *strong, "-q")[0] == 0
        assert len(server.requests) == 2
    assert kept(run) == {"ko": 4}


@pytest.mark.parametrize(
    ("text", "told"),
    [("wrong,columns\n", "lacks the columns source and target"), ("source,target\nriver,\n", "line 2: a term needs")],
)
def test_a_file_that_is_no_glossary_is_told_before_a_call(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "terms.csv").write_text(text)
    with LlmServer() as server:
        recipe = write_recipe(tmp_path, server, 2, translate={"glossary": "terms.csv"})
        code, _, err = run("run", recipe, "-q")
        assert (code, server.requests) == (2, [])
    assert told in err and "Traceback" not in err
