"""Topics of instructions, an even choice over them, and what it does to their diversity."""

import random
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import rows
from plugdata.corpus import Corpus
from plugdata.errors import InputError
from plugdata.recipe import Recipe
from plugdata.recipe.natural import Diversify
from plugdata.stages import diversity as stage
from plugdata.xinstruct import clusters, diversity, embed, news, sampling, verbs
from tests.test_embeddings import Server

TOPICS = {
    "en": [
        "cassava harvest soil irrigation drought fertiliser weeds plough",
        "malaria fever mosquito vaccine clinic quinine infection bednet",
        "football goalkeeper penalty stadium referee league trophy striker",
        "orchestra violin melody rhythm symphony conductor choir harp",
        "mortgage savings interest inflation budget deposit credit pension",
        "telescope galaxy comet planet eclipse asteroid astronaut nebula",
    ],
    "zh": [
        "木薯 收成 土壤 灌溉 干旱 肥料 杂草 犁地",
        "疟疾 发烧 蚊子 疫苗 诊所 奎宁 感染 蚊帐",
        "足球 门将 点球 球场 裁判 联赛 奖杯 前锋",
        "乐团 提琴 旋律 节奏 交响 指挥 合唱 竖琴",
        "房贷 储蓄 利息 通胀 预算 存款 信用 养老",
        "望远镜 银河 彗星 行星 日食 小行星 宇航员 星云",
    ],
}
TEMPLATES = {
    "en": [
        "Write a short guide to {0}, {1} and {2}.",
        "Explain how {0} and {1} depend on {2}.",
        "What should a family know about {0}, {1} or {2}?",
        "List five facts about {0}, {1} and {2}.",
        "Compare {0} with {1} and say what {2} has to do with it.",
    ],
    "zh": ["请写一篇关于{0}、{1}和{2}的短文。", "{0}、{1}与{2}之间有什么联系？", "为初学者介绍{0}、{1}以及{2}。"],
}


def planted(n: int, pivot: str = "en", seed: int = 1) -> list[tuple[int, str]]:
    """Instructions with their topic; the first topic has half of them."""
    rng = random.Random(seed)
    weights = [5, 1, 1, 1, 1, 1]
    made = []
    for topic in rng.choices(range(6), weights, k=n):
        words = rng.sample(TOPICS[pivot][topic].split(), 3)
        made.append((topic, rng.choice(TEMPLATES[pivot]).format(*words)))
    return made


def rated(instructions: Iterable[str | None], **columns: Sequence[Any]) -> pl.DataFrame:
    """Rows as `rate` leaves them, sorted by id. One without an instruction was dropped before."""
    texts = list(instructions)
    kept = [text is not None for text in texts]
    given = {
        "id": [rows.row_id("", "", f"passage {at}") for at in range(len(texts))],
        "ordinal": range(len(texts)),
        "instruction": texts,
        "status": ["kept" if is_kept else "dropped" for is_kept in kept],
        "stage": [None if is_kept else "rate" for is_kept in kept],
        "reason": [None if is_kept else "rating" for is_kept in kept],
        **columns,
    }
    frame = pl.DataFrame(
        {name: pl.Series(name, list(given.get(name, [None] * len(texts))), dtype) for name, dtype in rows.RATE.items()}
    )
    return frame.sort("id")


def recipe(corpus: Path, pivot: str = "en", **settings: Any) -> Recipe:
    diversify = None if settings.get("off") else settings
    return Recipe.model_validate(
        {
            "kind": "x-instruction",
            "corpus": corpus,
            "pivot": pivot,
            "texts": [{"lang": "sw", "path": "texts.jsonl"}],
            "languages": ["sw"],
            "diversify": diversify,
        }
    )


def run(folder: Path, frame: pl.DataFrame, of: Recipe) -> tuple[pl.DataFrame, dict[str, float]]:
    """The stage's rows, which are those it was given, and its measurements."""
    corpus = Corpus(folder)
    given = corpus.write("rate", "sw", frame.iter_slices(300), rows.RATE)
    (step,) = stage.diversified(corpus, of, lambda line: None)
    corpus.write("diversify", "sw", step.frames(), step.contract, given.census)
    return corpus.rows("diversify", "sw"), dict(step.fitted())


def purity(topics: Sequence[object], truth: Sequence[object]) -> float:
    of = Counter(zip(topics, truth, strict=True))
    return sum(max(n for (t, _), n in of.items() if t == topic) for topic in set(topics)) / len(truth)


# --- topics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pivot", ["en", "zh"])
def test_planted_topics_are_found(tmp_path: Path, pivot: str) -> None:
    made = planted(1_500, pivot)
    frame = rated([text for _, text in made], source_id=[str(topic) for topic, _ in made])
    found, _ = run(tmp_path, frame, recipe(tmp_path, pivot))
    assert purity(found["topic"].to_list(), found["source_id"].to_list()) >= 0.9
    assert found["status"].to_list() == ["kept"] * 1_500


def test_topics_are_numbered_by_size(tmp_path: Path) -> None:
    found, _ = run(tmp_path, rated(text for _, text in planted(600)), recipe(tmp_path, clusters=6))
    sizes = found["topic"].value_counts().sort("topic")["count"].to_list()
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 6
    assert found["topic"].max() == 5


def test_fewer_clusters_than_topics_part_no_topic(tmp_path: Path) -> None:
    made = planted(900)
    frame = rated([text for _, text in made], source_id=[str(topic) for topic, _ in made])
    found, _ = run(tmp_path, frame, recipe(tmp_path, clusters=3))
    assert purity(found["source_id"].to_list(), found["topic"].to_list()) >= 0.9


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("text", ["Write a poem.", "Number {}.", "…", "", "写", "x{}"])
def test_few_or_equal_or_empty_instructions_are_no_fault(tmp_path: Path, n: int, text: str) -> None:
    frame = rated(text.format("abcdefghi"[at]) for at in range(n))
    found, measured = run(tmp_path, frame, recipe(tmp_path, clusters=5, rows=2))
    assert (found["status"] == "kept").sum() == min(n, 2)
    assert found["topic"].null_count() == 0
    assert all(np.isfinite(number) for number in measured.values())


def test_the_default_number_of_clusters_grows_with_the_root_of_the_rows_within_bounds() -> None:
    assert [clusters.default_clusters(n) for n in (0, 1, 8, 200, 100_000, 10**7)] == [2, 2, 2, 10, 223, 1_000]


def test_vectors_on_disk_and_in_memory_give_the_same_clusters(tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).normal(size=(500, 20)).astype(np.float32)
    vectors.tofile(tmp_path / "vectors")
    on_disk = np.memmap(tmp_path / "vectors", np.float32, "r", shape=(500, 20))
    assert clusters.grouped(on_disk, 12, 1).tolist() == clusters.grouped(vectors, 12, 1).tolist()


# --- the choice ------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 200))
def test_quotas_are_as_even_as_the_sizes_allow(sizes: list[int], n: int) -> None:
    taken = sampling.quotas(sizes, n)
    assert sum(taken) == min(n, sum(sizes))
    for size, of in zip(sizes, taken, strict=True):
        assert of == size or of >= max(taken) - 1
        assert 0 <= of <= size


def test_as_many_rows_as_asked_for_are_kept_with_equal_quotas(tmp_path: Path) -> None:
    frame = rated(text for _, text in planted(900))
    found, measured = run(tmp_path, frame, recipe(tmp_path, clusters=6, rows=120))
    kept = found.filter(rows.kept())
    assert kept.height == 120
    assert kept["topic"].value_counts()["count"].to_list() == [20] * 6
    out = found.filter(~rows.kept())
    assert set(out["reason"]) == {"quota"} and set(out["stage"]) == {"diversify"}
    assert out["detail"].str.contains(r"^topic \d: 20 of \d+ rows are taken$").all()
    assert measured["rows_before"] == 900 and measured["rows_after"] == 120
    assert measured["largest_cluster_share_before"] > 0.25 > 0.17 > measured["largest_cluster_share_after"]
    assert measured["topic_entropy_bits_after"] == pytest.approx(np.log2(6), abs=1e-4)


def test_the_better_rated_are_taken_first_and_the_unrated_last() -> None:
    frame = pl.DataFrame({"id": list("abcdefgh"), "topic": [0] * 8, "rating": [3, 5, None, 4, 5, 3, None, 4]})
    for n, least in ((2, 5), (4, 4), (6, 3)):
        taken = frame.filter(sampling.chosen(frame, n, 1))["rating"]
        assert taken.len() == n and taken.null_count() == 0 and taken.min() == least


def test_the_seed_decides_among_equals() -> None:
    frame = pl.DataFrame({"id": [str(at) for at in range(99)], "topic": [0] * 99, "rating": [5] * 99})
    taken = [tuple(frame.filter(sampling.chosen(frame, 9, seed))["id"]) for seed in (1, 1, 2)]
    assert taken[0] == taken[1] != taken[2]


def test_without_rows_nothing_is_dropped_but_news(tmp_path: Path) -> None:
    texts = [text for _, text in planted(300)] + [f"Write a news article about road {at}." for at in range(300)]
    found, measured = run(tmp_path, rated(texts), recipe(tmp_path, news=0.2))
    assert Counter(found["reason"]) == {None: 420, "news": 180}
    assert found.filter(rows.kept())["is_news"].sum() == 120 == measured["news_after"]
    assert found.filter(reason="news")["is_news"].all()
    assert set(found.filter(reason="news")["detail"]) == {"300 of 600 rows are about news, 120 are taken"}


@pytest.mark.parametrize(("news", "kept"), [(0.0, 0), (0.25, 25), (1.0, 100), (None, 100)])
def test_news_is_a_share_of_the_rows_that_are_wanted(tmp_path: Path, news: float | None, kept: int) -> None:
    frame = rated(f"Write a headline about {at} goats." for at in range(400))
    found, _ = run(tmp_path, frame, recipe(tmp_path, rows=100, news=news))
    assert (found["status"] == "kept").sum() == kept


def test_of_a_pivot_other_than_english_nobody_knows_what_is_news(tmp_path: Path) -> None:
    frame = rated(["写一条新闻标题。", "Write a headline."] * 20)
    found, measured = run(tmp_path, frame, recipe(tmp_path, "zh", news=0.0))
    assert found["is_news"].null_count() == 40 and (found["status"] == "kept").all()
    assert "news_before" not in measured


def test_rows_that_were_not_kept_stay_as_they_are(tmp_path: Path) -> None:
    texts = [text if at % 3 else None for at, (_, text) in enumerate(planted(90))]
    frame = rated(texts)
    found, measured = run(tmp_path, frame, recipe(tmp_path, rows=10))
    before, after = (of.filter(pl.col("instruction").is_null()).select(*rows.RATE) for of in (frame, found))
    assert before.equals(after)
    assert found.filter(stage="rate")["topic"].null_count() == found.filter(stage="rate").height == 30
    assert measured["rows_before"] == 60
    assert found["id"].equals(frame["id"])


def test_without_the_block_nothing_is_asked_and_nothing_dropped(tmp_path: Path) -> None:
    frame = rated(["Write a headline."] * 5)
    found, measured = run(tmp_path, frame, recipe(tmp_path, off=True))
    assert found.drop("topic", "is_news").equals(frame)
    assert found["topic"].null_count() == found["is_news"].null_count() == 5
    assert measured == {}


def test_the_same_rows_come_of_another_run_and_of_another_order(tmp_path: Path) -> None:
    frame = rated(text for _, text in planted(800))
    of = recipe(tmp_path, rows=90)
    first, again, shuffled = (
        run(tmp_path, given, of)[0] for given in (frame, frame, frame.sample(fraction=1, shuffle=True, seed=4))
    )
    assert first.equals(again)
    assert first.equals(shuffled.sort("id"))
    assert not first.equals(run(tmp_path, frame, recipe(tmp_path, rows=90, seed=1))[0])


# --- how diverse -----------------------------------------------------------------------------------------------------


def test_overlap_is_1_of_equal_texts_and_0_of_texts_without_a_common_gram() -> None:
    assert diversity.self_overlap(pl.Series(["Write a poem."] * 4)) == pytest.approx(1)
    assert diversity.self_overlap(pl.Series(["abcabc", "xyzxyz"])) == 0
    assert diversity.self_overlap(pl.Series(["ab", "一二三"])) == 0
    assert diversity.self_overlap(pl.Series(["alone"])) == diversity.self_overlap(pl.Series([], dtype=pl.String)) == 0


def test_overlap_is_the_mean_of_each_texts_nearest() -> None:
    # padded by a space: " ab", "abc", "bc " against " ab", "abd", "bd ": 1 of 5; the third has none
    assert diversity.self_overlap(pl.Series(["abc", "abd", "xyz"])) == pytest.approx((0.2 + 0.2 + 0) / 3)


def test_an_even_choice_is_more_diverse(tmp_path: Path) -> None:
    same = [f"Write a news report on match {at}." for at in range(500)]
    frame = rated([*same, *(text for _, text in planted(500))])
    _, measured = run(tmp_path, frame, recipe(tmp_path, rows=100, news=None))
    assert measured["self_overlap_after"] < measured["self_overlap_before"]
    assert measured["topic_entropy_bits_after"] > measured["topic_entropy_bits_before"]
    assert measured["clusters_used_after"] <= measured["clusters_used_before"] == measured["clusters"]


NEWS = """
Write a news article about the flood in the valley.
Write a headline for this report.
Create a short news story on the election results.
Draft a press release about the opening of the school.
Act as a journalist and describe the accident.
Summarize the latest news about the strike.
Write a newspaper article about the new bridge.
Provide a breaking news update about the storm.
Report on the latest decision of the parliament.
Write a short article reporting that the president has resigned.
What are the news headlines on the drought?
Compose a sports news report about the final.
Write a paragraph as a news reporter from the capital.
Write a report on the results of the match.
"""
NO_NEWS = """
Write an article about how to grow tomatoes.
Write a lab report on the experiment.
Explain how a newsletter is made.
Tell a friend the story of your wedding.
Write an encyclopedia article about the lion.
Describe the history of the railway.
Give a report of your progress in mathematics.
Write a blog post about renewing a passport.
How is coffee brewed?
Write a biography of the painter.
"""


@pytest.mark.parametrize(("texts", "expected"), [(NEWS, True), (NO_NEWS, False)], ids=["news", "none"])
def test_news_is_told_by_words_of_the_instruction(texts: str, expected: bool) -> None:
    lines = pl.Series(texts.strip().splitlines())
    assert lines.filter(news.is_news(lines, "en") != expected).to_list() == []


VERB_NOUNS = [
    ("Write a short news article about the flood.", ("write", "article")),
    ("List three reasons why people move to the city.", ("list", "reason")),
    ("Please give me an overview of the history of Finland.", ("give", "overview")),
    ("Could you please explain the difference between frogs and toads?", ("explain", "difference")),
    ("Summarize the following text in two sentences.", ("summarize", "text")),
    ("Describe the city’s oldest churches and bridges.", ("describe", "church")),
    ("Provide 5 cooking tips for beginners.", ("provide", "tip")),
    ("Your task is to compose a farewell speech.", ("compose", "speech")),
    ('Name the "Big Five".', ("name", "five")),
    ("Suggest some activities.", ("suggest", "activity")),
    ("Generate a hypothetical thought experiment", ("generate", "experiment")),
    ("Explain how plants drink.", None),
    ("What is a comet?", None),
    ("The president has resigned.", None),
    ("写一篇文章。", None),
    ("", None),
    ("Write", None),
    ("write " * 100_000, None),
    ("please " * 100_000, None),
]


@pytest.mark.parametrize(("instruction", "expected"), VERB_NOUNS, ids=[text[:30] for text, _ in VERB_NOUNS])
def test_an_imperatives_verb_and_object_are_found(instruction: str, expected: tuple[str, str] | None) -> None:
    assert verbs.verb_noun(instruction) == expected


def test_verbs_and_nouns_are_counted_the_most_frequent_first() -> None:
    texts = ["Write a poem.", "List two facts.", "Write poems about rain.", "How?"]
    assert verbs.verb_nouns(texts) == [("write", "poem", 2), ("list", "fact", 1)]


def test_the_table_shows_what_was_asked_before_and_after(tmp_path: Path) -> None:
    frame = rated([*(f"Write a headline about {at} goats." for at in range(60)), *["List two facts."] * 20, None])
    of = recipe(tmp_path, news=0.25)
    run(tmp_path, frame, of)
    assert stage.table(Corpus(tmp_path), of, "sw") == [("write", "headline", 60, 20), ("list", "fact", 20, 20)]
    assert stage.table(Corpus(tmp_path), recipe(tmp_path, "zh"), "sw") == []


# --- embedders -------------------------------------------------------------------------------------------------------


def test_an_endpoints_embeddings_are_paid_once_and_cluster_as_they_lie(tmp_path: Path) -> None:
    frame = rated(["short", "a" * 200] * 30 + [f"text {at}" for at in range(20)])
    with Server() as server:
        of = recipe(tmp_path, embedder="openai", model={"model": "e5", "base_url": server.url}, clusters=2)
        stage.check_embedder(of)
        found, _ = run(tmp_path, frame, of)
        again, _ = run(tmp_path, frame, of)
    assert found.equals(again)
    assert sorted(text for call in server.asked for text in call) == sorted(set(frame["instruction"]))
    assert not (tmp_path / "ledger.sqlite").exists()
    topic = {text: set(found.filter(instruction=text)["topic"]) for text in ("short", "a" * 200)}
    assert all(len(topics) == 1 for topics in topic.values())


def test_where_an_endpoint_is_does_not_matter_but_what_answers_there(tmp_path: Path) -> None:
    def settings(**model: Any) -> Any:
        of = recipe(tmp_path, embedder="openai", model={"model": "e5", **model})
        return stage.diversified(Corpus(tmp_path), of, print)[0].settings

    assert settings() == settings(base_url="http://127.0.0.1:1/v1", price="free", timeout_s=3)
    assert settings() != settings(served_as="e5-large")
    assert settings() != settings(params={"dimensions": 256})


def test_what_an_endpoint_needs_is_asked_for_before_a_call(tmp_path: Path) -> None:
    of = recipe(tmp_path, embedder="openai", model={"model": "e5", "base_url": "https://example.org/v1"})
    with pytest.raises(InputError, match=r"diversify\.model: 'e5' at example\.org: no price"):
        stage.check_embedder(of)


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed")
def test_sentence_transformers_is_asked_for_before_a_call() -> None:
    with pytest.raises(InputError, match="pip install sentence-transformers"):
        embed.check(Diversify(embedder="sentence-transformers", model="intfloat/multilingual-e5-small"))


_CHECK = """
import sys
sys.path[:0] = sys.argv[1:]
from plugdata.errors import InputError
from plugdata.recipe.natural import Diversify
from plugdata.xinstruct import embed, clusters, diversity, sampling
try:
    embed.check(Diversify())
except InputError as error:
    print(error)
"""


def test_without_scikit_learn_one_line_says_what_to_install(tmp_path: Path) -> None:
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():  # the environment of this test, less one package
            if not entry.name.startswith(("sklearn", "scikit_learn")) and not (tmp_path / entry.name).exists():
                (tmp_path / entry.name).symlink_to(entry)
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", _CHECK, str(tmp_path), root]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ['diversify wants scikit-learn: pip install "plugdata[diversify]"']
