"""What stands in manifest.json and progress.json: the stages of a corpus, what they were made from, how far one is."""

from pydantic import BaseModel, ConfigDict

from plugdata.rows import Status


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Stored):
    """One stage of the funnel: rows = kept + carried + all of `out`."""

    rows: int = 0
    kept: int = 0
    carried: int = 0  # already taken out by an earlier stage
    out: dict[str, dict[str, int]] = {}  # status → reason → rows this stage took out

    def taken(self, status: Status | None = None) -> int:
        return sum(sum(reasons.values()) for name, reasons in self.out.items() if status in (None, name))


class StageRecord(_Stored):
    """What the manifest says of a finished stage (of one language, where it has one)."""

    inputs: tuple[str, ...]  # the stages it was made from; it is forgotten when one of them is written anew
    digest: str  # of its inputs' content, its settings and its version: equal digest, equal output
    output: str  # sha256 of the Parquet file
    census: str  # which rows it holds, whatever their order and verdict
    counts: Counts
    fitted: dict[str, float] = {}  # bounds that the stage took from all its rows


class SourceRecord(_Stored):
    name: str
    digest: str  # of the content
    license: str | None = None


class Manifest(_Stored):
    """manifest.json. `stages` is keyed "screen" or "translate/ko", in the order they ran."""

    version: int = 1
    pivot: str
    sources: tuple[SourceRecord, ...]
    stages: dict[str, StageRecord] = {}

    def without(self, key: str) -> "Manifest":
        """The manifest with a stage forgotten, and every stage that was made from it."""
        gone = {key}
        for other, record in self.stages.items():  # a stage stands after its inputs
            if gone.intersection(record.inputs):
                gone.add(other)
        return self.model_copy(update={"stages": {k: r for k, r in self.stages.items() if k not in gone}})

    def with_stage(self, key: str, record: StageRecord) -> "Manifest":
        """The manifest with a stage noted last."""
        return self.model_copy(update={"stages": {**self.without(key).stages, key: record}})


class Progress(_Stored):
    """progress.json: the stage at work. Times are Unix seconds, money is in 1e-9 USD."""

    stage: str
    done: int
    total: int
    calls: int = 0
    in_flight: int = 0
    faults: dict[str, int] = {}  # calls that came back without an answer, by class
    run_nano_usd: int = 0  # spent by this run
    nano_usd: int = 0  # spent by the ledger so far
    budget_nano_usd: int | None = None
    started_at: float
    updated_at: float


def stage_key(stage: str, lang: str | None = None) -> str:
    """What `stages` calls a stage: "screen", "translate/ko"."""
    return f"{stage}/{lang}" if lang else stage
