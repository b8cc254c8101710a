"""What is known of data sets and providers by their names: licence, reference, terms. Read from their own pages.

A collection of many data sets under many licences (FLAN, P3, Super-NaturalInstructions) has none here: what its card
says is of the collecting, not of the texts.
"""

from typing import NamedTuple
from urllib.parse import urlsplit


class Known(NamedTuple):
    """A well-known data set: its licence, by the Hub's name, and what to cite."""

    license: str
    by: str
    title: str
    year: int
    url: str

    def __str__(self) -> str:
        return f"{self.by}: *{self.title}*. {self.year}. <{self.url}>"


class Provider(NamedTuple):
    """Who answers at an endpoint, and where its terms stand."""

    name: str
    terms: str


_ALPACA = Known(
    "cc-by-nc-4.0",  # its datasheet says ODC-By: the stricter of the two
    "Taori et al.",
    "Stanford Alpaca: An Instruction-following LLaMA model",
    2023,
    "https://github.com/tatsu-lab/stanford_alpaca",
)
_DOLLY = Known(
    "cc-by-sa-3.0",
    "Conover et al.",
    "Free Dolly: Introducing the World's First Truly Open Instruction-Tuned LLM",
    2023,
    "https://www.databricks.com/blog/2023/04/12/dolly-first-open-commercially-viable-instruction-tuned-llm",
)
_OASST = Known(
    "apache-2.0",
    "Köpf et al.",
    "OpenAssistant Conversations – Democratizing Large Language Model Alignment",
    2023,
    "https://arxiv.org/abs/2304.07327",
)
_AYA = Known(
    "apache-2.0",
    "Singh et al.",
    "Aya Dataset: An Open-Access Collection for Multilingual Instruction Tuning",
    2024,
    "https://arxiv.org/abs/2402.06619",
)

_SOURCES = {
    "tatsu-lab/alpaca": _ALPACA,
    "yahma/alpaca-cleaned": _ALPACA,  # its card says CC BY 4.0; the Alpaca rows it cleans are NC, and stay so
    "vicgalle/alpaca-gpt4": Known(
        "cc-by-nc-4.0", "Peng et al.", "Instruction Tuning with GPT-4", 2023, "https://arxiv.org/abs/2304.03277"
    ),
    "databricks/databricks-dolly-15k": _DOLLY,
    "OpenAssistant/oasst1": _OASST,
    "OpenAssistant/oasst2": _OASST,
    "HuggingFaceH4/no_robots": Known(
        "cc-by-nc-4.0", "Rajani et al.", "No Robots", 2023, "https://huggingface.co/datasets/HuggingFaceH4/no_robots"
    ),
    "CohereLabs/aya_dataset": _AYA,
    "CohereForAI/aya_dataset": _AYA,  # its former name
    "zhihz0535/X-AlpacaEval": Known(
        "cc-by-nc-4.0",
        "Zhang et al.",
        "PLUG: Leveraging Pivot Language in Cross-Lingual Instruction Tuning",
        2024,
        "https://arxiv.org/abs/2311.08711",
    ),
}

_PROVIDERS = {
    "api.openai.com": Provider("OpenAI", "https://openai.com/policies/services-agreement/"),
    "openai.azure.com": Provider("Microsoft Azure", "https://www.microsoft.com/licensing/terms"),
    "api.anthropic.com": Provider("Anthropic", "https://www.anthropic.com/legal/commercial-terms"),
    "generativelanguage.googleapis.com": Provider("Google", "https://ai.google.dev/gemini-api/terms"),
    "api.mistral.ai": Provider("Mistral AI", "https://mistral.ai/terms"),
    "api.together.xyz": Provider("Together AI", "https://www.together.ai/terms-of-service"),
    "openrouter.ai": Provider("OpenRouter", "https://openrouter.ai/terms"),
}


def data_set(name: str) -> Known | None:
    """A well-known Hub data set; None for any other."""
    return next((found for id, found in _SOURCES.items() if id.lower() == name.lower()), None)


def known_source(name: str) -> str | None:
    """The licence of a well-known Hub data set; None for any other."""
    found = data_set(name)
    return found and found.license


def provider(base_url: str) -> Provider | None:
    """Who answers at an endpoint; None for any that is not in the table."""
    host = urlsplit(base_url).hostname or ""
    return next((found for end, found in _PROVIDERS.items() if host == end or host.endswith(f".{end}")), None)
