"""The route: which class a row is of, what is done with it, which spans stay, and the question to a model."""

import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from plugdata import rows
from plugdata.recipe import Route
from plugdata.translate import route
from plugdata.translate.protocols import parse_tags
from tests.labelled import Labelled, score
from tests.labelled import route as labelled

POLICIES = Route().policies

LABELLED = labelled()


def found(instruction: str, input: str = "", response: str = "A plain answer.") -> str | None:
    hit = route.classify(instruction, input, response)
    return hit.task_class if hit else None


def of(row: Labelled) -> str | None:
    return found(row.instruction, row.input, row.response)


# Floors a little below what `python -m benchmarks.route` prints: one row of a class held out is 20 %.
FLOORS: list[tuple[str | None, float, float]] = [
    ("code", 0.95, 0.95),
    ("translation", 0.95, 0.9),
    ("wordplay", 0.95, 0.95),
    ("letter-count", 0.95, 0.95),
    ("correction", 0.95, 0.9),
    ("pivot-language", 0.85, 0.8),
    ("media", 0.95, 0.9),
    ("fixed-labels", 0.95, 0.95),
    (None, 0.94, 0.97),
]


@pytest.mark.parametrize(("name", "precision", "recall"), FLOORS)
def test_each_class_is_found_among_the_labelled_rows(name: str | None, precision: float, recall: float) -> None:
    reached = score(LABELLED, of, [name])[name]
    assert reached.precision >= precision
    assert reached.recall >= recall


def test_nine_in_ten_rows_that_no_rule_was_written_for_are_right() -> None:
    held_out = [row for row in LABELLED if row.held_out]
    assert len(held_out) == 80
    assert sum(of(row) == row.task_class for row in held_out) >= 72


def test_the_labelled_set_has_every_class_and_as_many_ordinary_rows() -> None:
    assert {row.task_class for row in LABELLED} == {*route.CLASSES, None}
    assert all(sum(row.task_class == name for row in LABELLED) >= 20 for name in route.CLASSES)
    assert sum(row.task_class is None for row in LABELLED) * 2 == len(LABELLED)


@pytest.mark.parametrize(
    "instruction",
    [
        "Write a poem about autumn.",
        "Count the apples in the basket.",
        "How can we translate this idea into action?",
        "Translate your dreams into a plan.",
        "Correct me if I'm wrong: is Oslo in Norway?",
        "Why did poets give up rhyme?",
        "Explain the power of word of mouth.",
        "Write a letter to a friend.",
        "What is the link between smoking and cancer?",
        "Picture this: a house on a cliff. Describe it.",
        "Draw a conclusion from the data.",
        "Give five synonyms for 'happy'.",
        "What does resilience mean?",
        "Write a review of at most 50 words.",
        'Write a story that begins with the line "Correct the grammar of this sentence."',
        "Tell a story about a girl who must translate a letter into French.",
        "Compare Python and Java as first languages.",
        "Find three errors in the budget.",
    ],
)
def test_a_word_of_a_class_in_another_sense_leaves_a_row_ordinary(instruction: str) -> None:
    assert found(instruction) is None


@pytest.mark.parametrize(
    ("instruction", "input", "response", "task_class"),
    [
        ("Write a Python function that counts vowels.", "", "def f(s):\n    return len(s)", "code"),
        ("Fix the errors in the text.", "def f(:\n    return 1", "def f():\n    return 1", "code"),
        ("Translate the limerick into German.", "There was a young man", "Es war", "translation"),
        ("Write a limerick with a 5-letter word in each line.", "", "A baker", "wordplay"),
        ("Correct the grammar and list the words alphabetically.", "she go", "go, she", "letter-count"),
        ("Find the error: is the verb in the past tense or the present?", "", "present", "pivot-language"),
        ("Which of the following is a noun? A. run B. house", "", "B", "pivot-language"),
    ],
)
def test_the_first_class_in_the_order_of_precedence_counts(
    instruction: str, input: str, response: str, task_class: str
) -> None:
    assert found(instruction, input, response) == task_class


@pytest.mark.parametrize(
    ("response", "is_code"),
    [
        ("Here is how:\n```python\nprint(1)\n```\nIt prints 1.", True),
        ("SELECT name\nFROM users\nWHERE age > 30;", True),
        ("<p>Hello</p>\n<p>World</p>", True),
        ("```\n16 - 19: *\n20 - 23: **\n```", False),
        ("Solve 2x + 3 = 7:\n2x = 4\nx = 2", False),
        ("First (of all), wait.\nThen: go; stop;\nImport taxes are high.", False),
        ("Class was over.\nFor him, it was late.\nReturn tomorrow.", False),
        ("", False),
    ],
)
def test_a_response_of_code_makes_the_row_code_and_formulas_do_not(response: str, is_code: bool) -> None:
    assert (found("How would you do it?", "", response) == "code") is is_code


def test_a_foreign_word_is_known_by_the_answer() -> None:
    assert found("What does 'obrigado' mean?", "", "It is a Portuguese word for thank you.") == "translation"
    assert found("What does 'grateful' mean?", "", "It means thankful.") is None


def test_only_the_ends_of_a_long_instruction_are_asked() -> None:
    padding = "The wind blew over the hills. " * 40
    assert found(f"Summarise the text. {padding} Correct the grammar of the sentence. {padding}") is None
    assert found(f"Correct the grammar of the text. {padding}") == "correction"
    assert found(f"{padding}\nCorrect the grammar of this text.") == "correction"


@pytest.mark.parametrize(
    "piece", ["'a ", '"', "“", "write rhyme ", "the the ", "(", "\n", "```\n", "x = ", "how many a's ", ": a"]
)
def test_hostile_text_is_read_to_its_end(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    route.classify(text, text, text)
    for name in route.CLASSES:
        route.kept_spans(name, {"instruction": text, "input": text, "response": text})


# --- apply ---


BEFORE = {name: dtype for name, dtype in rows.SCREEN.items() if name not in ("task_class", "policy")}


def batch(*made: dict[str, Any]) -> pl.DataFrame:
    usual = dict.fromkeys(BEFORE) | {"status": "kept", "input": "", "response": "A plain answer."}
    return pl.DataFrame([usual | {"id": f"b2:{n}"} | row for n, row in enumerate(made)], schema=BEFORE)


RHYME = {"instruction": "Find a word that rhymes with 'cat'.", "response": "Hat."}
LABELS = {"instruction": "Is it true or false?", "input": "Fish swim.", "response": "True"}
PLAIN = {"instruction": "Name a fruit.", "response": "Apple."}
GONE = RHYME | {"status": "quarantined", "stage": "source", "reason": "bad-record", "detail": "not an object"}


def test_class_and_policy_stand_on_kept_rows_and_nothing_else_is_touched() -> None:
    given = batch(LABELS, GONE, PLAIN, RHYME)
    done = route.apply(given, {**POLICIES, "wordplay": "translate"}, "en")
    assert done["task_class"].to_list() == ["fixed-labels", None, None, "wordplay"]
    assert done["policy"].to_list() == ["translate", None, None, "translate"]
    assert done.schema["task_class"] == done.schema["policy"] == pl.String
    assert_frame_equal(done.drop("task_class", "policy"), given)


def test_a_kept_row_whose_policy_is_drop_is_dropped_with_the_reason_why() -> None:
    done = route.apply(batch(RHYME, PLAIN), POLICIES, "en-GB")
    row = done.row(0, named=True)
    verdict = {name: row[name] for name in rows.VERDICT}
    assert verdict == {
        "status": "dropped",
        "stage": "screen",
        "reason": "untranslatable",
        "reasons": ["untranslatable"],
        "detail": "wordplay: asks for a rhyme",
    }
    assert (row["task_class"], row["policy"]) == ("wordplay", "drop")
    assert done["status"].to_list() == ["dropped", "kept"]


def test_rows_in_another_language_than_english_are_ordinary() -> None:
    done = route.apply(batch(RHYME), POLICIES, "es")
    assert done.row(0, named=True)["task_class"] is None
    assert done["status"].to_list() == ["kept"]


def test_a_batch_without_rows_gets_the_columns() -> None:
    done = route.apply(batch(), POLICIES, "en")
    assert done.is_empty()
    assert done.schema == pl.Schema(BEFORE) | {"task_class": pl.String, "policy": pl.String}


def test_without_policies_every_row_is_ordinary() -> None:
    done = route.apply(batch(RHYME), {}, "en")
    assert done["task_class"].to_list() == [None]
    assert done["status"].to_list() == ["kept"]


def test_a_recipe_has_a_policy_for_every_class() -> None:
    assert set(Route().policies) == set(route.CLASSES)


# --- kept_spans: ⟪ ⟫ mark what stays ---


@pytest.mark.parametrize(
    ("task_class", "instruction", "input", "response"),
    [
        ("translation", "Translate '⟪good morning⟫' to Japanese.", "", "⟪おはようございます⟫"),
        ("translation", "Translate into Spanish: ⟪I don't know.⟫", "", "⟪No lo sé.⟫"),
        ("translation", "Translate this into Swahili.\n⟪The lake is deep.⟫", "", "⟪Ziwa ni refu.⟫"),
        ("translation", "Translate the sentence into Thai.", " ⟪I am home.⟫ ", "⟪ฉันอยู่บ้าน⟫\n"),
        (
            "translation",
            'Translate "⟪bon voyage⟫" into Spanish.',
            "",
            'In Spanish "⟪bon voyage⟫" can be translated as "⟪buen viaje⟫".',
        ),
        ("translation", "Translate the text into French.", "⟪He said yes.⟫", "⟪Il a dit « oui ».⟫"),
        ("translation", "What does the word '⟪hola⟫' mean?", "", "It means 'hello'; '⟪hola⟫' is Spanish."),
        ("translation", "Say it in Hindi.", "", '"⟪नमस्ते⟫"'),
        ("correction", "Correct the grammar.", "⟪She go home.⟫", "⟪She goes home.⟫"),
        ("correction", "Fix the sentence: ⟪He have won.⟫", "", "⟪He has won.⟫"),
        ("correction", "Find the error.", "⟪They was late.⟫", 'The verb is wrong: it should be "⟪were⟫".'),
        ("correction", "Punctuate it.", "⟪stop he said⟫", '⟪"Stop!" he said.⟫'),
        ("pivot-language", "What is the past tense of ⟪go⟫?", "", "⟪Went⟫"),
        ("pivot-language", "What is the plural of '⟪ox⟫'?", "", 'The plural is "⟪oxen⟫".'),
        ("pivot-language", "Name the tense of the sentence.", "⟪I ran.⟫", "Past tense"),
        ("pivot-language", "Sort the words: verbs, nouns.", "⟪run, cat⟫", "Verbs: run. Nouns: cat."),
        ("pivot-language", "Use the passive voice.", "⟪The dog bit the man.⟫", "⟪The man was bitten by the dog.⟫"),
        ("code", "Explain this code.", "for i in x:\n    print(i)", "It prints each item."),
        ("code", "Write a loop.", "", "```python\nfor i in x:\n    print(i)\n```"),
        ("wordplay", "Find a rhyme for 'cat'.", "", "hat"),
        ("fixed-labels", "True or false?", "Fish swim.", "True"),
    ],
)
def test_what_the_task_is_about_stays_and_its_frame_does_not(
    task_class: str, instruction: str, input: str, response: str
) -> None:
    marked = {"instruction": instruction, "input": input, "response": response}
    texts = {name: re.sub("[⟪⟫]", "", text) for name, text in marked.items()}
    kept = route.kept_spans(task_class, texts)
    shown = {}
    for name, text in texts.items():
        for start, end in reversed(kept.get(name, [])):
            text = f"{text[:start]}⟪{text[start:end]}⟫{text[end:]}"
        shown[name] = text
    assert shown == marked
    assert [] not in kept.values()


QUOTING = st.text(st.sampled_from("ab \n\"'“”«»「」`:.of?"), max_size=60)


@given(st.sampled_from(route.CLASSES), QUOTING, QUOTING, QUOTING)
def test_kept_spans_lie_in_order_apart_and_inside_their_text(
    task_class: str, instruction: str, input: str, response: str
) -> None:
    texts = {"instruction": instruction, "input": input, "response": response}
    for name, spans in route.kept_spans(task_class, texts).items():
        places = [place for span in spans for place in span]
        assert places == sorted(places)
        assert all(start < end <= len(texts[name]) for start, end in spans)


# --- the question to a model ---


def test_the_question_shows_each_text_once_in_its_tag_and_names_every_class() -> None:
    system, user = route.ask({"instruction": "Find a rhyme.", "input": "", "response": "So be it."}, "English")
    assert all(f"{name}:" in system for name in (*route.CLASSES, "none"))
    assert parse_tags(user, ("instruction", "response"), "") == {
        "instruction": "Find a rhyme.",
        "response": "So be it.",
    }


def test_a_long_text_is_cut_for_the_question_alone() -> None:
    texts = {"instruction": "Summarise.", "input": "a" * 9_000, "response": "b" * 1_500}
    _, user = route.ask(texts, "English")
    assert "a" * 1_500 + " […]" in user and "a" * 1_501 not in user
    assert "b" * 1_500 + "\n" in user
    assert len(texts["input"]) == 9_000


def test_a_text_that_holds_a_tag_cannot_close_its_own() -> None:
    _, user = route.ask({"instruction": "Explain </instruction>.", "input": "", "response": "A tag."}, "English")
    assert re.match(r"<instruction-[0-9a-f]{4}>\n", user)


@pytest.mark.parametrize("name", route.CLASSES)
def test_an_answer_that_is_a_class_is_read(name: str) -> None:
    assert route.parse(name) == name
    assert route.parse(f" **{name.capitalize()}**.\n") == name


@pytest.mark.parametrize("answer", ["none", "None.", "`none`\n"])
def test_none_is_an_ordinary_task(answer: str) -> None:
    assert route.parse(answer) is None


@pytest.mark.parametrize(
    "answer", ["", "codes", "code, media", "The class is code.", "letter count", "rhyme", "none of them", "código"]
)
def test_any_other_answer_is_unreadable(answer: str) -> None:
    assert route.parse(answer) == route.Unreadable(answer)
