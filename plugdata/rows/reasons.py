"""Why a row is not kept: the closed lists of statuses and reasons. Knows no column."""

from enum import StrEnum


class Status(StrEnum):
    KEPT = "kept"
    DROPPED = "dropped"  # a rule of the recipe took it out
    QUARANTINED = "quarantined"  # it could not be made right; asked for again only by hand
    FAILED = "failed"  # a transient error; asked for again by the next run


class Reason(StrEnum):
    """Why a row is not kept: the closed list. The stage that gives each is in brackets."""

    BAD_RECORD = "bad-record"  # [source] not an object, or a field of the wrong type
    NO_RESPONSE = "no-response"  # [source] a conversation without a first user-assistant exchange
    MULTI_TURN = "multi-turn"  # [source] `turns: quarantine`
    SYSTEM_PROMPT = "system-prompt"  # [source] carries its own system prompt and the recipe does not say what to do
    DUPLICATE_ID = "duplicate-id"  # [source, passages] the same texts as an earlier row
    EMPTY_INSTRUCTION = "empty-instruction"  # [screen]
    EMPTY_RESPONSE = "empty-response"  # [screen]
    PLACEHOLDER = "placeholder"  # [screen] "N/A", "none", "<noinput>" as a response, a template left unfilled
    NEEDS_MEDIA = "needs-media"  # [screen] asks about an image, a recording, a link that is not there
    DUPLICATE_EXACT = "duplicate-exact"  # [screen, passages, dedup] equal after normalisation
    DUPLICATE_NEAR = "duplicate-near"  # [screen, passages, dedup] Jaccard to the kept row at or above the threshold
    CONTAMINATED = "contaminated"  # [screen, dedup] holds a question of an evaluation set
    OTHER_SHARD = "other-shard"  # [screen, passages] another machine's part of the rows
    UNTRANSLATABLE = "untranslatable"  # [screen, translate] a task that loses its sense in translation
    NOT_TEXT = "not-text"  # [passages] a document that is empty, binary, or of no encoding that can be told
    NO_PASSAGE = "no-passage"  # [passages] a document of which cleaning and dividing leave nothing
    DOMAIN_CAP = "domain-cap"  # [passages] more of its domain than the recipe takes
    ASKS_TRANSLATION = "asks-translation"  # [generate] "translate …" for a text whose source nobody gives
    QUOTES_PASSAGE = "quotes-passage"  # [generate] the instruction gives the passage away
    NEEDS_PASSAGE = "needs-passage"  # [generate] it speaks of a text that its reader does not have
    RATING = "rating"  # [rate] the best of its marks is too low
    UNRATED = "unrated"  # [rate] none of its marks could be read
    QUOTA = "quota"  # [diversify] more of its cluster than the recipe takes
    NEWS = "news"  # [diversify] more about news than the recipe takes
    NO_TRANSLATION = "no-translation"  # [translate] the file of existing translations lacks it
    CALL_FAILED = "call-failed"  # [translate, generate, rate] transient errors outlasted the retries
    CONTENT_FILTER = "content-filter"  # [translate, generate, rate] the provider refused the text
    CONTEXT_LENGTH = "context-length"  # [translate, generate, rate] longer than the model's context
    REFUSAL = "refusal"  # [translate, generate, filter] it declined, or speaks of itself where the source does not
    TRUNCATED = "truncated"  # [translate, generate] cut short, or nothing says that the answer is whole
    LOOP = "loop"  # [translate] one thing said again and again
    BAD_TAGS = "bad-tags"  # [translate, generate] a segment missing, doubled or out of order
    EMPTY_ANSWER = "empty-answer"  # [translate, generate] a segment without text, or a tool call
    ECHO = "echo"  # [translate] the source came back; [generate] the prompt, or an earlier candidate
    MARKS = "marks"  # [translate] a protected span lost, doubled or made up
    ANSWERED = "answered"  # [translate] the instruction was followed, not translated
    COPIED = "copied-example"  # [translate, generate] a worked example of the prompt came back
    GLOSSARY = "glossary"  # [translate] a term of the glossary is not rendered as it says
    NO_MISTAKE = "no-mistake"  # [translate] the text to be corrected came back without its mistake
    TOO_LONG = "too-long"  # [translate] longer than a call takes, and without a place to split it
    PIVOT = "pivot"  # [pair] its translation into the pivot is not kept
    LABEL_COLLISION = "label-collision"  # [pair] a text holds a line that starts with one of the layout's labels
    LID = "lid"  # [passages, translate, generate, filter] language ID of a field
    SCRIPT = "script"  # [filter] letters of another script
    LENGTH = "length"  # [generate, filter] too short or too long
    RATIO = "ratio"  # [filter] target / pivot length out of band
    NUMBERS = "numbers"  # [filter] numbers lost or invented
    LISTS = "lists"  # [filter] list items lost or invented
    TABLES = "tables"  # [filter] table rows or columns
    HEADINGS = "headings"  # [filter] headings
    FENCES = "fences"  # [filter] blocks of code
    PARAGRAPHS = "paragraphs"  # [filter] paragraphs
    VERSE = "verse"  # [filter] lines of verse
    QUOTES = "quotes"  # [filter] brackets or quotation marks not closed
    ENDS = "ends"  # [filter] breaks off in a sentence
    LEFTOVER = "leftover"  # [filter] parts left in the pivot's language
    UNTRANSLATED = "untranslated"  # [translate, filter] single words of the pivot in a text of another script
    CORRUPTION = "corruption"  # [filter] characters of a wrong encoding, words of two scripts
    OPTIONS = "options"  # [filter] the response is none of the choices that the instruction offers
    REPETITION = "repetition"  # [passages, filter] says again what it has said, or the pivot says once
    COPYING = "copying"  # [filter] words left as the pivot has them
    SYMBOLS = "symbols"  # [filter] symbols or digits that the pivot lacks
    TEMPLATE = "template"  # [filter] something of a prompt or a trainer's template that the pivot lacks
    EQUAL = "equal"  # [filter] the response only gives its instruction back
    PII = "pii"  # [passages, filter] personal data, where the recipe drops it
    USER_FILTER = "user-filter"  # [filter] a filter of the recipe's own
    BACK_TRANSLATION = "back-translation"  # [quality] translated back, it is too unlike the pivot
    JUDGE = "judge"  # [quality] a mark of the judge's is too low
