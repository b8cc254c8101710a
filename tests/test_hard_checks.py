"""Hard checks of answers: new refusals, instructions obeyed, another language."""

from pathlib import Path

import pytest

from plugdata import languages, prompts
from plugdata.checks import lid
from plugdata.checks.answered import answered, similarity
from plugdata.checks.refusal import new_refusal, refuses
from plugdata.checks.spoken import Ahead, wrong_language

SENTENCES = {
    "en": "The old bridge was closed for repairs until spring. "
    "Nobody could cross the river by car, so the people of the village walked over the ice. "
    "In April the first lorries came back with flour, coal and letters.",
    "es": "El viejo puente estuvo cerrado por obras hasta la primavera. "
    "Nadie podía cruzar el río en coche, así que los vecinos del pueblo pasaban a pie sobre el hielo. "
    "En abril volvieron los camiones con harina y cartas.",
    "de": "Die alte Brücke war bis zum Frühling wegen Bauarbeiten gesperrt. "
    "Niemand konnte den Fluss mit dem Auto überqueren, also gingen die Leute aus dem Dorf zu Fuß über das Eis. "
    "Im April kamen die Lastwagen zurück.",
    "fi": "Vanha silta oli suljettu korjausten vuoksi kevääseen asti. "
    "Kukaan ei päässyt joen yli autolla, joten kylän asukkaat kävelivät jään yli. "
    "Huhtikuussa ensimmäiset kuorma-autot palasivat ja toivat jauhoja ja kirjeitä.",
    "sw": "Daraja la zamani lilifungwa kwa ajili ya matengenezo hadi mwezi wa nne. "
    "Hakuna mtu aliyeweza kuvuka mto kwa gari, kwa hiyo watu wa kijiji walitembea kwa miguu. "
    "Baadaye malori yalirudi yakiwa na unga na barua.",
    "tr": "Eski köprü bahara kadar onarım nedeniyle kapalıydı. "
    "Kimse nehri arabayla geçemiyordu, bu yüzden köylüler buzun üzerinden yürüyordu. "
    "Nisan ayında ilk kamyonlar un, kömür ve mektuplarla geri döndü.",
    "vi": "Cây cầu cũ bị đóng để sửa chữa cho đến mùa xuân. "
    "Không ai có thể lái xe qua sông, vì vậy người dân trong làng phải đi bộ trên băng. "
    "Đến tháng tư, những chiếc xe tải đầu tiên quay lại với bột mì và thư từ.",
    "ko": "오래된 다리는 봄까지 수리를 위해 통행이 금지되었습니다. "
    "아무도 차로 강을 건널 수 없어서 마을 사람들은 얼음 위를 걸어 다녔습니다. "
    "사월이 되자 밀가루와 석탄과 편지를 실은 첫 트럭이 돌아왔습니다. "
    "아이들은 길가에 나와 손을 흔들었습니다.",
    "zh": "那座老桥因为维修一直关闭到春天。"
    "没有人能开车过河，所以"
    "村里的人只好从冰上走过去。"
    "到了四月，第一批卡车带着面粉、煤炭和信件回来了。"
    "孩子们站在路边向司机挥手，老人们"
    "在门口煮好了热茶，大家都说这个冬天实在太长了，希望明年不会再这样。",
    "ja": "古い橋は修理のため春まで通行止めになっていました。"
    "だれも車で川を渡ることができなかったので、"
    "村の人々は氷の上を歩いて渡りました。"
    "四月になると、小麦粉や石炭や手紙を積んだ最初のトラックが戻ってきて、子どもたちは道ばたで手を振りました。",
    "th": "สะพานเก่าปิดซ่อมแซมจนถึงฤดูใบไม้ผลิ ไม่มีใครขับรถข้ามแม่น้ำได้ "
    "ชาวบ้านจึงต้องเดินข้ามน้ำแข็ง "
    "พอถึงเดือนเมษายน "
    "รถบรรทุกคันแรกก็กลับมาพร้อมแป้ง ถ่านหิน และจดหมาย",
    "ar": "ظل الجسر القديم مغلقًا بسبب أعمال الصيانة حتى الربيع. "
    "لم يستطع أحد عبور النهر بالسيارة، فكان أهل القرية يمشون فوق الجليد. "
    "وفي شهر أبريل عادت الشاحنات الأولى ومعها الدقيق والفحم والرسائل.",
    "hi": "पुराना पुल मरम्मत के लिए वसंत तक बंद रहा। "
    "कोई भी गाड़ी से नदी पार नहीं कर सकता था, इसलिए गाँव के लोग बर्फ़ पर पैदल चलते थे। "
    "अप्रैल में आटा, कोयला और चिट्ठियाँ लेकर पहले ट्रक लौट आए।",
    "ru": "Старый мост был закрыт на ремонт до самой весны. "
    "Никто не мог переехать реку на машине, поэтому жители деревни ходили пешком по льду. "
    "В апреле вернулись первые грузовики с мукой, углём и письмами.",
}
INTRODUCED = {
    "es": "La siguiente función devuelve el número más grande.",
    "sw": "Kazi ifuatayo inarudisha namba kubwa zaidi.",
    "ko": "다음 함수는 가장 큰 수를 돌려줍니다.",
    "zh": "下面的函数会返回最大的数。",
    "th": "ฟังก์ชันต่อไปนี้คืนค่าตัวเลขที่มากที่สุด",
    "ar": "تعيد الدالة التالية أكبر رقم.",
    "ru": "Следующая функция возвращает наибольшее число.",
}
CODE = """import collections

# find the largest number of all numbers in the list and give it back
def find_largest_number(numbers):
    largest = numbers[0]
    for number in numbers:
        if number > largest:
            largest = number  # remember the larger one for the next comparison
    return largest

print("The largest number is:", find_largest_number([3, 9, 4]))"""
EN = languages.get("en")


@pytest.fixture(scope="module")
def model(lid_model_path: Path) -> Ahead:
    return Ahead(lid.load(lid_model_path))


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("I'm sorry, but I can't help with that request.", "ko"),
        ("I’m sorry, but I can’t help with that request.", "ko"),
        ("As an AI language model, I do not have personal opinions.", "es"),
        ("Lo siento, pero no puedo ayudarte con eso.", "es"),
        ("LO SIENTO, PERO NO PUEDO traducir este texto.", "es-MX"),
        ("很抱歉，我无法翻译这段内容。", "zh"),
        ("很抱歉，我无法翻译这段内容。", "zh-Hant"),
        ("죄송하지만, 도와드릴 수 없습니다.", "ko"),
        ("Samahani, lakini siwezi kutafsiri maandishi haya.", "sw"),
        ("건물의 역사를 설명합니다. " * 40 + "As an AI language model, I cannot check this.", "ko"),
    ],
)
def test_an_answer_that_declines_where_its_source_did_not_is_a_new_refusal(answer: str, target: str) -> None:
    assert new_refusal("Describe how a lock is opened without its key.", answer, "en", target)


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("I'm sorry for your loss.", "en"),
        ("Sorry I'm late, the bus broke down.", "en"),
        ("Lamento mucho tu pérdida.", "es"),
        ("Siento llegar tarde, se averió el autobús.", "es"),
        ("늦어서 죄송합니다. 버스가 고장 났어요.", "ko"),
        ("对不起，我来晚了，公交车坏了。", "zh"),
        ("Samahani kwa kuchelewa, basi liliharibika.", "sw"),
    ],
)
def test_an_apology_is_no_refusal(answer: str, target: str) -> None:
    assert refuses(answer, [target, "en"]) is None


@pytest.mark.parametrize(
    ("source", "answer", "target"),
    [
        ("I'm sorry, but I can't come tonight.", "Lo siento, pero no puedo ir esta noche.", "es"),
        ("“I'm afraid I can't,” said the smith.", "“죄송하지만 도와드릴 수 없습니다.” 대장장이가 말했다.", "ko"),
        ("As an AI language model, I have no home.", "作为AI语言模型，我没有家。", "zh"),
        ("Unfortunately I won't be able to pay.", "很抱歉，我无法付款。", "zh"),
        (
            "It was late. " * 40 + "Ann sighed: I cannot go. " + "It was cold. " * 40,
            "Lo siento, pero no puedo ir.",
            "es",
        ),
    ],
)
def test_a_refusal_that_the_source_has_too_is_not_new(source: str, answer: str, target: str) -> None:
    assert refuses(answer, [target])
    assert new_refusal(source, answer, "en", target) is None
    assert new_refusal("Describe how a lock is opened.", answer, "en", target)


def test_a_source_that_is_not_english_is_read_in_its_own_language() -> None:
    source, answer = "Lo siento, pero no puedo ir.", "很抱歉，我无法去。"
    assert new_refusal(source, answer, "es", "zh") is None
    assert new_refusal("Mañana voy al mercado.", answer, "es", "zh")


def test_a_refusal_in_the_middle_of_a_long_answer_is_part_of_its_story() -> None:
    story = "El viejo herrero miró el fuego y no dijo nada. " * 10
    assert refuses(f"{story} «Lo siento, pero no puedo ayudarte con eso». {story}", ["es"]) is None
    assert refuses(f"«Lo siento, pero no puedo ayudarte con eso». {story}", ["es"])


def test_a_phrase_is_found_at_the_start_of_a_word_only() -> None:
    assert refuses("Was an AI language model used?", ["en"]) is None
    assert refuses("我认为，作为人工智能助手，我不能回答。", ["zh"])


def test_a_language_without_phrases_refuses_nothing() -> None:
    assert refuses("Lo siento, pero no puedo ayudarte con eso.", ["tlh"]) is None


QUESTION = {
    "instruction": "What is the capital of France?",
    "response": "The capital of France is Paris, a city on the river Seine.",
}


@pytest.mark.parametrize(
    ("source", "said", "target"),
    [
        (
            QUESTION,
            {"instruction": "프랑스의 수도는 파리입니다.", "response": "프랑스의 수도는 센강의 파리입니다."},
            "ko",
        ),
        (
            QUESTION,
            {
                "instruction": "La capital de Francia es París, a orillas del Sena.",
                "response": "La capital de Francia es París, una ciudad a orillas del Sena.",
            },
            "es",
        ),
        (
            {"instruction": "Write a poem about rain.", "response": "Rain falls softly."},
            {"instruction": "La lluvia cae sobre los tejados rojos de la ciudad. " * 5, "response": "La lluvia cae."},
            "es",
        ),
        (
            {
                "instruction": "Put this into other words.",
                "input": "The results were inconclusive because of a lack of data.",
                "response": "Too little was measured to tell anything for certain.",
            },
            {
                "instruction": "用别的话表达这句话。",
                "input": "由于测量的数据太少，无法得出确定的结论。",
                "response": "由于测量的数据太少，无法得出确定的结论。",
            },
            "zh",
        ),
    ],
)
def test_an_instruction_that_was_obeyed_is_no_translation(
    source: dict[str, str], said: dict[str, str], target: str
) -> None:
    assert answered(source, said, "en", target)


@pytest.mark.parametrize(
    ("source", "said", "target"),
    [
        (
            QUESTION,
            {"instruction": "프랑스의 수도는 어디인가요?", "response": "프랑스의 수도는 센강의 파리입니다."},
            "ko",
        ),
        (QUESTION, {"instruction": "¿Cuál es la capital de Francia?"}, "es"),
        (QUESTION, {"response": "La capital de Francia es París, una ciudad a orillas del Sena."}, "es"),
        (
            {
                "instruction": "Correct the sentence.",
                "input": "He go to school every days.",
                "response": "He goes to school every day.",
            },
            {
                "instruction": "Corrige la oración.",
                "input": "Él van a la escuela todos los días.",
                "response": "Él va a la escuela todos los días.",
            },
            "es",
        ),
        (
            {"instruction": "Name a synonym.", "input": "car", "response": "automobile"},
            {"instruction": "说一个同义词。", "input": "汽车", "response": "汽车"},
            "zh",
        ),
        (
            {"instruction": "How many days are there in a week?", "response": "There are seven days in a week."},
            {"instruction": "หนึ่งสัปดาห์มีกี่วัน", "response": "หนึ่งสัปดาห์มีเจ็ดวัน"},
            "th",
        ),
        ({"instruction": "Sum: 2+2"}, {"instruction": "Calcula la suma de los dos números siguientes: 2+2"}, "es"),
    ],
)
def test_a_translated_instruction_was_not_obeyed(source: dict[str, str], said: dict[str, str], target: str) -> None:
    assert answered(source, said, "en", target) is None


@pytest.mark.parametrize("target", sorted(languages.table()))
def test_the_worked_examples_are_translations_in_every_language(target: str) -> None:
    shots = [
        ({name: text for name, text in shot._asdict().items() if text} for shot in pair)
        for pair in zip(prompts.examples("en"), prompts.examples(target), strict=False)
    ]
    assert [answered(source, said, "en", target) for source, said in shots] == [None] * len(shots)


def test_similarity_is_of_what_texts_say_not_of_their_case() -> None:
    assert similarity("The river", "THE RIVER") == 1
    assert similarity("", "") == similarity("ab", "ab") == 0
    assert similarity("The river is wide.", "Bread is baked early.") < 0.2


@pytest.mark.parametrize("lang", SENTENCES)
def test_a_long_answer_in_its_language_is_left_alone(model: Ahead, lang: str) -> None:
    pivot = languages.get("es") if lang == "en" else EN
    assert wrong_language(model, SENTENCES[lang], languages.get(lang), pivot) is None
    assert wrong_language(None, SENTENCES[lang], languages.get(lang), pivot) is None


@pytest.mark.parametrize("lang", [lang for lang in SENTENCES if lang != "en"])
@pytest.mark.parametrize("spoken", ["en", "zh", "ru"])
def test_a_long_answer_in_another_language_is_found(model: Ahead, lang: str, spoken: str) -> None:
    if spoken != lang:
        assert wrong_language(model, SENTENCES[spoken], languages.get(lang), EN)


@pytest.mark.parametrize(("lang", "spoken"), [("es", "de"), ("ja", "zh"), ("hi", "ar"), ("sw", "vi"), ("zh", "ja")])
def test_neighbours_of_a_script_are_told_apart(model: Ahead, lang: str, spoken: str) -> None:
    assert wrong_language(model, SENTENCES[spoken], languages.get(lang), EN)


@pytest.mark.parametrize(("lang", "found"), [("ko", True), ("ru", True), ("es", False), ("sw", False)])
def test_without_a_model_only_scripts_are_told_apart(lang: str, found: bool) -> None:
    assert (wrong_language(None, SENTENCES["en"], languages.get(lang), EN) is not None) == found


def test_a_language_the_identifier_has_no_label_for_is_only_known_not_to_be_the_pivot(model: Ahead) -> None:
    hausa = languages.get("ha")
    assert hausa.lid == ()
    assert wrong_language(model, SENTENCES["en"], hausa, EN)
    assert wrong_language(model, SENTENCES["sw"], hausa, EN) is None


@pytest.mark.parametrize("lang", INTRODUCED)
@pytest.mark.parametrize("code", [CODE, f"```python\n{CODE}\n```"])
def test_code_is_in_no_language(model: Ahead, lang: str, code: str) -> None:
    language = languages.get(lang)
    assert wrong_language(model, f"{INTRODUCED[lang]}\n\n{code}", language, EN) is None
    assert wrong_language(model, f"{code}\n\n{INTRODUCED[lang]}", language, EN) is None
    assert wrong_language(model, code, language, EN) is None


@pytest.mark.parametrize("lang", ["ko", "es", "ru"])
def test_names_and_titles_stay_as_they_are(model: Ahead, lang: str) -> None:
    titles = "\n".join(
        f"{n}. {title}"
        for n, title in enumerate(
            ["Pride and Prejudice", "Great Expectations", "Wuthering Heights", "The Time Machine", "Moby-Dick"] * 3, 1
        )
    )
    assert wrong_language(model, titles, languages.get(lang), EN) is None


def test_answers_that_are_read_ahead_are_judged_as_each_alone(model: Ahead, lid_model_path: Path) -> None:
    ahead, es = Ahead(lid.load(lid_model_path)), languages.get("es")
    said = [*SENTENCES.values(), "Corto.", SENTENCES["es"], f"1\n{SENTENCES['de']}"]
    for text in said[::2]:
        ahead.expect(text, es)
    alone = [wrong_language(model, text, es, EN) for text in said]
    assert [wrong_language(ahead, text, es, EN) for text in said] == alone
    assert len({*alone}) > 3


def test_a_short_answer_is_not_judged(model: Ahead) -> None:
    assert wrong_language(model, "The old bridge was closed for repairs.", languages.get("ko"), EN) is None


@pytest.mark.parametrize("unit", ["a", "a ", "A ", "(", "=\n", "中", "\u0301", "a'", "`", "<a ", " ", "sorry "])
def test_hard_checks_take_linear_time_on_hostile_texts(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    row = {"instruction": text, "response": text}
    wrong_language(None, text, languages.get("ko"), EN)
    assert answered(row, row, "en", "ko") is None
    assert new_refusal(text, f"As an AI language model {text}", "en", "ko") in ("as an ai language model", None)
