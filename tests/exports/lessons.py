"""A published folder to train on, every layout of it: python -m tests.exports.lessons DIR.

Short rows of our own writing, in two languages that share their ids, few enough that a tiny model learns them by heart.
"""

import itertools
import json
import shutil
import sys
from pathlib import Path

from plugdata import pair
from tests.exports.made import publish

COLOURS = [
    ("a banana", "yellow", "바나나는", "노란색", "Ndizi ina", "njano"),
    ("a tomato", "red", "토마토는", "빨간색", "Nyanya ina", "nyekundu"),
    ("snow", "white", "눈은", "하얀색", "Theluji ina", "nyeupe"),
    ("coal", "black", "석탄은", "검은색", "Makaa yana", "nyeusi"),
    ("milk", "white", "우유는", "하얀색", "Maziwa yana", "nyeupe"),
    ("blood", "red", "피는", "빨간색", "Damu ina", "nyekundu"),
    ("a lemon", "yellow", "레몬은", "노란색", "Limau lina", "njano"),
    ("chocolate", "brown", "초콜릿은", "갈색", "Chokoleti ina", "kahawia"),
    ("smoke", "grey", "연기는", "회색", "Moshi una", "kijivu"),
    ("salt", "white", "소금은", "하얀색", "Chumvi ina", "nyeupe"),
]
CAPITALS = [
    ("Kenya", "Nairobi", "케냐", "나이로비", "Kenya", "Nairobi"),
    ("France", "Paris", "프랑스", "파리", "Ufaransa", "Paris"),
    ("Japan", "Tokyo", "일본", "도쿄", "Japani", "Tokyo"),
    ("Egypt", "Cairo", "이집트", "카이로", "Misri", "Kairo"),
    ("Italy", "Rome", "이탈리아", "로마", "Italia", "Roma"),
    ("Peru", "Lima", "페루", "리마", "Peru", "Lima"),
    ("Ghana", "Accra", "가나", "아크라", "Ghana", "Accra"),
    ("Vietnam", "Hanoi", "베트남", "하노이", "Vietnam", "Hanoi"),
    ("Spain", "Madrid", "스페인", "마드리드", "Hispania", "Madrid"),
    ("Uganda", "Kampala", "우간다", "캄팔라", "Uganda", "Kampala"),
]
DAYS = [
    ("Monday", "월요일", "Jumatatu"),
    ("Tuesday", "화요일", "Jumanne"),
    ("Wednesday", "수요일", "Jumatano"),
    ("Thursday", "목요일", "Alhamisi"),
    ("Friday", "금요일", "Ijumaa"),
    ("Saturday", "토요일", "Jumamosi"),
    ("Sunday", "일요일", "Jumapili"),
]
SUMS = [(a, b) for a in range(2, 10) for b in range(2, 6)]

N_VALIDATION = 4


def rows(lang: str) -> list[tuple[str, str, str, str]]:
    """Pivot instruction and response, target instruction and response, in ko or sw."""
    found = []
    for thing, colour, ko_thing, ko_colour, sw_thing, sw_colour in COLOURS:
        asked = (f"{ko_thing} 무슨 색인가요?", f"{ko_thing} {ko_colour}입니다.")
        if lang == "sw":
            asked = (f"{sw_thing} rangi gani?", f"{sw_thing} rangi ya {sw_colour}.")
        found.append((f"What colour is {thing}?", f"{thing.capitalize()} is {colour}.", *asked))
    for country, city, ko_country, ko_city, sw_country, sw_city in CAPITALS:
        asked = (f"{ko_country}의 수도는 어디인가요?", f"{ko_country}의 수도는 {ko_city}입니다.")
        if lang == "sw":
            asked = (f"Mji mkuu wa {sw_country} ni upi?", f"Mji mkuu wa {sw_country} ni {sw_city}.")
        found.append((f"What is the capital of {country}?", f"The capital of {country} is {city}.", *asked))
    for (day, ko_day, sw_day), (after, ko_after, sw_after) in itertools.pairwise([*DAYS, DAYS[0]]):
        asked = (f"{ko_day} 다음은 무슨 요일인가요?", f"{ko_day} 다음은 {ko_after}입니다.")
        if lang == "sw":
            asked = (f"Siku gani hufuata {sw_day}?", f"{sw_after} hufuata {sw_day}.")
        found.append((f"Which day comes after {day}?", f"{after} comes after {day}.", *asked))
    for a, b in SUMS:
        asked = (f"계산해 보세요: {a} + {b}", f"답은 {a + b}입니다.")
        if lang == "sw":
            asked = (f"Kokotoa: {a} + {b}", f"Jibu ni {a + b}.")
        found.append((f"Calculate: {a} + {b}", f"The answer is {a + b}.", *asked))
    return found


def main(folder: Path) -> None:
    """Write the corpus anew: configs ko, sw and their other layouts, the splits train and validation."""
    shutil.rmtree(folder, ignore_errors=True)
    pairs, layouts = {lang: rows(lang) for lang in ("ko", "sw")}, list(pair.LAYOUTS)
    publish(folder, pairs, layouts, N_VALIDATION)
    written = json.dumps(pair.layouts_json(layouts, "en", pairs), ensure_ascii=False)
    (folder / "layouts.json").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
