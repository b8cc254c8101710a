"""What is a loop, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata.checks.repetition import MAX_UNIT, MIN_TIMES, is_loop

BEGINNINGS = {
    "ko": "물을 끓인 다음 찻잎을 넣고 삼 분 동안 기다리세요.",
    "zh": "先把水烧开，再放入茶叶，等三分钟。",
    "es": "Hierva el agua, añada las hojas de té y espere tres minutos.",
    "sw": "Chemsha maji, weka majani ya chai, kisha subiri dakika tatu.",
    "ar": "اغلِ الماء ثم أضف أوراق الشاي وانتظر ثلاث دقائق.",
    "th": "ต้มน้ำให้เดือด ใส่ใบชา แล้วรอสามนาที",
}
UNITS = {
    "ko": "그리고 나서 ",
    "zh": "然后再等三分钟，",
    "es": "y luego espere tres minutos más, ",
    "sw": "kisha subiri tena\n",
    "ar": "ثم انتظر قليلاً ",
    "th": "แล้วรอ",
}


@pytest.mark.parametrize("lang", UNITS)
@pytest.mark.parametrize("cut", [0, 1, 4])
def test_a_unit_said_without_end_is_a_loop_wherever_it_is_cut(lang: str, cut: int) -> None:
    looped = BEGINNINGS[lang] + UNITS[lang] * 100
    assert is_loop(looped[: len(looped) - cut])


@pytest.mark.parametrize(
    "end", ["\n" * 400, " 0" * 400, "ก" * 400, "\n|   |   |" * 120, "ha ha \n" * 90 + "ha h\ufffd"]
)
def test_a_loop_of_blanks_and_single_characters_is_a_loop(end: str) -> None:
    assert is_loop(BEGINNINGS["th"] + end)


@pytest.mark.parametrize("lang", BEGINNINGS)
def test_a_whole_sentence_loops_too_and_a_text_does_not(lang: str) -> None:
    assert not is_loop("\n".join(BEGINNINGS.values()) + BEGINNINGS[lang])
    assert is_loop(BEGINNINGS[lang] * 20)


NO_LOOPS = {
    "nothing": "",
    "rules": "+".join(["-" * 40] * 3) + "\n" + "=" * 120,
    "laughter": "他笑了：" + "哈" * 60,
    "Korean laughter": "ㅋ" * 80,
    "emphasis": "It was late, " + "very " * 60,
    "a refrain": "Merrily, merrily, we go home,\n" * 4,
    "a chant": "Twende, twende, twende pamoja!\n" * 7,
    "a multiplication table": "\n".join(f"{a} × {b} = {a * b}" for a in range(1, 10) for b in range(1, 10)),
    "a table": "\n".join(f"| {city} | 12 | sí | no |" for city in ("Lugo", "Vigo", "Soria", "Cádiz")) * 4,
    "an empty table": "| | | | |\n" * 30,
    "similar lines": "\n".join(f"{n}. Mwanafunzi namba {n} yupo darasani." for n in range(1, 60)),
    "similar lines in Chinese": "\n".join(f"第{n}步：检查第{n}个阀门是否关闭。" for n in range(1, 60)),
    "a poem": "\n".join(
        f"Que {what},\nque vuelva la lluvia a mi tierra."
        for what in ("cante el río", "calle el viento", "duerma el niño", "arda el fuego", "espere el mar")
    ),
    "powers of ten": "1" + "0" * 100,
    "a form": "Jina: " + "_" * 40 + "\nTarehe: " + "_" * 40 + "\nSahihi: " + "_" * 40,
    "a sequence": "ACGT" * 60,
    "a loop that found its end": "ครับ" * 90 + BEGINNINGS["th"],
}


@pytest.mark.parametrize("name", NO_LOOPS)
def test_what_repeats_for_a_reason_is_no_loop(name: str) -> None:
    assert not is_loop(NO_LOOPS[name])


def test_a_shorter_loop_can_be_asked_for() -> None:
    sorry = "对不起。" * 30
    assert not is_loop(sorry)
    assert is_loop(sorry, 75)


@given(
    st.text("ab", max_size=3), st.text("ab", min_size=1, max_size=64), st.integers(6, 200), st.text("ab", max_size=2)
)
def test_a_loop_is_a_tail_that_repeats_some_unit(before: str, unit: str, times: int, after: str) -> None:
    text = before + unit * times + after
    needed = [max(75, MIN_TIMES * length) for length in range(1, MAX_UNIT + 1)]
    repeats = (
        len(text) >= n and all(text[-i] == text[-i - length] for i in range(1, n - length + 1))
        for length, n in enumerate(needed, start=1)
    )
    assert is_loop(text, 75) is any(repeats)
