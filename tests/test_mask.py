"""Masks: what must not change leaves the text and comes back byte for byte; prose stays."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugdata.checks import code
from plugdata.checks.mask import fault, has_words, mask, normalise, unmask

# fmt: off
PIECES = [
    "`", "```", "~~~", "\n", "\n\n", " ", "    ", "⟦", "⟧", "⟦0⟧", "⟦ 1 ⟧", "〚2〛", "$", "$$", "{", "}", "[", "]", "<",
    ">", "(", ")", "()", '"', "'", "\\", "\\(", "\\[", "\\]", "\\begin{a}", "\\end{a}", "0", "12", "%", "%s", "a", "é",
    "词", "कुछ", "http://a", ".", ",", "/", "a@b.c", "<b>", "</b>", "<!--", "-->", "# ", "// ", "/*", "*/", '"""', "\0",
    "SELECT a FROM b", ";", "x = 1", "print(x)", "def f(x):", "return x;", "a:", "- ", "---", "\r\n", "\t", "\u3000",
]
ENDLESS = [
    "`", "``` ", "```\n", "{", "[1,", "<", '<a b="', "<code>", "<!--", "$a ", "\\(", "\\[\\", "\\begin{a}", "\\a{",
    "\\a[", "⟦ ", "〚", "%(", "a@", "a.", "a/", "./", "(", "http://a)", "SELECT a, ", "select from ", "\nselect from",
    "for (", ")", "a", "x(a);\n", "\nx = 1", "\na:\n  b: c", "/*", '"""', "#", " ", "'", "\0 ",
]
# fmt: on
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(st.text() | HOSTILE, st.integers(0, 10**6), st.booleans())
@example("⟦0⟧", 0, False)
@example("```\n⟦1⟧\n```⟧", 1, True)
def test_every_text_comes_back_from_its_marks(text: str, first: int, comments: bool) -> None:
    masked = mask(text, first=first, comments=comments)
    assert unmask(masked.text, masked.spans, first=first) == text
    assert fault(masked.text, masked.spans, first=first) is None
    assert normalise(masked.text) == masked.text
    marks = re.findall("⟦[0-9]+⟧", masked.text)
    assert marks == [f"⟦{n}⟧" for n in range(first, first + len(masked.spans))]
    assert not re.search(r"⟧\s*⟦", masked.text)


@given(HOSTILE, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4))
def test_ranges_to_keep_stand_in_the_spans(text: str, keep: list[tuple[int, int]]) -> None:
    masked = mask(text, keep=keep)
    assert unmask(masked.text, masked.spans) == text
    for start, end in keep:
        assert text[start:end] in "\0".join(masked.spans)


def test_ranges_that_overlap_are_one_span() -> None:
    text = "Translate 'bonjour le monde' now."
    assert mask(text, keep=[(11, 18), (16, 27)]) == ("Translate '⟦0⟧' now.", ("bonjour le monde",))


PYTHON = "def area(r):\n    # the area of a circle\n    return 3 * r * r"


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        # fences
        ("See:\n```python\nx = 1\n```\nDone.", ["```python\nx = 1\n```"]),
        ("~~~\nx\n```\n~~~ \nend", ["~~~\nx\n```\n~~~"]),
        ("````md\n```\nx\n```\n````\nend", ["````md\n```\nx\n```\n````"]),
        ("Run this:\n```\nls -l\n\nand so on", ["```\nls -l\n\nand so on"]),
        ("1. First\n\n   ```sh\n   ls\n   ```\n2. Then", ["   ```sh\n   ls\n   ```"]),
        ("- ```sh\n  ls\n  ```\n- then", ["```sh\n  ls\n  ```"]),
        ("> ```\n> x\n> ```\n> said he", ["```\n> x\n> ```"]),
        ("The code: ```python\nx = 1\n``` as you see", ["```python\nx = 1\n```"]),
        ("```python\nprint(1)```\nprints one.", ["```python\nprint(1)```"]),
        ("代码如下：\n```js\nlet 甲 = 1;\n```\n就这样。", ["```js\nlet 甲 = 1;\n```"]),
        # inline code
        ("Use `ls -l` here.", ["`ls -l`"]),
        ("Use ``a ` b`` here.", ["``a ` b``"]),
        ("Use ```x``` and ```y``` here.", ["```x```", "```y```"]),
        ("한국어 `변수`를 쓴다", ["`변수`"]),
        ("one ` and two `` stay, `three` goes", ["`three`"]),
        ("`a\nb` crosses a line, `a\n\nb` no blank one", ["`a\nb`"]),
        # LaTeX
        ("If $a^2 + b^2 = c^2$ holds", ["$a^2 + b^2 = c^2$"]),
        ("so $x$, then", ["$x$"]),
        ("thus\n$$\n\\int_0^1 x\n$$\nfollows", ["$$\n\\int_0^1 x\n$$"]),
        ("thus \\[ a \\le b \\] and \\(x_1\\).", ["\\[ a \\le b \\]", "\\(x_1\\)"]),
        ("so \\[ a \\\\[2pt] b \\] is", ["\\[ a \\\\[2pt] b \\]"]),
        ("a \\( lone one, then \\(x\\)", ["\\(x\\)"]),
        ("A\n\\begin{align*}\na &= b \\\\\n\\end{align*}\nB", ["\\begin{align*}\na &= b \\\\\n\\end{align*}"]),
        ("\\begin{a}\\begin{b}\\end{b} x \\end{a} tail", ["\\begin{a}\\begin{b}\\end{b} x \\end{a}"]),
        ("write \\frac{\\sqrt{2}}{3} or \\alpha", ["\\frac{\\sqrt{2}}{3}", "\\alpha"]),
        # addresses
        ("See https://example.com/a?b=c#d.", ["https://example.com/a?b=c#d"]),
        ("See (https://example.com/a_(b)), or not", ["https://example.com/a_(b)"]),
        ("访问https://example.com/路径。", ["https://example.com/"]),
        ("请看http://a.cn/x，谢谢", ["http://a.cn/x"]),
        ("انظر https://example.com/a، ثم", ["https://example.com/a"]),
        ("auf https://de.example.org/Käse steht", ["https://de.example.org/Käse"]),
        ("[the page](../guide/start) tells", ["../guide/start"]),
        ("visit www.example.com, or example.org/about!", ["www.example.com", "example.org/about"]),
        ("Write to ana.b+c@mail.example.com.", ["ana.b+c@mail.example.com"]),
        ("请写信到ana@example.com。", ["ana@example.com"]),
        ("Follow @ana_lopez today", ["@ana_lopez"]),
        # tags
        ("<p class='x'>Hello <b>you</b></p>", ["<p class='x'>", "<b>", "</b></p>"]),
        ("A <br/> B <input type=text disabled> C", ["<br/>", "<input type=text disabled>"]),
        ("A <!-- note - <i>x</i> --> B", ["<!-- note - <i>x</i> -->"]),
        ("A<SCRIPT>if (a < b) {}</script>B", ["<SCRIPT>if (a < b) {}</script>"]),
        ("A <pre><code>words here</code></pre> B", ["<pre><code>words here</code></pre>"]),
        ("<!DOCTYPE html>\n<html>\nHi", ["<!DOCTYPE html>\n<html>"]),
        ('<?xml version="1.0"?> Text', ['<?xml version="1.0"?>']),
        ("a&nbsp;b &#169; c", ["&nbsp;", "&#169;"]),
        # data
        ('Parse {"name": "Ana", "tags": ["x", {"y": null}]} please', ['{"name": "Ana", "tags": ["x", {"y": null}]}']),
        ('The rows:\n[\n  {"a": 1},\n  {"a": 2}\n]\nare two', ['[\n  {"a": 1},\n  {"a": 2}\n]']),
        ("Sort [4, 2.5, -1e3] now", ["[4, 2.5, -1e3]"]),
        ("Python: {'a': 1} is a dict", ["{'a': 1}"]),
        ("---\ntitle: A day\ntags: [x]\n---\nOnce upon", ["---\ntitle: A day\ntags: [x]\n---"]),
        ("Use\n\nservices:\n  web:\n    image: nginx\n    ports:\n      - 80\n\nas a file", [
            "services:\n  web:\n    image: nginx\n    ports:\n      - 80"
        ]),
        # placeholders
        ("Hi {name}, {0:.2f} of {{ user.name }} in ${HOME}", ["{name}", "{0:.2f}", "{{ user.name }}", "${HOME}"]),
        ("Print %s, %(name)s, %5d or %.2f", ["%s", "%(name)s", "%5d", "%.2f"]),
        ("as %Y-%m-%d here", ["%Y-%m-%d"]),
        ("{이름}님, %s는 $x$를 sorted()로", ["{이름}", "%s", "$x$", "sorted()"]),
        ("end <|endoftext|> and [MASK] or [USER_NAME]", ["<|endoftext|>", "[MASK]", "[USER_NAME]"]),
        ("call sorted() or str.lower() now", ["sorted()", "str.lower()"]),
        # paths
        ("open /usr/local/x.py, then", ["/usr/local/x.py"]),
        ("in ./a/b or ../c.txt or ~/d.", ["./a/b", "../c.txt", "~/d"]),
        ("in C:\\Program Files\\App\\x.exe there", ["C:\\Program Files\\App\\x.exe"]),
        ("edit notes.md and src/main.rs.", ["notes.md", "src/main.rs"]),
        ("打开data.csv文件和 données.csv。", ["data.csv", "données.csv"]),
        # SQL
        ("SELECT a, b\nFROM t\nWHERE a > 1;\n\nIt reads t.", ["SELECT a, b\nFROM t\nWHERE a > 1;"]),
        ("CREATE TABLE t (\n  id INT,\n  name TEXT\n);\nmakes one", ["CREATE TABLE t (\n  id INT,\n  name TEXT\n);"]),
        ("INSERT INTO t VALUES (1, 'a b');", ["INSERT INTO t VALUES (1, 'a b');"]),
        ("select * from t\nwhere x = 1;\nis lower", ["select * from t\nwhere x = 1;"]),
        ("The query SELECT name FROM users returns them", ["SELECT name FROM users"]),
        # bare code
        (f"Here:\n\n{PYTHON}\n\nThat is it.", [PYTHON]),
        ("import os\n\nprint(os.name)\nOutput: posix", ["import os\n\nprint(os.name)"]),
        ("def f():\n'''Say it.\n\nTwice.'''\n    pass\nText.", ["def f():\n'''Say it.\n\nTwice.'''\n    pass"]),
        ("C:\n#include <a.h>\nint main() {\n  return 0;\n}\nEnd.", ["#include <a.h>\nint main() {\n  return 0;\n}"]),
        ("for (int i = 0; i < n; i++) {\n  s += i;\n}", ["for (int i = 0; i < n; i++) {\n  s += i;\n}"]),
        ("class A {\n  private int n;\n  public int get()\n  {\n    return n;\n  }\n}", [
            "class A {\n  private int n;\n  public int get()\n  {\n    return n;\n  }\n}"
        ]),
        ("import math\nmath.sqrt(4)\nis two", ["import math\nmath.sqrt(4)"]),
        ('{\n  "n": 1,\n}\nis no JSON', ['{\n  "n": 1,\n}']),
        ("x = 5\ny = x + 1\nprint(y)", ["x = 5\ny = x + 1\nprint(y)"]),
        (".a {\n  color: red;\n}\nturns it red", [".a {\n  color: red;\n}"]),
        ("Install it:\n$ pip install x\nand go", ["$ pip install x"]),
        ("So:\r\nx = 1 \r\nprint(x) \r\nThat is it.\r\n", ["x = 1 \r\nprint(x)"]),
        (">>> 1 + 1\nis two", [">>> 1 + 1"]),
        # marks of the source's own
        ("Write ⟦12⟧ or ⟦ or ⟧.", ["⟦12⟧", "⟦", "⟧"]),
        ("〚3〛 and ⟦ ३ ⟧ too", ["〚3〛", "⟦ ३ ⟧"]),
    ],
)  # fmt: skip
def test_what_must_not_change_is_masked_and_nothing_else(text: str, spans: list[str]) -> None:
    masked = mask(text)
    assert list(masked.spans) == spans
    assert unmask(masked.text, masked.spans) == text


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5, or $10 for two; they paid between $20 and $30.",
        "Rent: $1,200\nFood: $300\nTotal: $1,500",
        "A discount of 50% for students, 100% sure, 5 % d'alcool.",
        "and/or, he/she, km/h, 1/2, 24/7, s/he",
        "Pick one of {blue, green, yellow}. See note [1] and [a].",
        "Dear [Your Name],\nI am writing to you.",
        "Name: Ana\nAge: 30\nCity: Lima",
        "ingredients:\n  - 2 eggs\n  - flour",
        "Leaves twirl and glide,\nDrifting gently to the ground;\nAutumn's dance begins (again);",
        "if a<b and c>d, then a < c; I <3 you",
        "Select the best answer from the list; update the table; delete nothing from it.",
        "SELECT THE BEST ANSWER",
        "for those who stay:\nwhile others leave:\nelse nothing",
        "import duties rose\nreturn to me\nclass begins at nine",
        "> a quotation\n> of two lines",
        "It was 5 o'clock... e.g. at noon, i.e. twelve. Mr. Ng vs. U.S. No.5",
        "x = 6 and y = 7, so x + y = 13",
        "하나, 둘; 셋: 넷 (다섯)!",
        "价格为$5和$10。（真的）",
        "A heading\n~~~~~~~~~\n\n# Heading\n\n* one\n* two\n\n1. first\n   more of it",
        "Question (a): why? Answer (b): because.",
        "public schools (in the UK);\nprivate lessons",
        "The ``first'' and the ``second'', the `third' and the `fourth'",
        "and all return to sender;\nreturn to sender;",
        "Print the page (twice) and let me know.",
    ],
)
def test_prose_stays(text: str) -> None:
    assert mask(text) == (text, ())


def test_marks_are_numbered_from_first() -> None:
    masked = mask("Use `a`, then `b`.", first=7)
    assert masked.text == "Use ⟦7⟧, then ⟦8⟧."
    assert unmask("Zuerst ⟦8⟧, dann ⟦7⟧; ⟦6⟧ bleibt.", masked.spans, first=7) == "Zuerst `b`, dann `a`; ⟦6⟧ bleibt."


def test_spans_with_only_white_space_between_them_are_one() -> None:
    assert mask("See `a` \n\n `b`{c}: done").spans == ("`a` \n\n `b`{c}",)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("```python\nx = 1  # one thing\n# another\ny = '# none'\n```", "⟦0⟧one thing⟦1⟧another⟦2⟧"),
        ('```js\n/* adds\n   two */\nf("// no") // at last\n```', "⟦0⟧adds\n   two⟦1⟧at last⟦2⟧"),
        ("```html\n<b>x</b><!-- bold -->\n```", "⟦0⟧bold⟦1⟧"),
        ("```sql\nSELECT 1 -- just one\n```", "⟦0⟧just one⟦1⟧"),
        ("```c\n#include <a.h>\nint x; // see https://a.org/b\n```", "⟦0⟧see ⟦1⟧"),
        ('def f(x):\n    """Give x back."""\n    return x  # unchanged', "⟦0⟧Give x back.⟦1⟧unchanged"),
        ("int f() {\n  return 1; // 일\n}", "⟦0⟧일⟦1⟧"),
        ("```\nx = 1 # 1\n```", "⟦0⟧"),
    ],
)
def test_words_of_comments_stay_visible_on_request(text: str, masked: str) -> None:
    assert mask(text, comments=True).text == masked
    assert mask(text).text == "⟦0⟧"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("⟦1⟧ b ⟦0⟧", None),
        ("⟦0⟧", "⟦1⟧ is missing"),
        ("⟦0⟧ ⟦1⟧ ⟦1⟧", "⟦1⟧ stands twice"),
        ("⟦0⟧ ⟦1⟧ ⟦0⟧ ⟦0⟧", "⟦0⟧ stands 3 times"),
        ("⟦0⟧ ⟦1⟧ ⟦9⟧", "⟦9⟧ was never there"),
        ("⟦0⟧ ⟦1⟧ ⟦2 and", "a broken mark '⟦2'"),
        ("⟦0⟧ ⟦1⟧ 2⟧", "a broken mark '2⟧'"),
        ("⟦0⟧ ⟦1⟧ ⟦x⟧", "a broken mark '⟦x⟧'"),
        ("⟦0⟧ ⟦01⟧", "⟦1⟧ is missing; a broken mark '⟦01⟧'"),
    ],
)
def test_fault_names_what_is_wrong_with_the_marks(text: str, said: str | None) -> None:
    assert fault(text, 2) == said
    assert fault(text, ("a", "b")) == said


def test_fault_counts_from_first_and_names_only_a_few() -> None:
    assert fault("⟦4⟧", 1, first=4) is None
    assert fault("⟦0⟧", 1, first=4) == "⟦4⟧ is missing; ⟦0⟧ was never there"
    assert fault("", 7) == "; ".join(f"⟦{n}⟧ is missing" for n in range(5)) + "; 2 more"


@pytest.mark.parametrize(
    ("bent", "right"),
    [
        ("⟦ 0 ⟧", "⟦0⟧"),
        ("⟦०⟧ और ⟦１２⟧ و⟦٣⟧", "⟦0⟧ और ⟦12⟧ و⟦3⟧"),
        ("〚4〛", "⟦4⟧"),
        ("⟦5] und [6⟧", "⟦5⟧ und ⟦6⟧"),
        ("⟦007⟧", "⟦7⟧"),
        ("[0] 【1】 (2) ⟦a⟧ ⟦3 ", "[0] 【1】 (2) ⟦a⟧ ⟦3 "),
    ],
)
def test_normalise_straightens_bent_marks_and_leaves_all_else(bent: str, right: str) -> None:
    assert normalise(bent) == right


@pytest.mark.parametrize(
    ("text", "words"),
    [("⟦0⟧", False), ("1. ⟦0⟧ — ⟦1⟧!", False), ("", False), ("⟦0⟧ 그", True), ("¿Qué?", True), ("२ + २", False)],
)
def test_only_letters_outside_the_marks_are_words(text: str, words: bool) -> None:
    assert has_words(text) is words


@pytest.mark.parametrize("piece", ENDLESS)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))  # minutes, were any pattern quadratic
    for hostile in (text, f"```{text}~~~", f"()x(a);\n{text}</b>", f"x(a);\nx = 1{text} "):
        masked = mask(hostile, comments=True)
        assert unmask(masked.text, masked.spans) == hostile


BITS_OF_CODE = (
    *("import os", "import numpy as np", "from a import b", "sudo ls", "pip install x", "git clone y", "@Override"),
    *("SELECT a FROM b", "select a from b;", "INSERT INTO t VALUES (1)", "DROP TABLE t", "key:", "  - name: x", "---"),
    *("def f():", "x = 5", "return;", "let [a", "<?php", "cout << x", "Words", " of prose. ", "강", "\n", "\r\n", "\t"),
)


@given(st.lists(st.sampled_from(BITS_OF_CODE), max_size=8).map("".join))
def test_a_text_is_passed_over_only_where_it_holds_no_code(text: str) -> None:
    signs = code.signs(text)
    assert code.may_hold_statements(text, signs) or not list(code.statements(text))
    assert code.may_hold_lines(text, signs) or not list(code.unfenced(text))
