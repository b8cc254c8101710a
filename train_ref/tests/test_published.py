"""A corpus is read from its files alone, and what it lacks is said in a line."""

import hashlib
import json
from pathlib import Path

import pytest

from published import Published, PublishedError, open_published


def test_configs_are_languages_and_their_other_layouts(published: Published) -> None:
    assert {"ko", "ko-mono", "sw", "sw-plug-target-first"} <= set(published.configs())
    assert published.configs() == sorted(published.configs())
    assert published.revision is None


def test_rows_come_in_the_order_of_the_files_and_are_named_by_their_hash(published: Published, dist: Path) -> None:
    ids = published.rows("ko")["id"][:]
    assert ids == sorted(ids) and len(ids) == 55
    assert len(published.rows("ko", "validation")) == 4
    name = "ko/train-00000-of-00001.parquet"
    assert published.sha256("ko") == {name: hashlib.sha256((dist / name).read_bytes()).hexdigest()}


def test_every_layout_of_a_language_has_the_same_ids(published: Published) -> None:
    for lang in ("ko", "sw"):
        of = {tuple(published.rows(name)["id"]) for name in published.configs() if name.split("-")[0] == lang}
        assert len(of) == 1


def test_each_published_answer_gives_its_parts_back(published: Published) -> None:
    for config in published.configs():
        for row in published.rows(config):
            layout = published.layout(row["template"], row["lang"])
            assert layout.name == row["layout"] and layout.pivot == row["pivot_lang"]
            system, user = (
                [turn["content"] for turn in row["messages"] if turn["role"] == role] for role in ("system", "user")
            )
            assert (system, user) == ([layout.system] if layout.system else [], [row[layout.user]])
            if layout.parts:
                parts = published.extract(row["messages"][-1]["content"], row["template"], row["lang"])
                assert parts == {column: row[column] for column in layout.parts}


PLUG = "English instruction:\nName a fruit.\n\nEnglish response:\nAn apple.\n\n한국어 응답:\n사과입니다."


@pytest.mark.parametrize(
    ("output", "response"),
    [
        (PLUG, "사과입니다."),
        ("Of course!\n\n" + PLUG + "\n\n", "사과입니다."),
        (PLUG.replace(":\n", ": "), "사과입니다."),
        (PLUG.replace("사과입니다.", "답은 한국어 응답: 사과입니다."), "답은 한국어 응답: 사과입니다."),
        (PLUG.replace("한국어 응답:", "한국어 답변:"), None),
        (PLUG + "\n\n한국어 응답:\n배입니다.", None),
        (PLUG.replace("English instruction:", " English instruction:"), None),
        ("\n\n".join(reversed(PLUG.split("\n\n"))), None),
        ("사과입니다.", None),
    ],
)
def test_a_target_response_is_what_stands_below_its_label(
    published: Published, output: str, response: str | None
) -> None:
    parts = published.extract(output, "plug-v1", "ko")
    assert (parts and parts["response"]) == response


def test_an_answer_without_labels_is_its_only_part(published: Published) -> None:
    assert published.extract(" 사과입니다.\n", "mono-v1", "ko") == {"response": "사과입니다."}


def test_what_a_corpus_lacks_is_said_with_what_it_has(published: Published, dist: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match=r"no config 'fr'; it has ko, ko-code-switch"):
        published.rows("fr")
    with pytest.raises(PublishedError, match=r"config 'ko' has no split 'test'; it has train, validation"):
        published.rows("ko", "test")
    with pytest.raises(PublishedError, match=r"lacks 'plug-v9'; it has plug-v1"):
        published.extract("", "plug-v9", "ko")
    with pytest.raises(PublishedError, match=r"no 'fr' for 'plug-v1'"):
        published.extract("", "plug-v1", "fr")
    with pytest.raises(PublishedError, match=r"has no layouts.json"):
        open_published(tmp_path)
    (tmp_path / "layouts.json").write_text(json.dumps({}))
    with pytest.raises(PublishedError, match=r"has no CONFIG/SPLIT-\*.parquet"):
        open_published(tmp_path)
    with pytest.raises(PublishedError, match="a revision"):
        open_published(dist, "main")


@pytest.mark.parametrize("where", ["no/where", "a/b/c"])
def test_a_name_that_is_neither_a_folder_nor_on_the_hub_is_told_as_such(where: str) -> None:
    with pytest.raises(PublishedError, match=f"'{where}' is no folder here, and the Hub does not give it"):
        open_published(where)
