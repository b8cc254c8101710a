"""Soft checks of a translation against its source: what good ones look like in many languages, and damaged ones."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.checks import numbers
from plugdata.checks.options import options
from plugdata.checks.untranslated import between
from plugdata.curate.filters import agreement
from plugdata.rows import AGREEMENTS

LEFT_AS_IT_WAS = ("leftover", "untranslated")
"""A text agrees with itself in everything but this."""
KOREAN = between(languages.get("en"), languages.get("ko"))


def agree(check: str, source: str, target: str) -> float | None:
    """What a check says of two texts."""
    return all_agree(source, target, check)[check]


def all_agree(source: str, target: str, *only: str) -> dict[str, float | None]:
    """What the checks say of two texts."""
    texts = pl.DataFrame({"source": [source], "target": [target]})
    foreign = numbers.foreign_digits(texts["source"]) | numbers.foreign_digits(texts["target"])
    found = agreement.measured(texts, texts, foreign, KOREAN)
    return {column.name: column[0] for column in found if column.name in (only or AGREEMENTS)}


def test_every_soft_check_that_is_a_column_is_tested_here() -> None:
    assert set(all_agree("a", "b")) == set(AGREEMENTS)


GOOD = [
    ("List 3 facts about Everest (8,849 m).", "Enumera tres datos sobre el Everest (8.849 m)."),
    (
        "1. It is 8,849 metres tall.\n2. It was first climbed on 29 May 1953.\n3. Over 300 people have died there.",
        "1. Mide 8.849 metros.\n2. Se escaló el 29 de mayo de 1953.\n3. Más de 300 personas han muerto allí.",
    ),
    ("12.5% of 1,200 is 150.", "12,5 % de 1 200 font 150."),
    ("The shop closes at 6:30 pm.", "Der Laden schließt um 18:30 Uhr."),
    (
        "Martin Luther King Jr. said it in 1963 (“I have a dream”).",
        "Martin Luther King Jr. sagte es 1963 („Ein Traum“).",
    ),
    (
        "In the 19th century, Realism spread; by the 1860s it was everywhere.",
        "В XIX веке реализм был повсюду к 1860-м.",
    ),
    ("About 380,000 people live there, and 2 million visit.", "약 38만 명이 살고 있으며 200만 명이 방문합니다."),
    ("It costs 15,000 yen, or about $100.", "1万5000円、約100ドルです。"),
    ("It opened on October 1, 1998, with 120,000 books.", "它于1998年10月1日开放，藏书十二万册。"),
    ("In 2020 it was 1,234,567, 3.5% more than before.", "في عام ٢٠٢٠ كان ١٬٢٣٤٬٥٦٧، أي أكثر بنسبة ٣٫٥٪ من قبل."),
    ("There were 1.5 million voters at 2,300 stations in 2019.", "२०१९ में 2,300 केंद्रों पर 15 लाख मतदाता थे।"),
    ("The price is 2,500 baht, since 2019.", "ราคา 2,500 บาท ตั้งแต่ พ.ศ. 2562"),
    ("Mombasa is about 480 km from Nairobi, 5 hours by train.", "Mombasa iko karibu kilomita 480 kutoka Nairobi."),
    ("Write an essay of 100 words.", "Andika insha ya maneno mia moja."),
    ("Once there was a fox of 50 kg.", "옛날에 오십 킬로그램의 여우가 있었어요."),
    (
        "The moon is bright,\nThe stars are near,\nI walk\nWithout fear.",
        "La lune est là,\nL'étoile aussi,\nJe vais\nSans peur.",
    ),
    ('"Fall seven times, stand up eight." (proverb)', "「七転び八起き」（ことわざ）"),
    ('"Dream of the Red Chamber" is a novel.', "《红楼梦》是一部小说。"),
    ("802.11ac is a Wi-Fi standard; HTML is not.", "802.11ac — это стандарт Wi-Fi, а HTML-код — нет."),
    ("Python is a language.", "Python은 언어로, Guido van Rossum이 만들었습니다."),
    ("NASA is an agency, a PDF is a file.", "NASA एक एजेंसी है, PDFको फ़ाइल कहते हैं।"),
    ("A PDF is a document.", "ملف الPDF هو مستند."),
    ("Radium gives off alpha particles.", "镭放出α粒子。"),
    ("Here is the Earth. NASA says so.", "यह पृथ्वी है।NASA ऐसा कहता है।"),
    (
        "| Name | Age |\n| --- | --- |\n| Ann | 20 |\n\n## Note",
        "| Nom | Âge |\n| --- | --- |\n| Anne | 20 |\n\n## Remarque",
    ),
    ("Where are you going?", "Πού πηγαίνεις;"),
    ("The shift Δt is 5 μs.", "Η μετατόπιση Δt είναι 5 μs."),
    ('"NO!" he cried: São Paulo is 470 years old.', "«NÃO!», gritou ele: São Paulo tem 470 anos."),
    ("He is 25 and asks why.", "او ۲۵ سال دارد و می‌خواهد بداند چرا."),
    ("It is 384,400 km.", "এটি ৩,৮৪,৪০০ কিমি।"),
    ("- milk\n- bread\n- 2 eggs", "• maziwa\n• mkate\n• mayai mawili"),
]


@pytest.mark.parametrize(("source", "target"), GOOD)
def test_a_good_translation_agrees_with_its_source_in_everything(source: str, target: str) -> None:
    assert set(all_agree(source, target).values()) <= {1.0, None}


@pytest.mark.parametrize("text", [text for pair in GOOD for text in pair])
def test_a_text_agrees_with_itself(text: str) -> None:
    assert {found for check, found in all_agree(text, text).items() if check not in LEFT_AS_IT_WAS} <= {1.0, None}


@given(st.text(), st.text())
def test_every_agreement_is_a_share_or_abstains(source: str, target: str) -> None:
    assert all(found is None or 0 <= found <= 1 for found in all_agree(source, target).values())
    test_a_text_agrees_with_itself(source)


@pytest.mark.parametrize(
    ("check", "source", "target", "expected"),
    [
        ("lists", "1. one\n2. two\n3. three", "1. uno\n2. dos", 4 / 5),
        ("lists", "- one\n- two", "uno y dos\n", 0.0),
        ("lists", "- one\n- two", "1. uno\n2. dos", 0.0),
        ("lists", "1) one\n2) two", "１）一つ\n２）二つ", 1.0),
        ("lists", "1.5 kg\n2.5 kg", "1,5 kg\n2,5 kg", None),
        ("tables", "| a | b |\n| c | d |", "| a | b |\n| c |", 1 / 2),
        ("tables", "a | b", "a | b", None),
        ("headings", "# A\n## B", "# A\n# B", 1 / 2),
        ("headings", "#hashtag", "#etiqueta", None),
        ("fences", "```py\nx\n```", "```py\nx", 2 / 3),
        ("paragraphs", "a\n\nb\n\nc", "a\n\nb c", 2 / 3),
        ("paragraphs", "a\nb", "a b", None),
        ("verse", "a\nb\nc\nd", "a b c d", 1 / 4),
        ("verse", "a\nb\n\nc\nd", "a\nb\nc\nd", 1.0),
        ("verse", "- a\n- b\n- c\n- d", "a", None),
        ("verse", "a\nb\nc", "a", None),
        ("verse", "word " * 20 + "\nb\nc\nd", "a", None),
    ],
)
def test_structure_that_is_lost_counts(check: str, source: str, target: str, expected: float | None) -> None:
    assert agree(check, source, target) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ('He said "yes" (twice).', "Dijo «sí» (dos veces.", 2 / 3),
        ('He said "yes".', "他说“是。", 0.0),
        ("I am (here.", "Estoy (aquí.", 1.0),
        ("a) one b) two", "а) один б) два", 1.0),
        ('He said "yes".', "他说是。", None),
        ("plain", "「開いた", 0.0),
    ],
)
def test_a_mark_that_stands_alone_in_the_target_only_counts(source: str, target: str, expected: float | None) -> None:
    assert agree("quotes", source, target) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("The end.", "El fin.", 1.0),
        ("The end.", "끝났습니다", 0.0),
        ("He said: “The end.”", "他说：“完了。”", 1.0),
        ("Why?", "لماذا؟", 1.0),
        ("The end.", "यह अंत है।", 1.0),
        ("The end.", "እዚህ ያበቃል።", 1.0),
        ("**The end!** ", "**¡Fin!**", 1.0),
        ("The end.", "Los desechos pueden liberar sustancias peli", 0.0),
        ("A title", "Un título", None),
        ("The end.", "จบแล้ว", None),
        ("The end.", "ចប់ហើយ", None),
        ("The end.", "", None),
        ("", "", None),
    ],
)
def test_a_text_that_breaks_off_is_told_from_one_that_ends(source: str, target: str, expected: float | None) -> None:
    assert agree("ends", source, target) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("El puente estuvo closed for repairs until spring.", 3 / 7),
        ("Este puente viejo estuvo cerrado until the first week.", 4 / 8),
        ("다리는 closed for repairs 상태였습니다.", 2 / 5),
        ("El puente estuvo cerrado por obras hasta la primavera.", 1.0),
        ("Machine learning 은 기계 학습입니다.", 1.0),
        ("", None),
    ],
)
def test_words_left_in_the_sources_language_count(target: str, expected: float | None) -> None:
    source = "The old bridge was closed for repairs until the first week of spring, said Machine learning."
    assert agree("leftover", source, target) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("target", "n_words"),
    [
        ("una webина gratis", 3),
        ("이 웹inar는 무료입니다", 3),
        ("에드蒙드 오일러스 팀", 5),  # a Chinese character is a word of its own
        ("это приvет мир", 3),
        ("यह हिंदीtext है", 3),
        ("un cafÃ© negro", 3),
        ("l'homme nâ€™est pas", 3),
        ("nobody \ufffd knows", 3),
        ("a stray \x07 bell", 4),
        ("private \ue123 use", 3),
        ("mark ् alone", 3),
        ("هذا كتabاب جيد", 3),
    ],
)
def test_what_no_writer_writes_is_corruption_unless_the_source_has_it(target: str, n_words: int) -> None:
    assert agree("corruption", "a clean source", target) == pytest.approx(1 - 1 / n_words)
    assert agree("corruption", target, target) == 1.0


IN_KOREAN = "다음 리뷰는 긍정적인가요, 부정적인가요?\n\n음식이 차가웠어요."
SENTIMENT = "Is this review positive or negative?\n\nThe food was cold."
LETTERS = "Which is a mammal?\nA) Shark\nB) Whale\nC) Trout"


@pytest.mark.parametrize(
    ("source_response", "response", "at_least", "at_most"),
    [
        ("Negative", "부정적", 1, 1),
        ("Negative.", "부정적입니다.", 0.4, 0.6),
        ("negative", "나쁨", 0, 0),
        ("Negative", "Negative", 0, 0.2),
    ],
)
def test_a_label_is_to_be_one_that_the_instruction_offers(
    source_response: str, response: str, at_least: float, at_most: float
) -> None:
    found = options(SENTIMENT, source_response, IN_KOREAN, response)
    assert found is not None and at_least <= found <= at_most


@pytest.mark.parametrize(
    ("instruction", "source_response", "response", "expected"),
    [
        ("Was ist ein Säugetier?\nA) Hai\nB) Wal\nC) Forelle", "B) Whale", "B) Wal", 1.0),
        (
            "Was ist ein Säugetier?\nA) Hai\nB) Wal\nC) Forelle",
            "The answer is B) Whale.",
            "Richtig ist C) Forelle.",
            0.0,
        ),
        ("Кто млекопитающее?\nА) Акула\nБ) Кит\nВ) Форель", "B", "Б", 1.0),
        ("Кто млекопитающее?\nА) Акула\nБ) Кит\nВ) Форель", "B.", "В.", 0.0),
        ("포유류는?\n가) 상어\n나) 고래\n다) 송어", "B) Whale", "나) 고래", 1.0),
        ("哪个是哺乳动物？\nA) 鲨鱼\nB) 鲸鱼\nC) 鳟鱼", "Whale", "鲸鱼", 1.0),
        ("哪个是哺乳动物？\nA) 鲨鱼\nB) 鲸鱼\nC) 鳟鱼", "Whale", "海豚", 0.0),
    ],
)
def test_a_lettered_choice_stays_in_its_place(
    instruction: str, source_response: str, response: str, expected: float
) -> None:
    assert options(LETTERS, source_response, instruction, response) == expected


@pytest.mark.parametrize(
    "source_response",
    ["It is cold food that nobody in the world would ever eat.", "Bad", "rev", "42", "", "?"],
)
def test_a_response_in_words_of_its_own_is_no_choice(source_response: str) -> None:
    assert options(SENTIMENT, source_response, IN_KOREAN, "나쁨") is None


@pytest.mark.parametrize(
    "char",
    [" ", "\n", "a", "1", "1,", "1 ", "(", "| ", "- ", "\n1.", "二", "2万", "приv", "'", "A) ", "\n#", "à", "क a"],
)
def test_long_monotonous_texts_are_read_in_linear_time(char: str) -> None:
    text, other = (char * (100_000 // len(char)) + end for end in ("x", "7"))
    all_agree(text, other)
    options(text, char, text, other)
