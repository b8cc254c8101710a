"""Right answers damaged in the ways in which models damage them; each must be caught, or must show in a measurement.

A damage is a function of what was asked and what the right answer would say: it gives the damaged answer, or None where
there is nothing of its kind to damage. `struck` makes one a fault of the server. It must not know plugdata, and so
nothing of the checks that are to find it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.servers.llm.replies import (
    SEGMENT,
    Fault,
    Reply,
    Request,
    completion,
    contents,
    render,
    segments,
    target_language,
    usual_answer,
)
from tests.servers.llm.translator import translate

Tagged = list[tuple[str, str]]
"""(tag, text), in order."""


class Asked(NamedTuple):
    """A record as it was asked, its right translation, and the answers of the examples before it."""

    lang: str
    source: Tagged
    right: Tagged
    examples: Sequence[Tagged] = ()


class Said(NamedTuple):
    """A damaged answer."""

    content: str
    finish_reason: str = "stop"


Damage = Callable[[Asked], Said | None]
Edit = Callable[[str, str, str], str | None]
"""(source, right translation, language) → the damaged text of a segment, None where there is nothing to damage."""


def asked(request: Request) -> Asked:
    """What a request of protocol tags asks for, with the server's own answer to it."""
    right = [(tag + suffix, text) for tag, suffix, text in SEGMENT.findall(usual_answer(request))]
    said = [SEGMENT.findall(text) for text in contents(request.json, "assistant")]
    examples = [[(name, text.strip()) for name, _, text in found] for found in said if found]
    return Asked(
        target_language(request) or "", [(tag, text.strip()) for tag, text in segments(request)], right, examples
    )


def struck(choose: Callable[[Asked, int], Damage | None]) -> Fault:
    """The fault that damages answers as `choose` says of a record and of how often it was asked before, in whatever
    words."""
    times: Counter[tuple[str, str]] = Counter()

    def fault(request: Request) -> Reply | None:
        given = asked(request)
        record = (given.lang, render(given.source))
        damage = choose(given, times[record])
        times[record] += 1
        said = damage(given) if damage else None
        return completion(request, said.content, said.finish_reason) if said else None

    return fault


def _of(edit: Callable[[Tagged], Tagged]) -> Damage:
    """A damage to the answer's segments; None where that changes nothing."""

    def damage(given: Asked) -> Said | None:
        edited = edit(given.right)
        return Said(render(edited)) if edited != given.right else None

    return damage


def _in(edit: Edit, name: str = "response") -> Damage:
    """A damage inside the segment of a name."""

    def damage(given: Asked) -> Said | None:
        ours = dict(given.source)
        edited = {tag: edit(ours[tag], text, given.lang) for tag, text in given.right if tag.startswith(name)}
        if not edited or any(text is None or text == dict(given.right)[tag] for tag, text in edited.items()):
            return None
        return Said(render([(tag, edited.get(tag) or text) for tag, text in given.right]))

    return damage


def _swapped_texts(right: Tagged) -> Tagged:
    tags, texts = zip(*right, strict=True)
    return list(zip(tags, texts[::-1], strict=True))


def _cut(given: Asked) -> Said | None:
    content = render(given.right)
    return Said(content[: len(content) // 2], "length")


def _declined(words: str) -> Damage:
    return lambda given: Said(words)


def _echoed(given: Asked) -> Said | None:
    return Said(render(given.source)) if len(given.source[-1][1].split()) > 8 else None


def _copied(given: Asked) -> Said | None:
    alike = (one for one in given.examples if [name for name, _ in one] == [name for name, _ in given.right])
    return next((Said(render(example)) for example in alike), None)


def _obeyed(given: Asked) -> Said | None:
    """The instruction was followed: in its place stands what the response says."""
    (first, _), *rest = given.right
    answer = given.right[-1][1]
    return Said(render([(first, answer), *rest])) if len(answer) > 40 else None


def _obeyed_at_length(given: Asked) -> Said | None:
    (first, _), *rest = given.right
    long = translate(" ".join([given.source[0][1], given.source[-1][1]] * 5), given.lang)
    return Said(render([(first, long), *rest])) if len(given.source[-1][1]) > 100 else None


def _mended(given: Asked) -> Said | None:
    """What was to be corrected comes back right."""
    texts = dict(given.right)
    alike = dict(given.source)
    if "input" not in texts or alike["input"].split()[0] != alike["response"].split()[0]:
        return None
    return Said(render([(tag, texts["response"] if tag == "input" else text) for tag, text in given.right]))


_SENTENCE = re.compile(r"(?<=[.!?]) +|(?<=[。！？])")


def _left(n: int, of: int) -> Edit:
    """The first `n` sentences of each `of` are left untranslated."""

    def edit(source: str, right: str, lang: str) -> str | None:
        ours, theirs = _SENTENCE.split(source.strip()), [one for one in _SENTENCE.split(right) if one]
        if "\n" in source or len(ours) != len(theirs) or len(ours) < of:
            return None
        return " ".join(
            our if place % of < n else their for place, (our, their) in enumerate(zip(ours, theirs, strict=True))
        )

    return edit


def _line_edited(pattern: str, edit: Callable[[str], str]) -> Edit:
    """The last line that begins with a pattern, edited; or left out, where that gives nothing."""

    def edited(source: str, right: str, lang: str) -> str | None:
        lines = right.split("\n")
        found = [place for place, line in enumerate(lines) if re.match(pattern, line)]
        if not found:
            return None
        lines[found[-1]] = edit(lines[found[-1]])
        return "\n".join(line for place, line in enumerate(lines) if line or place != found[-1])

    return edited


def _replaced(pattern: str, by: str | Callable[[re.Match[str]], str], count: int = 1, of: int = 1) -> Edit:
    """The first `count` (0: all) places of a pattern replaced, in a text with `of` or more of them."""

    def edit(source: str, right: str, lang: str) -> str | None:
        return re.sub(pattern, by, right, count=count) if len(re.findall(pattern, right)) >= of else None

    return edit


def _long(edit: Edit, n_chars: int) -> Edit:
    """A damage to sources that have so many characters."""
    return lambda source, right, lang: edit(source, right, lang) if len(source) >= n_chars else None


def _unmarked(damage: Damage) -> Damage:
    """A damage to records without marks: one that comes without its marks is caught for that."""
    return lambda given: damage(given) if "⟦" not in render(given.source) else None


def _left_word(source: str, right: str, lang: str) -> str | None:
    """The longest word of the source behind a word of the right translation, where it is of another script."""
    if lang == "es":
        return None
    word = max(re.findall(r"\b[a-z]{4,}\b", source), key=len, default=None)
    return word and re.sub(r"[^\W\d_]{2}", rf"\g<0> {word}", right, count=1)


def _merged(source: str, right: str, lang: str) -> str | None:
    lines = right.split("\n")
    if len(lines) < 4 or max(map(len, lines)) > 60 or re.search(r"(?m)^(?:[-|#]|\d+\.|$)", right):
        return None
    return " ".join(lines)


def _other_label(source: str, right: str, lang: str) -> str | None:
    return OTHER_LABEL[lang] if source == "negative" else None


def _other_letter(source: str, right: str, lang: str) -> str | None:
    return {"B": "A", "ب": "أ"}.get(right)


def _mixed(source: str, right: str, lang: str) -> str | None:
    """A letter of another script in the middle of a long word."""
    other = "ж" if lang != "ar" else "z"
    return re.sub(r"([^\W\d_]{2})[^\W\d_](?=[^\W\d_]{2})", rf"\1{other}", right, count=1)


def _third(source: str, right: str, lang: str) -> str | None:
    return right[: len(right) // 3] if source.endswith(".") else None


def _mojibake(count: int) -> Edit:
    """So many words with a letter beyond ASCII went through cp1252; 0: all, of a text too short for language ID."""
    edit = _replaced(r"[^\W\d_]*[^\W\d_\x00-\x7f]+[^\W\d_]*", lambda word: _through_cp1252(word[0]), count)
    return lambda source, right, lang: edit(source, right, lang) if count or len(source) < 120 else None


def _through_cp1252(text: str) -> str:
    read = (bytes([byte]) for byte in text.encode())
    return "".join(byte.decode("cp1252") if byte not in _UNDEFINED else byte.decode("latin-1") for byte in read)


_UNDEFINED = {bytes([byte]) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}

DECLINED = {
    "es": "Lo siento, pero no puedo ayudarte con esa petición.",
    "ko": "죄송하지만 도와드릴 수 없습니다.",
    "zh": "很抱歉，我无法帮助您完成这个请求。",
    "ar": "عذرًا، لا يمكنني مساعدتك في هذا الطلب.",
}
OTHER_LANGUAGE = {"es": "fr", "ko": "ja", "zh": "ja", "ar": "ur"}
"""A language with which each is easily confused, in its own script where there is one."""
OTHER_LABEL = {"es": "desfavorable", "ko": "나쁜 평", "zh": "差评", "ar": "سيئ"}
"""What a translator may say for "negative" who has not seen which choices there are."""

FORM: dict[str, Damage] = {
    "segment lost": _of(lambda right: right[:-1]),
    "segment doubled": _of(lambda right: [*right, right[-1]]),
    "segments swapped": _of(lambda right: right[::-1]),
    "segment empty": _of(lambda right: [*right[:-1], (right[-1][0], "")]),
    "cut by length": _cut,
    "mark lost": _in(_replaced(r"⟦\d+⟧", "")),
    "mark doubled": _in(_replaced(r"(⟦\d+⟧)", r"\1 \1")),
    "mark made up": _in(lambda source, right, lang: right + " ⟦77⟧"),
    "mark broken": _in(_replaced(r"⟦(\d+)⟧", r"⟦\1")),
}
"""Damage to what every answer must have. The answer that is cut may be right with more room."""

MEANING: dict[str, Damage] = {
    name: _unmarked(damage)
    for name, damage in {
        "declined in English": _declined("I'm sorry, but I can't assist with that request."),
        "declined in the target language": _in(lambda source, right, lang: DECLINED[lang]),
        "echo": _echoed,
        "echo of one segment": _in(_long(lambda source, right, lang: source, 50)),
        "echo of three fifths": _in(_left(3, 5)),
        "obeyed": _obeyed,
        "obeyed at length": _obeyed_at_length,
        "example copied": _copied,
        "loop": _in(lambda source, right, lang: right + " " + " ".join([right.split()[-1][-12:]] * 400)),
        "other script": _in(_long(lambda source, right, lang: translate(source, "ru"), 200)),
        "other language": _in(_long(lambda source, right, lang: translate(source, OTHER_LANGUAGE[lang]), 200)),
        "mistake mended": _mended,
    }.items()
}
"""Answers of the right form that are no translations."""

DETAIL: dict[str, Damage] = {
    "texts swapped": _of(_swapped_texts),
    "one number changed": _in(_replaced(r"\d{3}", lambda number: str(int(number[0]) + 111), of=3)),
    "numbers changed": _in(_replaced(r"\d{3}", lambda number: str(int(number[0]) + 111), count=0)),
    "list item lost": _in(_line_edited(r"- |\d+\. ", lambda line: "")),
    "table row lost": _in(_line_edited(r"\| ", lambda line: "")),
    "heading level changed": _in(_line_edited("## ", lambda line: f"#{line}")),
    "verse lines merged": _in(_merged),
    "other label": _in(_other_label),
    "other letter": _in(_other_letter),
    "sentence left": _in(_left(1, 5)),
    "cut to a third": _unmarked(_in(_long(_third, 150))),
    "quote lost": _in(_replaced('["”»]', "")),
    "U+FFFD": _in(_replaced(r"(?<=[^\W\d_])[^\W\d_](?=[^\W\d_])", "\ufffd")),
    "mixed-script word": _in(_mixed),
    "mojibake": _in(_mojibake(0)),
    "mojibake in one word": _in(_mojibake(1)),
    "word left": _in(_left_word, "instruction"),
}
"""Translations with something wrong in them."""

DAMAGES = FORM | MEANING | DETAIL
