"""Source lint: what is taken out before it is paid for, and what only looks like it."""

import polars as pl
import pytest

from plugdata import rows
from plugdata.sources import lint


def frame(*texts: tuple[str, str, str], status: str = "kept") -> pl.DataFrame:
    columns = {name: [None] * len(texts) for name in rows.SOURCE}
    made = pl.DataFrame(columns, schema=rows.SOURCE).with_columns(
        pl.Series("instruction", [text[0] for text in texts]),
        pl.Series("input", [text[1] for text in texts]),
        pl.Series("response", [text[2] for text in texts]),
        status=pl.lit(status),
        reasons=pl.lit([], pl.List(pl.String)),
    )
    return rows.conform(made, rows.SOURCE)


def verdict(instruction: str, input: str = "", response: str = "A good answer.") -> str | None:
    row = lint.apply(frame((instruction, input, response))).row(0, named=True)
    assert (row["reason"] is None) == (row["status"] == "kept") == (row["detail"] is None)
    assert row["stage"] == (None if row["reason"] is None else "screen")
    return str(row["reason"]) if row["reason"] else None


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u200b", "\u00a0"])
def test_a_row_without_text_is_dropped(blank: str) -> None:
    assert verdict(blank) == "empty-instruction"
    assert verdict("Name a fruit.", response=blank) == "empty-response"


@pytest.mark.parametrize(
    ("instruction", "response"),
    [
        ("Write a poem.", "<noinput>"),
        ("Write a poem.", "No output."),
        ("Write a poem.", "N/A"),
        ("Write a poem.", "[None]"),
        ("Explain gravity.", "null"),
        ("Write a poem.", "TODO"),
        ("Write a poem.", "..."),
        ("Write a poem.", "…"),
        ("Write a poem.", "{output}"),
        ("Write a poem.", "[Insert your poem here]"),
        ("N/A", "A good answer."),
        ("<instruction>", "A good answer."),
    ],
)
def test_a_placeholder_is_dropped(instruction: str, response: str) -> None:
    assert verdict(instruction, response=response) == "placeholder"


def test_of_prompts_alone_no_response_is_judged() -> None:
    texts = frame(("Name a fruit.", "", ""), ("Name a fruit.", "", "N/A"), ("", "", ""), ("Name it.", "{input}", ""))
    reasons = lint.apply(texts, responses=False)["reason"].to_list()
    assert reasons == [None, None, "empty-instruction", "placeholder"]


@pytest.mark.parametrize(
    ("instruction", "input", "response"),
    [
        ("How many moons does Venus have?", "", "None."),
        ("Name the vowels in the word.", "rhythm", "None"),
        ("What does the function return?", "def f(): pass", "None"),
        ("Extract the author, or write N/A.", "An old letter.", "N/A"),
        ("Extract the author.", "Missing values are 'not applicable'.", "Not applicable"),
        ("What is 0/0 in JavaScript?", "", "NaN"),
        ("Translate 'everything' to Spanish.", "", "Todo"),
        ("Write S in Morse code.", "", "..."),
        ("Which HTML element shows a result?", "", "<output>"),
        ("Explain the HTML tag.", "<article>", "It holds an article."),
        ("What does the tag do?", "<div>", "It groups."),
        ("Which operator multiplies?", "", "*"),
        ("Is it true?", "", "No"),
        ("Cheer me up.", "", "😀"),
    ],
)
def test_a_short_true_answer_stays(instruction: str, input: str, response: str) -> None:
    assert verdict(instruction, input, response) is None


@pytest.mark.parametrize(
    ("instruction", "input"),
    [
        ("What is happening in this picture?", ""),
        ("Describe the image below.", ""),
        ("Identify the main object in the photo.", ""),
        ("Write a caption for the following photograph.", "IMG_2031.jpg"),
        ("Describe the following painting in ten words.", "https://example.org/art/dancer.jpg"),
        ("Transcribe the attached audio file.", ""),
        ("Summarize the attached document.", ""),
        ("Describe it.", "[image]"),
        ("<image>\nWhat is the man doing?", ""),
        ("What is in this photo?\n\nAnswer in one word.", ""),
        ("Suggest a better layout for the following website.", ""),
        ("Outline the main points of this article", "https://example.org/news/2020/reef-report"),
        ("Given a URL, explain the content of the web page.", "https://example.org/news/51010449"),
    ],
)
def test_a_row_about_media_that_is_not_there_is_dropped(instruction: str, input: str) -> None:
    assert verdict(instruction, input) == "needs-media"


@pytest.mark.parametrize(
    ("instruction", "input"),
    [
        ("Describe an image of a sunset.", ""),
        ("Generate an image caption.", ""),
        ("Write a caption for a photo of a dog. The dog in the photo is asleep.", ""),
        ("Create a reinterpretation of the following painting.", "Painting: The Starry Night"),
        ("Describe the following painting: The Night Watch.", ""),
        ("Who is the hero in the video game Zelda?", ""),
        ("Who wrote The Picture of Dorian Gray?", ""),
        ("Write an email that asks to review the attached report.", ""),
        ("How does image processing work?", ""),
        ("What makes a good website?", ""),
        ("Extract the domain of this URL.", "https://docs.example.org/document"),
        ("Turn this link into an HTML anchor.", "https://example.org/a/b"),
        ("Classify this website.", "https://www.example.org/"),
        ("Summarize this article.", "The reef has grown by a tenth since 2010, a survey finds."),
        ("Summarize this article: the reef has grown by a tenth since 2010.", ""),
        ("Summarize this article.\n\nThe reef has grown by a tenth since 2010, a survey finds.", ""),
        ("Explain the big picture.", ""),
        ("What does the SVG tag do?", "<image>"),
        ("Given a link, shorten it.", "https://example.org/a/very/long/path"),
    ],
)
def test_a_row_that_only_speaks_of_media_stays(instruction: str, input: str) -> None:
    assert verdict(instruction, input) is None


def test_all_reasons_are_kept_and_the_first_decides() -> None:
    row = lint.apply(frame(("", "[image]", ""))).row(0, named=True)
    assert row["reason"] == "empty-instruction"
    assert row["reasons"] == ["empty-instruction", "empty-response", "needs-media"]


def test_the_detail_quotes_what_was_found() -> None:
    found = lint.apply(frame(("Describe this photo.", "", "Nice."), ("Write a poem.", "", "N/A")))
    assert found["detail"].to_list() == ["asks about this photo, which the row does not hold", "response is only N/A"]


def test_rows_already_taken_out_and_all_other_columns_are_untouched() -> None:
    given = frame(("", "", ""), ("N/A", "", "x"), status="quarantined")
    assert lint.apply(given).equals(given)
    kept = frame(("Name a fruit.", "", "Apple."), ("", "", ""))
    assert (
        lint.apply(kept)
        .select("instruction", "input", "response")
        .equals(kept.select("instruction", "input", "response"))
    )
    assert lint.apply(kept).schema == kept.schema
