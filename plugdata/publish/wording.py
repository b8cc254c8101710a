"""The fixed passages of a card: for pairs, for instructions alone, for natural text, and for given translations.

Owns these words. Must not know rows, files or how a card is laid out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plugdata.pair import LayoutName

_PLUG = """\
PLUG (Pivot Language Guided Generation, [arXiv:2311.08711](https://arxiv.org/abs/2311.08711)) trains a model to answer
in a language it serves badly by way of one it serves well. Given an instruction in the target language, the model
first restates it in the pivot language, answers there, and then answers in the target language, all in one turn.
Every row here holds all three texts, so the same rows also train the direct, monolingual baseline."""

_ASKS = """\
X-AlpacaEval ([arXiv:2311.08711](https://arxiv.org/abs/2311.08711)) compares models on instructions that professionals
translated. Rows like these put such questions in more languages; what a model scores on them is not to be laid beside
its score on a professional translation."""

_NATURAL = """\
X-Instruction ([arXiv:2405.19744](https://arxiv.org/abs/2405.19744)) turns the making of instruction data round: a
response is natural text, written in its language by people, and the instruction that it answers is made for it in
another language. So the answers carry what translation does not bring: the language's own knowledge and style."""

CITATION = """\
@inproceedings{zhang-etal-2024-plug,
  title     = {{PLUG}: Leveraging Pivot Language in Cross-Lingual Instruction Tuning},
  author    = {Zhang, Zhihan and Lee, Dong-Ho and Fang, Yuwei and Yu, Wenhao and Jia, Mengzhao and Jiang, Meng and
               Barbieri, Francesco},
  booktitle = {Proceedings of the 62nd Annual Meeting of the Association for Computational Linguistics},
  year      = {2024},
  url       = {https://arxiv.org/abs/2311.08711}
}"""

X_INSTRUCTION = """\
@inproceedings{li-etal-2024-x-instruction,
  title     = {{X}-Instruction: Aligning Language Model in Low-resource Languages with Self-curated Cross-lingual
               Instructions},
  author    = {Li, Chong and Yang, Wen and Zhang, Jiajun and Lu, Jinliang and Wang, Shaonan and Zong, Chengqing},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2024},
  year      = {2024},
  url       = {https://arxiv.org/abs/2405.19744}
}"""

LAYOUTS: Mapping[LayoutName, str] = {
    "plug": "the method: restate in the pivot, answer there, then answer",
    "plug-target-first": "the same parts, the target's answer first",
    "plug-no-instruction": "the method without the restated instruction",
    "plug-no-response": "the method without the pivot's answer",
    "mono": "the monolingual baseline",
    "pivot": "the pivot alone, as it was before translation",
    "code-switch": "asked in the pivot, answered in the target",
    "code-switch-reverse": "asked in the target, answered in the pivot",
    "translate-instruction": "the translation of the instruction as a task",
    "translate-response": "the translation of the response as a task",
    "x-instruct": "asked in the pivot, answered in the target, as X-Instruction does",
    "prompt": "the question alone",
}
"""What each layout is for, in a few words."""

MIXED: Sequence[LayoutName] = ("code-switch", "code-switch-reverse", "translate-instruction", "translate-response")
"""Layouts that are meant to be trained on beside others."""

FINDINGS: Mapping[str, str] = {
    "numbers": "numbers differ",
    "lists": "list items differ",
    "tables": "tables differ",
    "headings": "headings differ",
    "fences": "blocks of code differ",
    "paragraphs": "paragraphs differ",
    "verse": "lines of verse differ",
    "quotes": "brackets or quotation marks differ",
    "ends": "one breaks off, the other does not",
    "leftover": "words or parts left in the pivot's language",
    "untranslated": "single words left in the pivot's language",
    "corruption": "characters that look corrupted",
    "options": "the answer is not quite one of the choices offered",
    "mixed": "some prose looks like another language",
    "abstained": "too little prose for language identification",
    "pii": "looks like it holds personal data (e-mail, phone, card, IBAN)",
}
"""What a share of rows has, by the name that findings.py gives it. All but the last three compare target and pivot."""

MEANS: Mapping[str, str] = {
    "chrf_instruction": "back-translation of the instruction, mean chrF (0–100)",
    "chrf_response": "back-translation of the response, mean chrF (0–100)",
    "judge_accuracy": "mean accuracy (1–5), judged by a model",
    "judge_fluency": "mean fluency (1–5), judged by a model",
}


@dataclass(frozen=True)
class Words:
    """What a card says of one kind of rows."""

    tags: tuple[str, ...]
    title: str  # of a data set without a name, before its languages
    texts: str  # which texts of a row are in the target languages
    about: str
    use: str
    cited: str  # what stands above the citation
    meanings: Mapping[str, str] = field(
        default_factory=dict
    )  # column → its meaning, where that is not publish.COLUMNS'


PAIRS = Words(
    tags=("plug", "synthetic", "instruction-tuning"),
    title="PLUG",
    texts="Instructions and responses",
    about=_PLUG,
    use="`messages` is ready for any trainer that takes chat messages; the loss belongs on the assistant's turn alone. "
    "With TRL, whose trainer does so for this form:\n\n"
    "```python\n"
    "def turns(row):\n"
    '    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}\n\n\n'
    'rows = rows.map(turns, remove_columns=["messages"])\n'
    "```\n\n"
    "The flat columns train the monolingual baseline on the same rows: `instruction` as the prompt, `response` as the "
    "answer. A pair's texts in one turn are long: cut nothing below two to three times the length that plain rows "
    "need. `layouts.json` holds the system lines and the label of each part, to build prompts and to take a model's "
    "answers apart.",
    cited="The method",
)

PROMPTS = Words(
    tags=("prompts", "machine-translation", "evaluation"),
    title="Prompts",
    texts="Instructions",
    about=_ASKS,
    use="`messages` is the user's turn alone, to be sent to a model as it is. It is no data to train on.",
    cited="The benchmark named above",
    meanings={
        "pivot_response": "null: there are no responses",
        "response": "null: there are no responses",
        "messages": "the user's turn",
        "lid_score": "null: there is no response to score",
        "length_ratio": "null: there is no response to measure",
    },
)

NATURAL = Words(
    tags=("x-instruction", "synthetic", "instruction-tuning"),
    title="X-Instruction",
    texts="Responses",
    about=_NATURAL,
    use=PAIRS.use.partition("The flat columns")[0]
    + "`layouts.json` holds the system lines and the label of each part, where a layout has any.",
    cited="The methods",
    meanings={
        "id": "hash of the passage as it was read",
        "source_id": "the URL of the passage's document, else its id or place in the source",
        "pivot_instruction": "the instruction that was made for the passage, in the pivot language",
        "pivot_response": "the passage translated into the pivot language; null = no layout needs it",
        "instruction": "the instruction in the target language; null = no layout needs it",
        "response": "the passage: natural text in the target language",
    },
)


def summary(words: Words, made: bool) -> str:
    """What rows without responses are, in a sentence; "" for pairs, whose heading says it."""
    if words is not PROMPTS:
        return ""
    if made:
        return "Machine-translated instructions, no responses; not a professional translation."
    return "Instructions, no responses; their translations were given."


def limits(words: Words, made: bool, given: str) -> str:
    """What a reader must know. made: whether a model translated; given: into which languages it was not needed."""
    known = []
    if words is NATURAL:
        known.append(
            "- The instructions were made by a machine for texts that people wrote for other readers. No person\n"
            "  has checked that a text answers its instruction, or that what it says is true."
        )
    elif made:
        known.append(
            f"- {words.texts} were translated by a machine. No person has checked them; the filters above catch what\n"
            "  can be measured, not what merely reads wrong."
        )
    if given:
        known.append(
            f"- The translations into {given} were given: who made them, and whether anyone checked them, is not\n"
            "  recorded here."
        )
    known.append(
        "- The texts describe the world of their source: its errors, its dates, its culture and its biases came along."
    )
    if words is not PROMPTS:
        known.append("- `lid_score` and `length_ratio` help to find doubtful rows; they do not measure quality.")
    return "\n".join(known)
