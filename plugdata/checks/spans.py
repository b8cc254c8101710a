"""What must not change in a text, found: a copy of the text in which every character of it is a NUL.

Each finder, in the order of what may hold what, overwrites what it finds in a copy of the same length, so no finder
reads into what an earlier one took and spans never overlap. Each first asks for a character without which it has
nothing to find: most texts are prose. A search that finds no end stops at the next beginning of its kind, at the end
of its line or after a bounded length, so the whole takes time linear in the text.

Knows nothing of marks (checks.mask), rows or languages of people; what code is, checks.code knows.
"""

import re
from collections.abc import Callable, Iterable

from plugdata.checks import code

NUL = "\0"  # white space to nobody, a letter to nobody


def covered(text: str, *, comments: bool = False) -> str:
    """The text with NULs for what must not change; with `comments`, the words of comments in code stay."""
    signs = code.signs(text)
    marked = not _SIGNS.isdisjoint(signs) or code.has_any(text, _OTHER_SIGNS)
    if marked:
        text = _apply(_cover(text, code.fenced(text), comments), _BEFORE_CODE)
    if code.may_hold_statements(text, signs):
        text = _cover(text, code.statements(text), comments)
    if code.may_hold_lines(text, signs):
        text = _cover(text, code.unfenced(text), comments)
    if marked:
        text = _apply(text, _BEHIND_CODE)
    return _DOTTED.sub(_erase, text) if _DOT.search(text) else text


def without_code(text: str) -> str:
    """The text with a blank for each stretch of what must not change: bare code too, which `prose` leaves."""
    return _NULS.sub(" ", covered(text))


_NULS = re.compile(f"{NUL}+")
_SIGNS = frozenset(b"`~{[<$\\@/%&)")
_OTHER_SIGNS = (*"⟦⟧〚〛", "www.")  # without one of either kind there are dotted names and bare code at most


def _apply(text: str, finders: Iterable[tuple[tuple[str, ...], Callable[[str], str]]]) -> str:
    for triggers, find in finders:
        if code.has_any(text, triggers):
            text = find(text)
    return text


def _erase(found: re.Match[str]) -> str:
    return NUL * len(found[0])


def _cover(text: str, blocks: Iterable[code.Block], comments: bool) -> str:
    """The text with each block overwritten, but for the words of its comments if these are wanted."""
    parts, at = [], 0
    for block in blocks:
        start = max(at, block.start)
        parts += [text[at:start]]
        at = start
        if comments:
            for begin, end in code.comment_words(text[start : block.end], block.language):
                parts += [NUL * (start + begin - at), text[start + begin : start + end]]
                at = start + end
        parts += [NUL * (block.end - at)]
        at = max(at, block.end)
    return "".join((*parts, text[at:])) if at else text


_TICKS = re.compile(r"`+")


def _inline_code(text: str) -> str:
    """Inline code, as many backticks before as behind; three or more may cross blank lines, as models write them."""
    runs = [(run.start(), run.end()) for run in _TICKS.finditer(text)]
    partner: dict[int, int] = {}
    latest: dict[int, int] = {}
    for i in range(len(runs) - 1, -1, -1):
        length = runs[i][1] - runs[i][0]
        if length in latest:
            partner[i] = latest[length]
        latest[length] = i
    blocks, i = [], 0
    while i < len(runs):
        j = partner.get(i, i)
        start, inside = runs[i]
        close, behind = runs[j]
        tex = text[close - 1].isspace() and text[behind : behind + 1].isalnum()  # `one' and `two': quotes, no code
        if j > i and not tex and (inside - start > 2 or text.find("\n\n", inside, close) < 0):
            blocks.append(code.Block(start, behind))
            i = j
        i += 1
    return _cover(text, blocks, comments=False)


_BEGIN = re.compile(r"\\begin\{(\w+\*?)\}")
_END = re.compile(r"\\end\{(\w+\*?)\}")


def _environments(text: str) -> str:
    """LaTeX environments, each from its \\begin to the next \\end of its name."""
    last = {end[1]: end.start() for end in _END.finditer(text)}
    blocks, at = [], 0
    for begin in _BEGIN.finditer(text):
        if at <= begin.start() < last.get(begin[1], -1):
            end = f"\\end{{{begin[1]}}}"
            at = text.index(end, begin.end()) + len(end)
            blocks.append(code.Block(begin.start(), at))
    return _cover(text, blocks, comments=False)


def _between(opening: str, closing: str) -> Callable[[str], str]:
    """A finder of formulas between two patterns, in one paragraph; `\\\\[2pt]` in one is no beginning."""
    tokens = re.compile(rf"(?<!\\)(?:({opening})|({closing}))|\n\s*\n")

    def find(text: str) -> str:
        blocks, start = [], -1
        for token in tokens.finditer(text):
            if token[2] and start >= 0:
                blocks.append(code.Block(start, token.end()))
            start = token.start() if token[1] else -1
        return _cover(text, blocks, comments=False)

    return find


_ADDRESS = r"(?:[!#-;=?-\[\]_a-{}~À-ɏͰ-ӿ])"  # no Chinese, Japanese or Korean: these run on after it without a blank
_URL = re.compile(rf"(?a)\b(?:https?|ftps?|wss?|ssh|git|s3|file)://{_ADDRESS}+|(?<![\w@./-])www\.{_ADDRESS}+")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def _trimmed(found: re.Match[str]) -> str:
    """NULs for an address; the full stop, comma or closing bracket after it, which are the sentence's, stay."""
    address = found[0]
    surplus = {closing: address.count(closing) - address.count(opening) for closing, opening in _CLOSING.items()}
    end = len(address)
    while end and (address[end - 1] in ".,;:!?'*" or surplus.get(address[end - 1], 0) > 0):
        end -= 1
        if address[end] in surplus:
            surplus[address[end]] -= 1
    return NUL * end + address[end:]


_MATH = re.compile(r"(?a)(?<![\w\\$])\$(?=[^\s$])[^$\n\0]*(?<=\S)(?<!\\)\$(?![\w$])")
_FORMULA = re.compile(r"[\\^_=+*/<>{|-]")


def _math(found: re.Match[str]) -> str:
    # As in Pandoc no blank inside the dollars and no digit behind, and no words alone: prices stay.
    return _erase(found) if " " not in found[0] or _FORMULA.search(found[0]) else found[0]


_FLAG = r"(?:disabled|checked|required|async|defer|selected|readonly|hidden|autofocus|controls|multiple|muted|loop)"
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)"
_TAG = (
    rf"</?[A-Za-z][\w:-]*(?:\s+(?:[\w:@.-]+\s*=\s*{_VALUE}|{_FLAG}\b(?!\s*=)))*\s*/?>"  # "a<b and c>d" is none
    r"|<![A-Za-z\[][^<>]*>|<\?[^<>]*>|<\|[^|<>\n]{1,64}\|>"
)
_EXTENSION = (
    r"\.(?:py|js|ts|jsx|tsx|java|c|cpp|h|cs|go|rs|rb|php|sh|bat|sql|html?|css|xml|jsonl?|ya?ml|toml|ini|cfg|conf|log|"
    r"md|txt|csv|tsv|pdf|docx?|xlsx?|pptx?|zip|tar|gz|png|jpe?g|gif|svg|mp[34]|wav|ipynb|exe|dll|jar|parquet)\b(?!\w)"
)
_ROOT = r"(?:usr|etc|var|home|bin|opt|tmp|dev|mnt|root|lib|proc|sys|srv|Users|Applications|Library|api)"
_NAME = r"\wÀ-ɏͰ-ӿ"  # the scripts of _ADDRESS, for patterns in which \w is ASCII
_SEGMENT = rf"[{_NAME}.@+{{}}-]*[{_NAME}}}]"  # ends in no full stop: that is the sentence's
_PATH = re.compile(
    rf"(?a)(?<![\w/.:~<-])/(?:{_ROOT}\b(?:/{_SEGMENT})*|{_SEGMENT}(?:/{_SEGMENT}){{2,}})/?"
    rf"|(?<![\w/.~])(?:\.{{1,2}}|~)(?:/{_SEGMENT})+/?"
    r"|(?<!\w)[A-Za-z]:\\(?:[\w.()&+-]+(?: [\w.()&+-]+){0,2}\\)*[\w.-]*[\w-]"
)
_TLD = r"\.(?:com|org|net|edu|gov|io)\b"
_DOT = re.compile(f"(?a){_EXTENSION}|{_TLD}")
_DOTTED = re.compile(
    rf"(?a)(?<![{_NAME}./@-])/?[{_NAME}-]+(?:[./][{_NAME}-]+)*(?:{_EXTENSION}|{_TLD}(?:/[\w./%+-]*[\w/])?)"
)


def _sub(pattern: str, replace: Callable[[re.Match[str]], str] = _erase) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda text: compiled.sub(replace, text)


_GROUP = r"\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}"
_BEFORE_CODE = (  # (one of these occurs, or there is nothing to find; what overwrites it)
    (("`",), _inline_code),
    (("</",), _sub(r"(?i)<(script|style|code|pre)\b[^<>]*>[^<]*(?:<(?!/?\1\b)[^<]*)*</\1\s*>")),
    (("<!--",), _sub(r"<!--[^<-]*(?:(?:<(?!!--)|-(?!->))[^<-]*)*-->")),
    (("{", "["), lambda text: _cover(text, code.json_bodies(text), comments=False)),
)
_BEHIND_CODE = (
    (("\\begin",), _environments),
    (("$$",), _sub(r"\$\$[^$]+\$\$")),
    (("\\[",), _between(r"\\\[", r"\\\]")),
    (("\\(",), _between(r"\\\(", r"\\\)")),
    (("$",), lambda text: _MATH.sub(_math, text)),
    (("://", "www."), lambda text: _URL.sub(_trimmed, text)),
    (("](",), _sub(r"(?<=\]\()[^()\s\0]+(?=\))")),
    # An address's local part has at most 64 characters (RFC 5321 §4.5.3.1.1); a handle is a name.
    (("@",), _sub(r"(?a)(?<![\w.%+-])[\w.%+-]{1,64}@[\w-]+(?:\.[\w-]+)+|(?<![\w@])@[A-Za-z_]\w{2,30}\b")),
    (("<",), _sub(_TAG)),
    (("/", ":\\"), lambda text: _PATH.sub(_erase, text)),
    (("()",), _sub(r"(?a)(?<![\w.])[A-Za-z_][\w.]*\(\)")),
    (("\\",), _sub(rf"\\(?![ntr][A-Z])[A-Za-z]{{2,}}\*?(?:\[[^\[\]\\\n]*\])?(?:{_GROUP})*|\\[ntr](?![a-z])")),
    (
        ("{",),
        _sub(
            r"\{\{[^{}\n]{1,200}\}\}|\{%[^{}\n]{1,200}%\}|\$\{[^{}\n]{1,200}\}|\{\}"
            r"|\{\w[\w.\[\]]*(?:![rsa])?(?::[^{}\s]{0,20})?\}"
            r"|\{\s*'[^'\n]*'\s*:[^{}\n]*\}"  # a Python dictionary
            r"|\w?[_^]\{[^{}\n]{1,40}\}"
        ),
    ),
    (
        ("%",),
        _sub(
            r"(?a)(?<![\d%])%(?:\(\w{1,64}\))?[-+#]?\d{0,3}(?:\.\d{1,3})?[sdifgeuxXcr](?!\w)"
            r"|(?<!\d)%[A-Za-z](?:[-/:., T]{1,2}%[A-Za-z])+"
        ),
    ),
    (("[",), _sub(r"\[/?(?:[A-Z][A-Z0-9]{2,}|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\]")),
    (("&",), _sub(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,6});")),
    (("⟦", "⟧", "〚", "〛"), _sub(r"[⟦〚][^\S\n]*(?:\d+[^\S\n]*)?[⟧〛]|[⟦⟧〚〛]")),
)
