"""Whether a text is code, by its lines: for the route's class. What of it is masked, checks/code.py finds.

Narrow on purpose: prose with a formula, a list or a line in brackets is not code.
"""

import re

_LOOKED_AT = 40
"""Lines read: what begins as code for so long is code, and a hostile text costs no more."""
_LONGEST = 300
"""Characters read of a line."""

# what no prose line looks like
_SURE = re.compile(
    r"\s*(?:(?:async )?def \w+\(|class \w+(?:\([\w., ]*\))?\s*[:{]|(?:export |async )*function\b[ \w]*\("
    r"|from [\w.]+ import |import [\w.{}*]+(?:, ?[\w.]+)*(?: (?:as|from) .{1,60})?;?$|#include\b|#!/|using namespace "
    r"|(?:public|private|protected|static) [\w<>\[\] ]+[({;]|(?:const|let|var|int|float|double|char"
    r"|String) \w+(?:\[\])? ?="
    r"|(?:print|console\.\w+|System\.out\.\w+|printf|echo)\b ?\(.*\)?;?$|(?:else|try|finally):$|\}? ?else ?(?:if.*)?\{"
    r"|(?:if|for|while|switch) ?\(.*[{;)]$|for \w+(?:, ?\w+)? in .+:$|(?:if|elif|while) .*(?:[=<>!]=|[<>%]| in "
    r"| not ).*:$"
    r"|return [\w\[({\"'-].{0,80}[;)\]]$|(?:SELECT|DELETE) .*|INSERT INTO |UPDATE \w+ SET |(?:CREATE|ALTER|DROP) TABLE "
    r"|<!DOCTYPE|<!--|</?(?:html|head|body|title|meta|link|script|style|div|span|p|a|h[1-6]|ul|ol|li|table|t[rdh]|form"
    r"|input|button|img|br|hr)\b[^>]{0,200}>|[.#]?[\w-]+(?: [.#]?[\w-]+)? ?\{$|<\?php)"
)
# what goes with it
_LIKELY = re.compile(
    r"\s*(?:[\w.]+(?:\[[^\]]{0,60}\])? ?(?:[-+*/|&]|:)?= ?\S|[\w.]+\([^()]{0,120}\)?[;:,]?$|[{}()\[\];,]+$|#|//|/\*"
    r"|\*|\$ "
    r"|(?:return|break|continue|pass|else|end|FROM|WHERE|(?:LEFT |INNER )?JOIN|(?:GROUP|ORDER) BY|VALUES|LIMIT"
    r"|HAVING)\b"
    r"|[\w-]+: ?[^;]{1,80};$|.{1,200};$|</?\w)"
)
_FENCE = re.compile(
    r"^[ \t]{0,3}(?:```|~~~)([^\n`]{0,40})\n(.*?)(?:^[ \t]{0,3}(?:```|~~~)|\Z)", re.MULTILINE | re.DOTALL
)
_PLAIN = ("", "text", "txt", "plaintext", "plain", "markdown", "md")
"""What a fence says of its text when it says nothing of code."""


def is_code(text: str) -> bool:
    """Whether a text without fences is code: a line that can be nothing else, and half of the lines like code."""
    sure = likely = n = 0
    for line in text[: _LOOKED_AT * _LONGEST].splitlines()[:_LOOKED_AT]:
        line = line[:_LONGEST].rstrip()
        if line:
            n += 1
            found = _SURE.match(line) is not None
            sure += found
            likely += found or _LIKELY.match(line) is not None
    return sure > 0 and likely * 2 >= n


def fenced_code(text: str) -> bool:
    """Whether a fence of the text holds code: it names a language, or its text is code."""
    if "```" not in text and "~~~" not in text:
        return False
    return any(fence[1].strip().lower() not in _PLAIN or is_code(fence[2]) for fence in _FENCE.finditer(text))
