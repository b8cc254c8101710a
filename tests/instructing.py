"""Passages in several languages, a model that writes, rates and edits, and the stages run on them.

It owns what tests of kind x-instruction ask and are answered. Run as a program it brings up the generate and rate
stages of a corpus in a process of its own, for tests that kill it:

    python -m tests.instructing CORPUS BASE_URL
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from plugdata import wire
from plugdata.calls import retry
from plugdata.calls.caller import Tally
from plugdata.calls.dispatch import dispatch
from plugdata.calls.ledger.store import Ledger
from plugdata.corpus import Corpus
from plugdata.recipe import Recipe
from plugdata.rows import CONTRACTS, PASSAGES, row_id
from plugdata.stages.generation import Generation, Rating
from plugdata.stages.step import Asking
from plugdata.wire import Answer, Result, Task
from tests.servers.llm import LlmServer, Request, contents

TEXTS = {
    "fi": (
        "How does a smoke sauna work, and how long does it take to heat one?",
        "Savusauna lämmitetään ilman savupiippua, joten savu jää löylyhuoneeseen lämmityksen ajaksi. Kiuas "
        "on suuri, ja "
        "sen lämmittäminen kestää kuudesta kahdeksaan tuntia. Kun tuli on sammunut, savu tuuletetaan ulos ja "
        "kiukaaseen "
        "heitetään häkälöylyt. Vasta sen jälkeen saunaan mennään kylpemään.",
    ),
    "sw": (
        "What should I know about growing maize on a small farm before the long rains?",
        "Mahindi hupandwa kabla ya mvua za masika kuanza, mara tu udongo unapokuwa na unyevu wa kutosha. Mkulima mdogo "
        "anapaswa kuchagua mbegu zinazostahimili ukame na kuacha nafasi ya sentimita sabini kati ya mistari. Palizi ya "
        "kwanza hufanyika wiki tatu baada ya kupanda.",
    ),
    "th": (
        "Explain how sticky rice is steamed in a bamboo basket.",
        "ก่อนนึ่งข้าวเหนียวต้องแช่ข้าวในน้ำสะอาดอย่างน้อยสี่ชั่วโมงหรือค้างคืน "
        "จากนั้นล้างข้าวจนน้ำใสแล้วเทลงในหวดไม้ไผ่ "
        "ตั้งหวดบนหม้อที่มีน้ำเดือด นึ่งประมาณยี่สิบนาที แล้วพลิกข้าวด้านบนลงล่าง นึ่งต่ออีกสิบนาทีจนข้าวสุกนุ่ม",
    ),
    "hi": (
        "Why do stepwells stay cool in summer, and who built them?",
        "बावड़ी ज़मीन के नीचे कई मंज़िल तक उतरती है, इसलिए गर्मी में भी वहाँ की हवा ठंडी रहती है। पुराने समय "
        "में रानियों और व्यापारियों ने "
        "यात्रियों के लिए बावड़ियाँ बनवाईं। सीढ़ियों पर बैठकर लोग आराम करते थे और पानी भरते थे।",
    ),
    "vi": (
        "Give me the steps for making green sticky rice cakes at home.",
        "Cốm được làm từ lúa nếp non gặt khi hạt còn ngậm sữa. Lúa được rang trong chảo gang trên lửa nhỏ, "
        "rồi đem giã nhiều "
        "lần trong cối đá và sàng sảy cho sạch trấu. Bánh cốm có nhân đậu xanh dừa, gói trong lá chuối và "
        "buộc bằng lạt đỏ.",
    ),
    "ar": (
        "How is a falaj dug, and how is its water shared among the farmers?",
        "الفلج قناة تُحفر تحت الأرض من سفح الجبل إلى المزارع، وينساب الماء فيها بالجاذبية دون مضخات. ويقسم "
        "الأهالي الماء بينهم "
        "بالساعات، فلكل مزارع نصيب معلوم يُعرف بظل الشمس نهارًا وبالنجوم ليلًا، ويشرف وكيل الفلج على القسمة.",
    ),
}
"""By language: an instruction, and the passage that answers it."""

MODEL = "test"
CONCURRENCY = 2


def passage(lang: str = "fi", n: int = 0) -> str:
    return TEXTS[lang][1] + (f" ({n})" if n else "")


def row(lang: str = "fi", n: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of rows.PASSAGES."""
    text = passage(lang, n)
    known = {"id": row_id("", "", text), "ordinal": n, "source": "texts", "license": "cc0-1.0", "status": "kept"}
    made = {**known, "lang": lang, "passage": text, "place": f"{lang}.txt:{n + 1}", **columns}
    return {name: made.get(name) for name in PASSAGES}


def frame(rows: Iterable[Mapping[str, Any]], stage: str = "passages") -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CONTRACTS[stage], orient="row")


def asked(request: Request) -> str:
    """What a request wants: instruction, bare (an instruction), mark or edit."""
    begins = {"You write instructions": "instruction", "You judge": "mark", "You prepare": "edit"}
    told = contents(request.json, "system")
    return next(name for begin, name in begins.items() if told[0].startswith(begin)) if told else "bare"


def tagged(name: str, text: str, request: Request | None = None) -> str:
    """A text as it is asked for: in the tags that the request names."""
    told = contents(request.json, "system")[0] if request else f"between <{name}> and"
    tag = told.partition(f"between <{name}")[2].partition(">")[0]
    return f"<{name}{tag}>\n{text}\n</{name}{tag}>"


def between(text: str, name: str) -> str:
    return text.partition(f"<{name}>\n")[2].partition(f"\n</{name}>")[0]


Say = Callable[[Request], str]


def saying(
    instruction: Say | None = None, mark: Say = lambda request: "5", edit: Say | None = None
) -> Callable[[Request], str]:
    """What a model that does as it is told answers; each part may say something else."""

    def right(request: Request) -> str:
        lang = next(lang for lang, (_, text) in TEXTS.items() if text in request.text)
        return TEXTS[lang][0]

    def said(request: Request) -> str:
        match asked(request):
            case "instruction":
                return tagged("instruction", (instruction or right)(request), request)
            case "mark":
                return f"It says what was asked, and how.\nScore: {mark(request)}"
            case "edit":
                text = (edit or (lambda request: between(request.text, "passage")))(request)
                return tagged("response", text, request)
            case _:
                return f" {(instruction or right)(request)}\n\n### Text:\nMore of the same."

    return said


def recipe(
    folder: Path, base_url: str = "http://127.0.0.1:9/v1", langs: Sequence[str] = ("fi", "th"), **more: Any
) -> Recipe:
    return Recipe.model_validate(
        {
            "kind": "x-instruction",
            "corpus": folder,
            "texts": [{"lang": lang, "path": f"{lang}.txt"} for lang in langs],
            "languages": langs,
            "models": [{"model": MODEL, "base_url": base_url, "limits": {"concurrency": CONCURRENCY}}],
            "translate": {"check_language": False, "retries": 0},
            **more,
        }
    )


def corpus(folder: Path, langs: Sequence[str] = ("fi", "th"), n: int = 6) -> Corpus:
    """A corpus with so many passages in each language."""
    made = Corpus.create(folder)
    for lang in langs:
        rows = sorted((row(lang, at) for at in range(n)), key=lambda row: str(row["id"]))
        made.write("passages", lang, [frame(rows)], PASSAGES)
    return made


def walk(task: Task[Any], row: Mapping[str, Any], *said: str | Answer) -> tuple[list[wire.Request], Any]:
    """The requests that a task makes and what it comes to; the last answer goes on."""
    answers: list[Answer] = []
    requests: list[wire.Request] = []
    while not isinstance(step := task(row, answers), Result):
        requests.append(step)
        now = said[min(len(answers), len(said) - 1)]
        answers.append(now if isinstance(now, Answer) else Answer(now, "stop"))
    return requests, step.value


def bring_up(made: Corpus, asked: Recipe, stage: Asking, ledger: Ledger) -> list[Tally]:
    """Ask what a stage asks, round by round, and write its rows."""
    tallies = [
        dispatch(ask.jobs(), ask.pool, ledger, asked.translate.retries, None, lambda tally: None, lambda line: None)
        for ask in stage.rounds(asked.languages, ledger)
    ]
    for lang in asked.languages:
        step = stage.step(lang, ledger)
        made.write(step.stage, lang, step.frames(), step.contract)
    return tallies


def both(made: Corpus, asked: Recipe) -> None:
    """Bring up the generate and rate stages, with the corpus's ledger."""
    with Ledger(made.ledger) as ledger:
        bring_up(made, asked, Generation(made, asked), ledger)
        bring_up(made, asked, Rating(made, asked), ledger)


def process(made: Corpus, server: LlmServer) -> "subprocess.Popen[bytes]":
    """A process that does that, with edits, see `main`."""
    return subprocess.Popen([sys.executable, "-m", "tests.instructing", str(made.path), server.base_url])


def main(folder: str, base_url: str) -> None:
    retry.WAIT_FIRST_S = 0.001
    both(Corpus(Path(folder)), recipe(Path(folder), base_url, edit={}))


if __name__ == "__main__":
    main(*sys.argv[1:])
