"""What of a prompt or of a trainer's template came out in a translation: tags, marks, headings, slots, chat markers.

The source may rightly hold any of these (a task about prompts, a template to fill in): only what it lacks counts. A
slot in words ("[Your name]") does not, since it is translated with the rest. Takes whole texts; knows no row.
"""

import re

_PART = r"(?:system|instruction|input|output|response|answer|prompt|user|assistant|human|translation|source|target)"

_LEAK = re.compile(
    "|".join(
        (
            r"⟦[^⟦⟧\n]{0,8}⟧",  # a mark of ours (checks.mask)
            rf"(?i:</?{_PART}(?:-[0-9a-f]{{4}})?>)",  # a tag of ours, or of another prompt
            rf"(?im:^[ \t]{{0,3}}#{{2,4}} {{0,2}}{_PART}s?\b:?)",  # Alpaca's "### Response:"
            rf"(?i:[{{]{{1,2}}{_PART}[}}]{{1,2}})",  # a slot that nobody filled
            r"<\|[a-z][a-z_ ]{0,30}\|>",  # chat markers: <|im_start|>, <|user|>
            r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>",
            r"(?im:^[ \t]*(?:target|source) language[ \t]*:)",
            r"(?im:^[ \t]*(?:here is|here's|this is|below is) (?:the|your|a|my) translat(?:ion|ed text)\b)",
            r"(?im:^[ \t]*(?:translation|translated text)(?: (?:in|to|into) \w{1,30})?[ \t]*:)",
        )
    )
)

CLUES = ("⟦", "<", "##", "{", "[INST", "[/INST", "language", "translat")
"""One of these is in whatever leaks, in whatever case: for whole columns, to leave nearly all texts alone."""


def leaked(source: str, target: str) -> str | None:
    """The first thing of a template in a text that its source holds fewer times; None where there is nothing."""
    for found in _LEAK.finditer(target):
        leak = found[0].strip()
        if target.count(leak) > source.count(leak):
            return leak
    return None
