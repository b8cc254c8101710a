"""Where code stands in a text, and where the words of its comments stand in the code.

Fenced code (CommonMark's rules, and two habits of models: a fence that opens behind words, a fence that closes behind
code), SQL, YAML, JSON, and code nobody fenced: a third of Alpaca's code answers have no fence. The last is told line by
line: some lines only code has (`def f(x):`, `return x;`), others are code beside such a line (`x = 5`, `}`).
Prose must not be taken for code: a false find costs a translation, so each rule wants what prose does not have.

Takes time linear in the text. Knows nothing of marks, rows or languages of people.
"""

import json
import re
import string
from collections.abc import Iterator
from typing import AnyStr, NamedTuple


class Block(NamedTuple):
    """A stretch of code: `text[start:end]`, and the first word of its info string, lower case ("" where unknown)."""

    start: int
    end: int
    language: str = ""


_FENCE_RUN = re.compile(r"`{3,}|(?<!~)~{3,5}(?!~)")  # a longer row of tildes underlines a heading
_INFO = re.compile(r"[ \t]*+([^\s`~]*+)([^\n`~]*+)(?:\n|\Z)")
_BEFORE_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?")  # block quotes and list items


def fenced(text: str) -> Iterator[Block]:
    """Every fenced block with its fences; one that is not closed runs to the end."""
    if "```" not in text and "~~~" not in text:
        return
    opened: tuple[int, str, str, bool] | None = None  # start, run, language, stands behind words
    line, seen, last_line = 0, 0, -1
    for run in _FENCE_RUN.finditer(text):
        line = text.rfind("\n", seen, run.start()) + 1 or line
        first, last_line, seen = line != last_line, line, run.end()
        info = _INFO.match(text, run.end())
        if not info:  # something else of the kind follows on this line: inline code
            continue
        if opened:
            if run[0].startswith(opened[1]) and not info[1]:
                yield Block(opened[0], run.end(), opened[2])
                opened = None
        elif _BEFORE_FENCE.fullmatch(text, line, run.start()):
            indented = not text[line : run.start()].strip()
            opened = (line if indented else run.start(), run[0], info[1].lower(), False)
        elif first and run[0][0] == "`" and not info[2].strip():
            opened = (run.start(), run[0], info[1].lower(), True)
    if opened and not opened[3]:
        yield Block(opened[0], len(text), opened[2])


_JSON = json.JSONDecoder(parse_int=str, parse_float=str)  # nothing is computed, so no number is too long
_JSON_START = re.compile(r"""\{\s*"|\[\s*(?:["{\[\]\d-]|true\b|false\b|null\b)""")


def json_bodies(text: str) -> Iterator[Block]:
    """Every object and array that parses and holds a string, a list or several values: `[1]` is a footnote."""
    at = 0
    while start := _JSON_START.search(text, at):
        try:
            value, at = _JSON.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            at = max(error.pos, start.start() + 1)  # what lies before was part of what did not parse
        except RecursionError:  # no body is a thousand brackets deep
            return
        else:
            quoted = '"' in text[start.start() : at]
            if quoted or len(value) > 1 or any(isinstance(item, list | dict) for item in value):
                yield Block(start.start(), at, "json")


_SQL_VERB = (
    r"(?:SELECT|INSERT INTO|UPDATE [\w.]+ SET|DELETE FROM|ALTER TABLE|DROP (?:TABLE|DATABASE|VIEW|INDEX)|"
    r"CREATE (?:OR REPLACE )?(?:UNIQUE |TEMP |TEMPORARY )?(?:TABLE|VIEW|INDEX|DATABASE|TRIGGER|PROCEDURE|FUNCTION))\b"
)
_SQL_NEXT = (
    r"(?:[ \t]+\S|[(),;]|(?:SELECT|FROM|WHERE|GROUP BY|ORDER BY|HAVING|LIMIT|OFFSET|UNION|VALUES|SET|ON|AND|OR|AS|"
    r"(?:(?:LEFT|RIGHT|FULL|INNER|OUTER|CROSS) )*JOIN|PRIMARY KEY|FOREIGN KEY|RETURNING)\b|--)"
)
_NAMES = r"(?:DISTINCT )?[\w.()*]+(?:, ?[\w.()*]+)*"
_SQL = re.compile(
    "|".join(
        (
            # A statement at the start of a line, up to its semicolon or over the lines that go on with it.
            rf"(?m:^[ \t]*{_SQL_VERB}(?=[ \t]+[\w*(\"`\[]|[ \t]*\n)[^;\n]*(?:\n{_SQL_NEXT}[^;\n]*)*(?:;|$))",
            r"(?m:^[ \t]*select (?=[^;]{0,300}\bfrom [\w.]+\s*"
            r"(?:;|(?:where|join|inner|left|order|group|limit|having|union)\b))(?:[^;\n]|\n(?!\n)){1,600};)",
            # Within a sentence: only what holds names alone, so that the words after it stay.
            rf"\bSELECT {_NAMES} FROM [\w.]+(?: WHERE [\w.]+ ?[=<>!]+ ?(?:'[^'\n]*'|[\w.]+))?(?: ?;)?",
        )
    )
)
_KEY = r"[a-z_][\w.-]*:(?=\s|\Z)"
_FRONT_MATTER = re.compile(r"\A---[ \t\r]*\n(?:[ \t]*(?:[\w-]+:|- |#)[^\n]*\n){1,200}---(?=\s|\Z)")
_YAML = re.compile(rf"(?m)^{_KEY}[^\n]*(?:\n[ ]*(?:(?:- )?{_KEY}|- )[^\n]*){{2,}}")
_NESTED_KEY = re.compile(rf"\n +(?:- )?{_KEY}")


_SQL_HINTS = ("SELECT", "select ", "INSERT INTO", "UPDATE ", "DELETE FROM", "ALTER TABLE", "DROP ", "CREATE ")


def has_any(text: AnyStr, words: tuple[AnyStr, ...]) -> bool:
    """Whether one of the words, or signs, occurs."""
    for word in words:  # noqa: SIM110 - any() would cost as much as all the rest does on prose
        if word in text:
            return True
    return False


_SIGNS = b"`~{[<$\\@/%&)(;=#>:"
_BESIDE_SIGNS = bytes({*range(256)} - {*_SIGNS, *string.ascii_uppercase.encode()})
_SQL_SIGNS = tuple(hint.replace(" ", "").encode() for hint in _SQL_HINTS if hint.isupper())


def signs(text: str) -> bytes:
    """The signs of a text that code, markup and addresses are made of, and its capitals, in order: of prose some dozen.

    What hardly any text holds is looked for in these at no cost: the capitals of a word stand together here as well.
    """
    return text.encode("ascii", "replace").translate(None, _BESIDE_SIGNS)


def may_hold_statements(text: str, signs: bytes) -> bool:
    """False only where `statements` finds nothing; `signs` of the text, or of one that it is left of."""
    if (b":" in signs and ":\n" in text) or text.startswith("---"):
        return True
    return (b";" in signs and "select " in text) or (len(signs) > 3 and has_any(signs, _SQL_SIGNS))


def statements(text: str) -> Iterator[Block]:
    """SQL statements, and YAML that cannot be prose: front matter, or lower-case keys under lower-case keys."""
    if has_any(text, _SQL_HINTS):
        for found in _SQL.finditer(text):
            words = found[0].split()
            if "SELECT" not in words[0] or re.search(r"(?i)\bfrom\b|[;*\d]", found[0]):
                yield Block(found.start(), found.end(), "sql")
    if ":\n" in text or text.startswith("---"):
        if front := _FRONT_MATTER.match(text):
            yield Block(0, front.end(), "yaml")
        for found in _YAML.finditer(text):
            if _NESTED_KEY.search(found[0]):
                yield Block(found.start(), found.end(), "yaml")


_MODULE = (  # "import duties" is no code
    r"(?:os|sys|re|math|json|random|time|datetime|csv|string|collections|itertools|sqlite3|socket|threading|turtle|"
    r"tkinter|numpy|pandas|requests|nltk|sklearn|torch)"
)
_TYPE = r"(?:void|int|float|double|char|bool|boolean|long|[Ss]tring|[A-Z]\w*(?:<[^\n<>]*>)?)(?:\[\])?"
_ONLY_CODE = re.compile(
    r"(?m)^[ \t]*+(?:"
    + "|".join(
        (
            r"(?:async )?def \w+\([^\n]*:",
            r"class [A-Z]\w*(?:\([\w., ]*\))?:$",
            r"from [\w.]+ import [\w*, ()]+$",
            r"import (?:[\w.]+ as \w+$|(?:javax?|org|com)\.|[^\n]* from ['\"])",
            rf"import {_MODULE}\b[\w.]*$",
            r"(?:#include\s*[<\"]|#!/|#define [A-Z_]|<\?php|@Override)",
            rf"(?:(?:public|private|protected|static|final) )+{_TYPE} \w+(?:\([^\n]*|[ \t]*=[^\n]*;|;)[ \t]*$",
            r"(?:function|func|fn|fun) \w+\s*\([^\n]*$",
            r"(?:let|const|var) (?:\w+\s*=|[\[{])",
            r"(?:int|float|double|char|bool|boolean|long|[Ss]tring|auto)(?:\[\])? \*?\w+(?:\[\w*\])*\s*(?:=[^\n]*)?;$",
            r"(?:return(?: \w+)?|break|continue|\w+(?:\+\+|--));$",
            r"return\b(?=[^\n]*(?:[+*/=<>(\[!&|?\"]| - ))[^\n]*;$",
            r"(?:while (?:True|1):|(?:std::)?c(?:out *<<|in *>>))",
            r"\"[\w -]+\" *: *(?:\"[^\"\n]*\"|[\d.-]+|true|false|null),?$",  # JSON that does not parse
            r"[\w.$>:\[\]*-]+\([^\n]*\);$",
            r"[\w.$>\[\]-]+\s*[-+*/%]?=[^\n]*;$",
            r"(?:print|console\.log|System\.out\.print\w*|(?:plt|np|pd|df)\.\w+)\([^\n]*\)[ \t]*(?:#[^\n]*)?$",
            r"for \w+(?:, ?\w+)* in (?:range|enumerate|zip|sorted|reversed)\([^\n]*:",
            r"(?:if|while|for|else if|switch) ?\([^\n]*\)[ \t]*$",
            r"(?:if|elif|while) (?=[^\n]*(?:[=!<>]=|[<>%(]|\bnot\b|__))[^\n]*:$",
            r">>> \S",
            r"\$ [a-z./~][^\n]*$",
            r"> (?:npm|pip|git|cd|ls|python|docker|sudo|curl) [^\n]*$",
            r"(?:sudo \w|pip3? install \w|npm (?:install|run) |git (?:clone|commit|push|pull) |docker (?:run|build) )"
            r"[^\n]*(?<![.:!?])$",
        )
    )
    + ")"
)
# one of these is in every line that only code has
_CODE_WORDS = ("import ", "sudo ", "pip", "npm ", "git ", "docker ")
_CODE_HINTS = (*"({;=#$>:", *_CODE_WORDS, "@Override")
_CODE_SIGNS = frozenset(b"({;=#$>:<[@")  # a line that only code has holds one of these, or …
_CODE_BEGINS = (*_CODE_WORDS, "from ")
_CODE_BESIDE_CODE = re.compile(
    r"[ \t]*+(?:"
    + "|".join(
        (
            r"[)\]}{]++[;,)]*+(?:[ \t]*(?:else|catch|while|finally)\b[^\n]*)?$",
            r"\w[\w.,\[\]'\"]*\s*(?:[-+*/%]|//|\*\*)?=(?!=)(?![^\n\"']*\b[A-Za-z]{2,}+ [A-Za-z]{2,}+ [A-Za-z]{2})",
            r"(?:(?:else|try|finally|do):?|except\b[^\n]*:|pass|end|fi|done)$",
            r"(?:for|while|with|elif|if) [^\n]*:$",
            r"return\b[^\n]*(?<![.!?,])$",
            r"(?:import|using|package|namespace|require|from) [\w.'\"<>/*]+(?: import [\w, *]+)?;?$",
            r"[\w.]+\([^\n]*\)[ \t]*$",
            r"[\w-]+\s*:[^\n;]+;$",
            r"(?:echo|cd|export|mkdir|source) \S",
        )
    )
    + ")"
)
_GLUE = re.compile(r"[ \t]*(?:#(?!#)|//|--|/\*|@\w|$)")  # a comment or blank line goes with the code that follows
_INDENTED = re.compile(r"(?=  |\t)[ \t]*+(?![-*+•<>\s]|\d{1,3}[.)] )")
_QUOTES = re.compile(r"[ \t]*(\"{3}|'{3})")
_LINE = re.compile(r"[^\n]+")


def may_hold_lines(text: str, signs: bytes) -> bool:
    """False only where `unfenced` finds nothing; `signs` of the text, or of one that it is left of."""
    if not _CODE_SIGNS.isdisjoint(signs):
        return True
    return has_any(text, _CODE_WORDS) if "\n" in text else text.lstrip(" \t").startswith(_CODE_BEGINS)


def unfenced(text: str) -> Iterator[Block]:
    """Runs of lines of bare code; each run has a line that only code has."""
    if not has_any(text, _CODE_HINTS):
        return
    trimmed = "\n".join([line.rstrip() for line in text.split("\n")])  # "\r", and blanks that models leave
    if "{\n" not in trimmed and not _ONLY_CODE.search(trimmed):
        return
    start, end, certain = -1, -1, False
    for found in _LINE.finditer(text):
        if found.start() < end:  # within the docstring
            continue
        line = found[0].rstrip()
        if start >= 0 and (quotes := _QUOTES.match(line)):
            close = text.find(quotes[1], found.start() + quotes.end())
            end = len(text) if close < 0 else close + len(quotes[1])
            continue
        only = _ONLY_CODE.match(line) or line.endswith(" {") or line.endswith("){")
        if only or _CODE_BESIDE_CODE.match(line) or (start >= 0 and _INDENTED.match(line)):
            start, end, certain = (
                found.start() if start < 0 else start,
                found.start() + len(line),
                certain or bool(only),
            )
        elif not _GLUE.match(line):
            if certain:
                yield Block(start, end)
            start, certain = -1, False
    if certain:
        yield Block(start, end)


_STRING = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_DOCSTRING = r"^[ \t]*(?:\"\"\"(?P<d>(?s:.*?))(?:\"\"\"|\Z)|'''(?P<e>(?s:.*?))(?:'''|\Z))"
_STAR = r"/\*(?P<s>(?s:.*?))(?:\*/|\Z)"
_DIRECTIVE = r"(?:include|define|undef|ifn?def|if|else|endif|pragma|import)\b|!"
_COMMENTS = {
    "#": re.compile(rf"(?m){_DOCSTRING}|{_STRING}|(?<!\S)#+(?!{_DIRECTIVE})(?P<l>[^\n]*)"),
    "//": re.compile(rf"(?m){_STRING}|{_STAR}|(?<!:)//+(?P<l>[^\n]*)"),
    "--": re.compile(rf"(?m){_STRING}|{_STAR}|--(?P<l>[^\n]*)"),
    "<!--": re.compile(rf"<!--(?P<m>(?s:.*?))(?:-->|\Z)|{_STAR}"),
}
_STYLE = {
    "#": "python py python3 sh bash shell zsh ruby rb r yaml yml toml perl julia dockerfile makefile elixir powershell",
    "//": "c cpp c++ cs csharp c# java javascript js jsx ts typescript tsx go rust php swift kotlin scala dart",
    "--": "sql mysql postgresql plsql sqlite lua haskell ada",
    "<!--": "html xml css scss svg vue markdown md",
}
_STYLE_OF = {language: style for style, languages in _STYLE.items() for language in languages.split()}
_LETTER = re.compile(r"[^\W\d_]")
_BRACES = re.compile(r"(?m)[;{}][ \t]*$")


def comment_words(code: str, language: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the words of each comment and docstring, without its signs and edge white space."""
    style = _STYLE_OF.get(language)
    if style is None:
        body = code.split("\n", 1)[-1] if code.lstrip(" \t").startswith(("```", "~~~")) else code
        style = "<!--" if body.lstrip().startswith("<") else "//" if _BRACES.search(body) else "#"
    for found in _COMMENTS[style].finditer(code):
        if found.lastgroup and _LETTER.search(words := found[found.lastgroup]):
            start = found.start(found.lastgroup) + len(words) - len(words.lstrip())
            yield start, start + len(words.strip())
