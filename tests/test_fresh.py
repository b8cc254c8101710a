"""Filters of what is new in a target: what they drop, and the right rows in many scripts that they keep."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import rows
from plugdata.checks import lid, numbers, refusal, repeats, templates, words
from plugdata.checks.equal import equal
from plugdata.checks.shared import shared
from plugdata.curate import filters
from plugdata.recipe import Filter

ASK = "Tell me in two or three sentences what the ferry is like in winter."
ANSWER = (
    "The ferry leaves the harbour at seven every morning and comes back after dark. In winter the sea is rough, so the "
    "captain sometimes waits until the wind has dropped. Passengers drink tea below and watch the lights of the town."
)
RIGHT = {
    "es": (
        "Cuéntame en dos o tres frases cómo es el transbordador en invierno.",
        "El transbordador sale del puerto a las siete cada mañana y vuelve de noche. En invierno el mar está agitado, "
        "así que el capitán espera a veces hasta que amaina el viento. Los pasajeros toman té abajo y miran las luces "
        "del pueblo.",
    ),
    "ko": (
        "겨울의 연락선이 어떤지 두세 문장으로 말해 주세요.",
        "연락선은 매일 아침 일곱 시에 항구를 떠나 어두워진 뒤에 돌아옵니다. 겨울에는 바다가 거칠어서 선장은 때때로 "
        "바람이 잦아들 때까지 기다립니다. 승객들은 아래층에서 차를 마시며 마을의 불빛을 바라봅니다.",
    ),
    "zh": (
        "请用两三句话告诉我冬天的渡轮是什么样的。",
        "渡轮每天早上七点离开港口，天黑以后才回来。冬天海浪很大，所以船长有时会等到风小了再出发。"
        "乘客们在下面喝茶，看着镇上的灯火。",
    ),
    "th": (
        "เล่าให้ฟังสองสามประโยคว่าเรือข้ามฟากในฤดูหนาวเป็นอย่างไร",
        "เรือข้ามฟากออกจากท่าเวลาเจ็ดโมงเช้าทุกวันและกลับมาหลังค่ำ ในฤดูหนาวทะเลมีคลื่นแรง กัปตันจึงรอจนกว่าลมจะสงบเป็นบางครั้ง "
        "ผู้โดยสารดื่มชาอยู่ข้างล่างและมองดูแสงไฟของเมือง",
    ),
    "ar": (
        "صف لي في جملتين أو ثلاث كيف تكون العبّارة في الشتاء.",
        "تغادر العبّارة الميناء في السابعة من كل صباح وتعود بعد حلول الظلام. في الشتاء يكون البحر هائجًا، لذلك ينتظر "
        "القبطان أحيانًا حتى تهدأ الريح. يشرب الركاب الشاي في الأسفل ويشاهدون أضواء البلدة.",
    ),
    "hi": (
        "दो या तीन वाक्यों में बताइए कि सर्दियों में नौका कैसी होती है।",
        "नौका हर सुबह सात बजे बंदरगाह से निकलती है और अँधेरा होने के बाद लौटती है। सर्दियों में समुद्र अशांत रहता है, इसलिए कप्तान "
        "कभी-कभी हवा के थमने तक रुकता है। यात्री नीचे चाय पीते हैं और शहर की रोशनियाँ देखते हैं।",
    ),
    "sw": (
        "Niambie kwa sentensi mbili au tatu jinsi kivuko kilivyo wakati wa baridi.",
        "Kivuko huondoka bandarini saa moja kila asubuhi na kurudi baada ya giza kuingia. Wakati wa baridi bahari "
        "huchafuka, kwa hiyo nahodha wakati mwingine husubiri hadi upepo utulie. Abiria hunywa chai chini na kutazama "
        "taa za mji.",
    ),
}


@pytest.fixture(scope="module")
def model(lid_model_path: Path) -> lid.Model:
    return lid.load(lid_model_path)


def verdict(model: lid.Model, lang: str, settings: Filter | None = None, **texts: str) -> dict[str, Any]:
    """The row of a right pair with some texts in place of its own, measured and judged."""
    instruction, response = RIGHT[lang]
    row: dict[str, Any] = dict.fromkeys(rows.PAIR) | {"id": "b2:0", "lang": lang, "pivot_lang": "en", "status": "kept"}
    row |= {"pivot_instruction": ASK, "pivot_response": ANSWER, "instruction": instruction, "response": response}
    measured = filters.measure(pl.DataFrame([row | texts], schema=rows.PAIR), model)
    settings = settings or Filter()
    return filters.decide(measured, settings, filters.fit(measured.lazy(), settings, "en", lang)).row(0, named=True)


@pytest.mark.parametrize("lang", RIGHT)
def test_a_right_row_is_kept(model: lid.Model, lang: str) -> None:
    row = verdict(model, lang)
    assert (row["status"], row["detail"]) == ("kept", None)
    assert row["refusal_response"] is row["template_response"] is None and row["equal"] is False and row["pii"] == []
    assert (row["repeated_response"], row["repeated_lines_response"], row["run_response"]) == (0.0, 0.0, 0)


@pytest.mark.parametrize("lang", RIGHT)
def test_a_response_that_says_its_first_sentence_again_and_again_is_dropped(model: lid.Model, lang: str) -> None:
    first = RIGHT[lang][1][: len(RIGHT[lang][1]) // 3]
    row = verdict(model, lang, response="\n".join([first] * 4))
    assert "repetition" in row["reasons"]
    assert row["repeated_response"] > 0.6 and row["repeated_lines_response"] == 0.75


@pytest.mark.parametrize("lang", RIGHT)
def test_a_refrain_that_the_pivot_has_too_is_no_fault(model: lid.Model, lang: str) -> None:
    response = RIGHT[lang][1]
    row = verdict(model, lang, pivot_response=f"{ANSWER}\n{ANSWER}\n{ANSWER}", response=f"{response}\n" * 3)
    assert row["status"] == "kept"


@pytest.mark.parametrize(
    ("lang", "phrase"),
    [
        ("es", "Como modelo de lenguaje, no puedo ayudar con eso. "),
        ("ko", "죄송하지만 저는 AI 언어 모델입니다. "),
        ("sw", "I'm sorry, but I cannot assist with that. "),
    ],
)
def test_a_refusal_is_dropped_where_the_pivot_does_not_decline(model: lid.Model, lang: str, phrase: str) -> None:
    row = verdict(model, lang, response=phrase + RIGHT[lang][1])
    assert "refusal" in row["reasons"]
    source = "I'm sorry, but as an AI language model I cannot do that. " + ANSWER
    kept = verdict(model, lang, pivot_response=source, response=phrase + RIGHT[lang][1])
    assert kept["refusal_response"] is None


def test_words_of_the_pivot_between_those_of_the_target_are_dropped(model: lid.Model) -> None:
    ours, theirs = ANSWER.split(), RIGHT["es"][1].split()
    mixed = " ".join(theirs[at] if at % 3 == 0 else word for at, word in enumerate(ours))
    row = verdict(model, "es", response=mixed)
    assert "copying" in row["reasons"] and row["copied_response"] > 0.5
    assert "copying" not in (verdict(model, "es", response=mixed, policy="keep-span")["reasons"] or [])


@pytest.mark.parametrize(
    ("response", "detail"),
    [("★彡" * 60, "new symbols in response"), ("사과 12345678901234567890 배 " * 3, "new digits in response")],
)
def test_symbols_and_digits_beyond_the_pivots_are_dropped(model: lid.Model, response: str, detail: str) -> None:
    only = Filter.model_validate({"repetition": {"ngrams": None, "lines": None, "run": None, "compression": None}})
    row = verdict(model, "ko", only, response=response)
    assert "symbols" in row["reasons"]
    table = "1984 2001 2010 2020 1999 1945 1789 1066"
    assert verdict(model, "ko", pivot_response=table, response=table)["digits_response"] == 0.0
    assert row["symbols_response"] > 0.3 if "symbols" in detail else row["digits_response"] > 0.2


@pytest.mark.parametrize(
    ("leak", "found"),
    [
        ("<response>", "<response>"),
        ("⟦3⟧", "⟦3⟧"),
        ("### Response:", "### Response:"),
        ("Target language: Spanish (es)", "Target language:"),
        ("<|im_end|>", "<|im_end|>"),
        ("[/INST]", "[/INST]"),
        ("{input}", "{input}"),
        ("Here is the translation", "Here is the translation"),
        ("Translation to Spanish:", "Translation to Spanish:"),
    ],
)
def test_what_leaked_from_a_template_is_dropped_unless_the_pivot_has_it(
    model: lid.Model, leak: str, found: str
) -> None:
    leaking = f"{leak}\n{RIGHT['es'][1]}"
    row = verdict(model, "es", response=leaking)
    assert "template" in row["reasons"] and row["template_response"] == found
    assert verdict(model, "es", pivot_response=f"{leak}\n{ANSWER}", response=leaking)["template_response"] is None
    assert verdict(model, "es", Filter.model_validate({"template": {"action": "measure"}}), response=leaking)[
        "reasons"
    ] in (None, ["lid"])


@pytest.mark.parametrize(
    "text",
    [
        "Use <b>bold</b> and <input type='text'> in a form.",
        "# Winter\n## The ferry\nIt leaves at seven.",
        "Her target language is Korean; the translation took a year.",
        "A set {1, 2} and a dict {'key': 'value'}.",
        "a << b, x < y > z",
    ],
)
def test_ordinary_marks_are_no_template(text: str) -> None:
    assert templates.leaked("", text) is None


def test_every_leak_has_a_clue() -> None:
    leaks = ["⟦0⟧", "</instruction-0a1b>", "## Output", "{{prompt}}", "<|user|>", "[INST]", "<<SYS>>", "<s>"]
    leaks += ["source language: x", "Here's the translated text", "translated text into Thai:"]
    for leak in leaks:
        assert templates.leaked("", leak)
        assert any(clue.lower() in leak.lower() for clue in templates.CLUES)


def test_a_response_that_gives_its_instruction_back_is_dropped_unless_the_pivots_does() -> None:
    wrong, right = "He go to the market every days.", "He goes to the market every day."
    task, done = "Corrige esta frase:\n\nVa al mercado todos los días.", "Va al mercado todos los días."
    assert equal(f"Correct this sentence:\n\n{wrong}", right, task, done)
    assert equal("Say hello in a long way.", "Good morning to you all.", done, done)
    assert not equal(f"Repeat:\n\n{right}", right, task, done)
    assert not equal(f"Correct this sentence:\n\n{wrong}", right, task, "Va al mercado cada día.")
    assert not equal("Yes or no?\n\nYes", "No", "¿Sí o no?\n\nNo", "No")


def test_an_equal_row_is_told(model: lid.Model) -> None:
    text = RIGHT["es"][0]
    assert "equal" in verdict(model, "es", response=text)["reasons"]


@pytest.mark.parametrize("blank", ["", " \n", "\u200b\u200b\u200b", "\u3164\u2800"])
def test_a_field_in_which_nothing_is_to_be_seen_is_too_short(model: lid.Model, blank: str) -> None:
    row = verdict(model, "ko", response=blank)
    assert "length" in row["reasons"]
    anything = Filter.model_validate({"length": {"min_chars": 0}})
    assert "length" not in (verdict(model, "ko", anything, response=blank)["reasons"] or [])


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("The ferry leaves at 7.", 4),
        ("El niño comió.", 3),
        ("渡轮离开港口。", 6),
        ("연락선은 항구를 떠난다.", 3),
        ("नौका हर सुबह निकलती है", 5),
        ("تغادر العبّارة الميناء", 3),
        ("เรือออก", 6),
        ("iPhone と Android", 3),
        ("42 !?", 0),
    ],
)
def test_words_are_runs_of_letters_and_letters_of_scripts_without_spaces(text: str, n: int) -> None:
    assert words.n_words(pl.Series([text]))[0] == n


def test_words_are_bounded_in_words(model: lid.Model) -> None:
    row = verdict(model, "ko", Filter.model_validate({"length": {"max_words": 10}}))
    n = row["n_words_response"]
    assert row["detail"] == f"{n} > 10 words in response" and n > 10
    assert verdict(model, "ko", Filter.model_validate({"length": {"min_words": 10}}))["detail"].endswith(
        "< 10 words in instruction"
    )


TEXTS = st.text(st.sampled_from("ab 가漢ก ह.\n#<{🙂"), max_size=200)


SPOKEN = ("es", "de", "tr", "ru", "el", "ko", "zh", "ar", "hi", "th", "sw", "en")
ODD = [
    "İ",
    "ı",
    "ß",
    "ẞ",
    "ﬁ",
    "ſ",
    "K",
    "’",
    "`",
    ",",
    "،",
    "\u0307",
    "\u3000",
    "\x1c",
    "\n",
    "  ",
    "x" * 250,
    "Σ",
    "ς",
]


@given(st.data())
def test_whole_columns_miss_no_refusal_however_it_is_written(data: st.DataObject) -> None:
    lang = data.draw(st.sampled_from(SPOKEN))
    phrases = refusal._phrases(lang) or refusal._phrases("en")
    phrase = data.draw(st.sampled_from(phrases))
    chars = [data.draw(st.sampled_from([char, char.upper(), *WRITTEN_AS.get(char, [])])) for char in phrase]
    at = data.draw(st.integers(0, len(chars)))
    text = "".join([*data.draw(AROUND), *chars[:at], *data.draw(st.sampled_from(["", "", ",", "\u0307"])), *chars[at:]])
    text += "".join(data.draw(AROUND))
    if refusal.new_refusal("", text, "en", lang):
        assert refusal.may_refuse(pl.Series([text]), "en", lang)[0]


AROUND = st.lists(st.sampled_from(ODD), max_size=4)
WRITTEN_AS = {
    " ": ["  ", "\n", "\x1c", "\u3000", ", "],
    "'": ["’", "ʼ"],
    "i": ["İ", "ı"],
    "s": ["ſ"],
    "k": ["K"],
    "σ": ["ς"],
}


@given(TEXTS)
def test_a_text_repeats_nothing_beyond_itself(text: str) -> None:
    assert repeats.new(text, text) == (0.0, 0.0, 0)
    assert repeats.compression(text, text) == (1.0 if text else None)
    assert templates.leaked(text, text) is None


@given(TEXTS, TEXTS)
def test_measurements_stay_within_their_units(source: str, target: str) -> None:
    new = repeats.new(source, target)
    assert 0 <= new.ngrams <= 1 and 0 <= new.lines <= 1 and 0 <= new.run <= len(target)
    pair = pl.Series([source]), pl.Series([target])
    digits = words.new_digits(*pair, numbers.foreign_digits(pair[1]) | numbers.foreign_digits(pair[0]))
    for share in (words.new_symbols(*pair)[0], digits[0], shared(*pair).copied[0]):
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize(
    "hostile", ["a" * 100_000, "<" * 100_000, "{" * 100_000, "#" * 100_000, " " * 100_000, "⟦" * 100_000]
)
def test_a_hostile_text_is_measured(hostile: str) -> None:
    assert templates.leaked("", hostile) is None
    assert repeats.compression("a few words", hostile + "x")
    assert repeats.new("", hostile).run in (0, 100_000)


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "\u3000", "\x1c"])
def test_words_are_copied_whatever_white_space_stands_between(blank: str) -> None:
    source = "the quick brown foxes jump over seven lazy dogs today"
    target = "the quick brown zorros saltan over siete perros muy vagos".replace(" ", blank)
    told = shared(pl.Series([source]), pl.Series([target]))
    assert told.copied.to_list() == [pytest.approx(4 / 10)]


@pytest.mark.parametrize(
    ("target", "copied"),
    [
        ("diez palabras que no dicen nada del texto original", 0.0),
        ("seven palabras", None),
        ("", None),
        (None, None),
        ("전혀 다른 글입니다", 0.0),
    ],
)
def test_what_shares_nothing_is_not_copied_and_what_shares_a_word_of_few_is_not_judged(
    target: str | None, copied: float | None
) -> None:
    told = shared(pl.Series(["the quick brown foxes jump over seven dogs"]), pl.Series([target], dtype=pl.String))
    assert told.copied.to_list() == [copied]
