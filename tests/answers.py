"""Answers files as a trained model leaves them: questions of our own in several languages, and what was answered."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

QUESTIONS = {
    "ko": "{n}번째 다리를 처음 보는 사람에게 그 모습을 설명해 주세요.",
    "zh": "请向第一次来的人介绍第{n}座桥的样子。",
    "ar": "صِف الجسر رقم {n} لمن يراه أول مرة.",
    "th": "ช่วยอธิบายสะพานแห่งที่ {n} ให้คนที่ไม่เคยเห็นฟังหน่อย",
    "sw": "Mweleze mgeni jinsi daraja la {n} linavyoonekana.",
    "es": "Describe el puente número {n} a quien no lo ha visto nunca.",
}
ANSWERS = {
    "ko": "돌로 쌓은 오래된 다리이며 아침이면 강 위로 안개가 천천히 올라옵니다.",
    "zh": "这是一座古老的石桥，清晨的雾气从河面上慢慢升起来，非常安静。",
    "ar": "إنه جسر حجري قديم، وفي الصباح يرتفع الضباب ببطء فوق النهر.",
    "th": "เป็นสะพานหินเก่าแก่ ยามเช้าหมอกจะค่อย ๆ ลอยขึ้นเหนือแม่น้ำ",
    "sw": "Ni daraja la kale la mawe, na asubuhi ukungu hupanda polepole juu ya mto.",
    "es": "Es un puente antiguo de piedra, y por la mañana la niebla sube despacio sobre el río.",
}

N_CATEGORIES = 3


def answered(n: int, lang: str = "ko", answer: str | None = "", **fields: Any) -> dict[str, Any]:
    """The line of question `n`; `answer` "" = a right one, None = none that could be extracted."""
    text = ANSWERS[lang] if answer == "" else answer
    return {
        "id": f"q-{n}",
        "lang": lang,
        "instruction": QUESTIONS[lang].format(n=n),
        "answer": text,
        "outcome": "not-found" if text is None else "answered",
        "output": text or "",
        "template": "plug-v1",
        "model": "tuned",
        "record": {"category": ["bridges", "rivers", "gardens"][n % N_CATEGORIES]},
        **fields,
    }


def write(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def write_both(folder: Path, n: int, langs: Sequence[str] = ("ko",)) -> list[Path]:
    """a.jsonl and b.jsonl: two models' answers to the same questions, which say whose they are."""
    return [
        write(
            folder / f"{name}.jsonl",
            (answered(at, lang, f"{ANSWERS[lang]} ({name})") for lang in langs for at in range(n)),
        )
        for name in ("a", "b")
    ]
