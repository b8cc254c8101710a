"""The settings of a training run, from a YAML file and `key=value` words. Must not know how a model is trained."""

import dataclasses
import difflib
import re
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from peft import LoraConfig
from trl import SFTConfig

SET_ELSEWHERE = {  # of TRL's config: keys of ours decide these
    "output_dir": "output",
    "max_length": "max_length",
    "packing": "packing",
    "gradient_accumulation_steps": "batch",
    "completion_only_loss": "template",
    "eos_token": "template",
}


class SettingsError(Exception):
    """What is wrong with the settings or the model, in a line or two for whoever wrote them."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The keys of a config file; those without a default must be said."""

    model: str  # a Hub id or a folder
    data: str  # a Hub id or a dist/
    configs: list[str]  # one or more of the corpus: their rows are mixed
    output: str
    revision: str | None = None  # of the data
    split: str = "train"
    eval_split: str | None = None  # its loss is told before and after
    template: Literal["model", "tulu"] = "model"  # the model's own chat template, or PLUG's
    system: Literal["turn", "inline"] = "turn"  # inline: the system line opens the user's turn
    max_length: int = 4096
    too_long: Literal["drop", "fail"] = "drop"
    leave_out: str | None = None  # the output of another run: rows that were too long there are left out here too
    packing: bool = False
    batch: int = 64  # rows a step, over all processes
    resume: bool = False
    lora: dict[str, Any] | None = None  # peft's LoraConfig; none: every weight is trained
    train: dict[str, Any] = dataclasses.field(default_factory=dict)  # TRL's SFTConfig


class _Loader(yaml.SafeLoader):
    """YAML in which 5e-6 is a number, as in YAML 1.2, and not a text, as in PyYAML."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+"), list("-+0123456789")
)


def read(argv: list[str]) -> Settings:
    """The settings of a file and the `key=value` after it, which win. Raises SettingsError."""
    try:
        found = yaml.load(Path(argv[0]).read_text(encoding="utf-8"), _Loader) or {}
        if not isinstance(found, dict):
            raise SettingsError(f"{argv[0]} holds no keys")
        for word in argv[1:]:
            key, equals, value = word.partition("=")
            if not equals:
                raise SettingsError(f"{word!r} is no key=value")
            outer, dot, inner = key.partition(".")
            if dot and outer in ("lora", "train"):
                found[outer] = {**(found.get(outer) or {}), inner: yaml.load(value, _Loader)}
            else:
                found[key] = yaml.load(value, _Loader)
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{argv[0]} cannot be read: {error}") from error
    _known(found, [field.name for field in dataclasses.fields(Settings)], "")
    train, lora = found.get("train") or {}, found.get("lora") or {}
    for name, held in (("train", train), ("lora", lora)):
        if not isinstance(held, dict):
            raise SettingsError(f"{name}: got {held!r}; it holds keys, as {name}.KEY=VALUE")
    for key in SET_ELSEWHERE.keys() & train.keys():
        raise SettingsError(f"train.{key} is not set there: the key {SET_ELSEWHERE[key]!r} decides it")
    _known(train, [field.name for field in dataclasses.fields(SFTConfig)], "train.")
    _known(lora, [field.name for field in dataclasses.fields(LoraConfig)], "lora.")
    for field in dataclasses.fields(Settings):
        value, options = found.get(field.name, field.default), get_args(field.type)
        if value is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{field.name!r} is missing: say {field.name}=... or write it in {argv[0]}")
        if field.type in (str, int, bool) and type(value) is not field.type:
            raise SettingsError(f"{field.name}: got {value!r}, which is no {field.type.__name__}")
        if options and isinstance(options[0], str) and value not in options:
            raise SettingsError(f"{field.name}: got {value!r}; it is one of {', '.join(options)}")
    configs = found["configs"] if isinstance(found["configs"], list) else [found["configs"]]
    if not configs or not all(isinstance(name, str) for name in configs):  # YAML reads a bare no as a boolean
        raise SettingsError(f"configs: got {configs!r}; name one or more, quoted where YAML reads another thing")
    return Settings(**{**found, "configs": configs, "train": train})


def _known(found: dict[str, Any], names: list[str], where: str) -> None:
    for key in found:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"; did you mean {where}{near[0]}?" if near else ""
            raise SettingsError(f"unknown key {where}{key}{hint}")
