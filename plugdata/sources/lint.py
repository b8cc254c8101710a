"""Source lint: rows that cannot become a good pair, taken out before a call is paid for.

Owns the screens on a single row, row-wise and without settings; duplicates are curate's. English only, like the
sources. Must not know how rows were read. Each rule is narrow: a faulty row that stays costs one translation, a rule
that is too wide takes good rows out of every corpus.

- "None", "N/A" and their like can be right answers. They are placeholders only where nothing asks for them: any of
  them stays if the instruction or input holds that very word ("otherwise write N/A"), "None" also if the instruction
  asks a question, or to find, count, choose or compute ("Name the vowels in 'rhythm'", "What does f(0) return?").
- A slot that was never filled ("<Song>", "[insert text here]") is a placeholder, unless the task is about markup.
- A picture is missing only where the instruction points at one ("in this photo", "the attached video") and nothing
  in the row can stand for it: with an input in words ("Painting: The Mona Lisa") a model has what a reader has.
  An instruction that speaks of a picture of its own ("a caption for an image of …") points at none.
- A page behind a bare address counts as missing, for a model that cannot open it makes up what it says. Tasks on the
  address itself (its domain, a link with it) do not. Nor does a site's front page: what cnn.com is, a model knows.
"""

import polars as pl

from plugdata.rows import Reason, Status, take_out

VERSION = 2

_NOT_TEXT = " \t\r\n.,;:!?'\"`´*_~-–—…<>()[]{}|#/\\"  # stripped from the edges of what may be a placeholder

_NEVER = ["noinput", "no input", "nooutput", "no output", "no output provided", "no response", "no response provided"]
_NEVER += ["no answer", "no answer provided", "n/a", "n.a", "not applicable", "not available", "lorem ipsum"]
_NONE = ["none", "null", "nil", "nothing", "undefined", "nan", "empty"]
_ASKS_FOR_ONE = (
    r"(?i)\?|\b(?:which|what|who|whom|where|when|how (?:many|much)|any|if|whether|identify|find|extract|detect"
    r"|determine|count|list|name|select|choose|pick|classify|categori[sz]e|calculate|compute|evaluate|output|return|print"
    r"|predict|fill|complete|value|type|label|answer|solve"
    r"|opposite|synonym|antonym|word|means?)\b"
)
_TO_DO = r"^\W*(?:TODO|TBD|TBA)\W*$"  # capitals only: "todo" is Spanish, "To do." an answer
_DOTS = r"^\s*(?:\.{2,}|…+|-{3,}|_{2,}|\*{3,}|(?:\. ){2,}\.)\s*$"
_ASKS_FOR_MARKS = r"(?i)\b(?:morse|ellipsis|punctuat\w+|dots?|dash(?:es)?|symbols?|characters?|markdown)\b"

_SLOT = (
    r"(?i)^\s*(?:\{+|<\|?|\[+)\s*(?:(?:instruction|input|output|response|answer|prompt|completion|text|sentence|paragraph"
    r"|article|passage|document|story|song|lyrics|poem|code|name)"
    r"|(?:insert|enter|add|paste|your)\b[^\]>}\n]{0,60})\s*(?:\}+|\|?>|\]+)\s*$"
)
_MARKUP = r"(?i)\b(?:html|xml|svg|css|markup|markdown|tags?|elements?|latex|templates?|placeholders?)\b"

_SEEN = r"(?:images?|pictures?|photos?|photographs?|screenshots?|videos?(?: clips?)?)"
_HEARD = r"(?:audio(?: (?:clip|file|recording)s?)?|recordings?|sound (?:clip|file)s?)"
_MEDIA = rf"(?:{_SEEN}|{_HEARD})"
_ART = r"(?:paintings?|drawings?|illustrations?|cartoons?|memes?|gifs?|sketch(?:es)?)"
_PAGE = r"(?:articles?|news (?:article|story)|web\s?pages?|web\s?sites?|links?|urls?|blog posts?)"
_THIS = r"\b(?:this|these|the (?:following|attached|provided|given|accompanying|linked)) (?:[\w-]+ ){0,3}?"
# what may follow: so that "in the video game", "this picture of Dorian Gray" are not taken for pictures
_END = r"(?:\s*$|\s*[.?!,;)]|\s+(?:and|or|is|was|are|were|shows?|depicts?|below|above|attached|provided|to|into|as)\b)"
_POINTS = (
    rf"(?i)({_THIS}(?:{_MEDIA}|{_ART}|{_PAGE})|\b(?:in|on|at) the {_MEDIA}"
    rf"|\bthe (?:{_MEDIA}|{_ART}|{_PAGE}) (?:below|above|attached)){_END}"
)
_ATTACHED = (
    r"(?i)\b(?:in|from|using|read|see|open|summari[sz]e|describe|analy[sz]e|review|edit|proofread|translate|transcribe"
    r"|look at|watch|listen to|based on) (?:the|this|these|my) (?:[\w-]+ )?attached\b"
)
_OF_ITS_OWN = (
    rf"(?i)\b(?:an?|any|some|each|every|another|your|my) (?:[\w-]+ ){{0,2}}(?:{_MEDIA}|{_ART}|{_PAGE})\b"
    r"|\b(?:e-?mail|letter|message|memo|tweet|post|reply|script|dialogue|story|code|html|css|python|regex)\b"
    r"|:\s*\S"  # a colon: what is pointed at follows in the instruction itself
    rf"|\b{_PAGE}\b[^\n]*\n[^\S\n]*\n\s*\S"  # and so a page's words do after a blank line
)
_MARKER = (
    r"(?i)^\s*[<\[(](?:image|picture|photo|video|audio)[>\])]\s*(?:$|\n)"
    r"|\n\s*[<\[(](?:image|picture|photo|video|audio)[>\])]\s*$"
)
_FILE = r"(?i)^\s*[\w ./\\-]+\.(?:jpe?g|png|gif|bmp|webp|mp[34]|wav|ogg|flac|mov|avi|pdf|docx?)\s*$"
_MEDIA_ADDRESS = r"(?i)^\s*(?:\w+\s*:\s*)?(?:https?://|www\.)\S+\.(?:jpe?g|png|gif|bmp|webp|mp[34]|wav|mov|avi)\s*$"
_SEES = rf"(?i)\b(?:{_MEDIA}|{_ART})\b"
_DEEP_ADDRESS = r"(?i)^\s*(?:\w+\s*:\s*)?(?:https?://|www\.)[^\s/]+/\S+\s*$"
_READS = (
    rf"(?i)\b(?:summari[sz]e|summary|outline|main (?:points?|ideas?)|key (?:points?|ideas?)|paraphrase|describe|review"
    rf"|read|watch|contents?|analy[sz]e)\b.*\b(?:{_PAGE}|{_MEDIA}|text|story|post|passage)\b"
)
_ON_THE_ADDRESS = (
    r"(?i)\b(?:domain|shorten|shortened|hyperlink|anchor|html|protocol|query string|parse|valid|embed|markdown)\b"
)


def apply(batch: pl.DataFrame, responses: bool = True) -> pl.DataFrame:
    """Drop (stage "screen") rows with an empty or placeholder text, and rows about media that are not there.

    Needs: rows.SOURCE. Rows: all kept in place, same order; rows that are not kept are untouched. responses: False
    where prompts alone are wanted, of which no response is judged.
    """
    instruction, input, response = pl.col("instruction"), pl.col("input"), pl.col("response")
    pointed = pl.coalesce(
        instruction.str.extract(_POINTS, 1).str.strip_chars(_NOT_TEXT),
        pl.when(~_blank(input)).then(input.str.strip_chars()),
        pl.lit("an attachment"),
    )
    placeholders = [(_no_task(), "instruction"), (_slot(input), "input")]
    if responses:
        placeholders.append((_no_answer(), "response"))
    shown = pl.coalesce(pl.when(hit).then(pl.format(f"{name} is only {{}}", name)) for hit, name in placeholders)
    checks = [
        (Reason.EMPTY_INSTRUCTION, _blank(instruction), pl.lit("instruction has no text")),
        (Reason.EMPTY_RESPONSE, _blank(response) & responses, pl.lit("response has no text")),
        (Reason.PLACEHOLDER, pl.any_horizontal(hit for hit, _ in placeholders), shown),
        (Reason.NEEDS_MEDIA, _needs_media(), pl.format("asks about {}, which the row does not hold", pointed)),
    ]
    return take_out(batch, "screen", Status.DROPPED, checks)


def _blank(text: pl.Expr) -> pl.Expr:
    return ~text.str.contains(r"[^\s\p{Z}\p{C}]")


def _bare(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars(_NOT_TEXT).str.to_lowercase()


def _slot(text: pl.Expr) -> pl.Expr:
    return text.str.contains(_SLOT) & ~pl.col("instruction").str.contains(_MARKUP)


def _no_task() -> pl.Expr:
    instruction = pl.col("instruction")
    nothing = _bare(instruction).is_in([*_NEVER, *_NONE]) & _blank(pl.col("input"))
    return nothing | _slot(instruction) | instruction.str.contains(_TO_DO) | instruction.str.contains(_DOTS)


def _no_answer() -> pl.Expr:
    instruction, response = pl.col("instruction"), pl.col("response")
    bare = _bare(response)
    task = pl.concat_str(instruction, "input", separator="\n").str.to_lowercase()
    unasked = ~task.str.contains(bare, literal=True)
    never = bare.is_in(_NEVER) & unasked
    none = bare.is_in(_NONE) & unasked & ~instruction.str.contains(_ASKS_FOR_ONE)
    dots = response.str.contains(_DOTS) & ~instruction.str.contains(_ASKS_FOR_MARKS)
    return never | none | dots | response.str.contains(_TO_DO) | _slot(response)


def _needs_media() -> pl.Expr:
    instruction, input = pl.col("instruction"), pl.col("input")
    wordless = _blank(input) | input.str.contains(_DEEP_ADDRESS) | input.str.contains(_FILE)
    points = instruction.str.contains(_POINTS) | instruction.str.contains(_ATTACHED)
    marked = (instruction.str.contains(_MARKER) | input.str.contains(_MARKER)) & ~instruction.str.contains(_MARKUP)
    looks = input.str.contains(_MEDIA_ADDRESS) & instruction.str.contains(_SEES)
    reads = input.str.contains(_DEEP_ADDRESS) & instruction.str.contains(_READS)
    on_the_address = instruction.str.contains(_ON_THE_ADDRESS)
    pointing = points & wordless & ~instruction.str.contains(_OF_ITS_OWN)
    return marked | ((pointing | looks | reads) & ~on_the_address)
