"""Instructions with planted topics, embedded without weights and sampled by cluster: time, memory, purity.

    python -m benchmarks.diversify [--rows 100000] [--take 20000]

The instructions are of our own writing: 35 templates × 50 topics of 12 words each. A topic's share falls as its rank
grows (Zipf), and one instruction in four is about news, so that there is something to even out. What is measured is the
stage as a run makes it, from its input's file to its own, in a process of its own. Purity is the share of rows whose
topic is the most frequent one of their cluster: 1 means that no cluster mixes topics.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from benchmarks.loopback import bar, table
from benchmarks.memory import peak
from plugdata import rows
from plugdata.corpus import BATCH, Corpus
from plugdata.recipe import Recipe
from plugdata.stages import diversity

MOST_S = 60
"""Issue 8: 100,000 instructions, 2 cores."""
PURE = 0.85
"""Ours: 0.87 was measured, by words in place of n-grams 0.997, with every n-gram that there is 0.24."""
LANG = "sw"
SEED = 7
NEWS = 0.25

TOPICS = """
cassava maize harvest soil irrigation fertiliser seeds weeds plough compost drought granary
malaria fever mosquito vaccine clinic nurse quinine infection symptoms dosage hospital bednet
football goalkeeper penalty striker league stadium referee midfield trophy offside coach derby
parliament election ballot senator constitution coalition manifesto voter cabinet referendum speaker campaign
coral reef plankton dolphin tide lagoon seaweed turtle trawler anchovy octopus estuary
violin orchestra melody rhythm conductor symphony chord drummer choir tempo harp quartet
interest mortgage savings bank loan credit deposit inflation budget currency debt pension
telescope galaxy comet orbit asteroid nebula planet eclipse astronaut satellite supernova crater
bread yeast dough oven flour pastry baker crust sourdough rolling-pin loaf butter
marriage dowry bride wedding groom ceremony veil vows bridesmaid in-laws betrothal feast
elephant rhino poacher savannah ranger lion zebra antelope safari waterhole tusk buffalo
novel author chapter poet stanza publisher metaphor plot narrator sonnet memoir manuscript
solar panel inverter battery kilowatt turbine grid transformer voltage biogas windmill meter
bus timetable highway traffic driver roundabout passenger lorry toll junction pothole lane
exam pupil classroom teacher homework syllabus tuition blackboard scholarship headmaster textbook lesson
lawyer verdict judge witness appeal bail testimony prosecutor jury sentence magistrate plaintiff
earthquake volcano lava tremor magnitude fault aftershock magma ash seismograph eruption epicentre
smartphone charger screen app keyboard router download password laptop software pixel bluetooth
cotton loom weaver fabric dye embroidery thread tailor silk needle hem pattern
chess bishop pawn checkmate gambit rook opening castling knight endgame stalemate grandmaster
goat milk cheese dairy calf cow udder pasture hay cream churn herd
river dam flood canal bridge ferry delta current embankment raft waterfall reservoir
mosque imam prayer fasting pilgrimage scripture minaret alms ablution sermon shrine devotion
carpenter timber saw plank hammer chisel nail varnish joint workbench plywood sandpaper
tomato onion stew pepper garlic simmer spices ladle recipe broth saucepan coriander
passport visa embassy border customs luggage airport immigration consulate itinerary stamp arrivals
diabetes insulin glucose diet obesity sugar pancreas exercise metabolism carbohydrate kidney retina
bicycle pedal helmet tyre chain brakes saddle spokes handlebar puncture gears mudguard
tailoring entrepreneur startup investor customer invoice profit retail supplier branding shopkeeper stall
forest deforestation sapling logging canopy oak bark woodland charcoal mahogany timberland root
painting canvas sculpture gallery portrait brush easel mural fresco pigment exhibition sketch
dentist tooth cavity gums enamel molar filling braces plaque toothbrush crown extraction
coffee espresso beans roasting aroma barista plantation caffeine cup grinder arabica husk
pregnancy midwife newborn birth labour breastfeeding ultrasound trimester womb cradle contraction infant
airplane pilot cockpit runway wing altitude turbulence engine propeller hangar glider landing
bees honey hive pollen queen swarm beekeeper nectar wax colony sting apiary
king dynasty empire throne castle siege crown-prince knighthood treaty conquest battle fortress
cinema actor director film script camera audition premiere dialogue scene stuntman soundtrack
tax revenue customs-duty accountant audit receipt exemption fiscal treasury levy filing refund
glacier iceberg snow avalanche polar blizzard penguin frost ski sledge permafrost arctic
gold mine shaft ore miner cyanide pit quarry nugget excavation tunnel smelter
dictionary grammar verb noun dialect proverb vowel pronunciation syllable alphabet translation accent
swimming freestyle lifeguard butterfly-stroke pool diving goggles lap medley snorkel breaststroke relay
rice paddy transplanting terrace bran straw threshing seedling monsoon husking sickle panicle
cat kitten whiskers litter purring claws vet collar tabby feline mouse fur
algebra equation fraction triangle theorem geometry decimal polynomial angle radius probability integer
house brick cement roof plumbing mason foundation scaffold tile mortar plaster gutter
psychology anxiety depression therapy counsellor stress trauma mindfulness grief emotion insomnia memory
radio broadcast antenna presenter frequency listener podcast microphone studio jingle transmitter episode
tea kettle infusion leaves teapot plucking estate fermentation jasmine saucer chai tannin
"""

TEMPLATES = """
Write a short guide to {a} and {b} for beginners.
Explain how {a} depends on {b}, with one example.
What should a family know about {a} before thinking about {b}?
List five facts about {a}, {b} and {c}.
Describe the part that {a} plays in {b}.
Give advice to someone who is worried about {a}.
Compare {a} with {b} and say which matters more.
Summarise what people in the countryside say about {a} and {b}.
Why do experts disagree about {a}?
Write a dialogue between two friends on {a} and {b}.
How can a beginner learn about {a} without spending money?
Tell the story of a woman whose life was changed by {a} and {b}.
What are the most common mistakes with {a}?
Prepare a short speech on {a} for a village meeting.
Describe step by step how {a} leads to {b}.
What is the difference between {a} and {b}?
Draft a letter to a friend that asks for help with {a}.
Outline the history of {a} in three paragraphs.
Name three dangers of {a} and how to avoid them.
Answer a reader's question about {a} and {b} in plain words.
Make a table of the good and bad sides of {a}.
In what way has {a} changed during the last fifty years?
Write instructions for {a} that a child can follow.
Discuss whether {a} should be taught at school, together with {b}.
Give a definition of {a} and use it in a sentence with {b}.
Introduce {a} to readers who only know {b}.
Which tools does one need for {a}, and what do they cost?
Imagine that {a} had never existed: what would become of {b}?
Present the main ideas of a lecture on {a}, {b} and {c}.
Suggest a title for an essay about {a} and {b}.
"""

NEWS_TEMPLATES = """
Write a news article about {a} and {b}.
Write a headline for a report on {a}.
Report the latest news on {a} and {b} in two paragraphs.
Draft a press release that announces a new plan for {a}.
Write as a journalist about yesterday's events around {a} and {b}.
"""


def instructions(n: int, seed: int = SEED) -> Iterator[tuple[int, str]]:
    """So many (planted topic, instruction), topics by Zipf's law."""
    rng = random.Random(seed)
    topics = [line.split() for line in TOPICS.strip().splitlines()]
    weights = [1 / rank for rank in range(3, len(topics) + 3)]
    for topic in rng.choices(range(len(topics)), weights, k=n):
        a, b, c = rng.sample(topics[topic], 3)
        template = rng.choice((NEWS_TEMPLATES if rng.random() < NEWS else TEMPLATES).strip().splitlines())
        yield topic, template.format(a=a, b=b, c=c)


def write_rated(corpus: Corpus, n: int) -> None:
    """The stage's input: rows as `rate` leaves them."""

    def frames() -> Iterator[pl.DataFrame]:
        rng = random.Random(SEED)
        made = [
            (rows.row_id("", "", f"passage {at}"), topic, text, rng.randint(3, 5))
            for at, (topic, text) in enumerate(instructions(n))
        ]
        made.sort()
        for at in range(0, n, BATCH):
            part = pl.DataFrame(made[at : at + BATCH], ["id", "source_id", "instruction", "rating"], orient="row")
            empty = {name: pl.lit(None, dtype) for name, dtype in rows.RATE.items() if name not in part.columns}
            yield part.with_columns(
                **{**empty, "ordinal": pl.int_range(at, at + part.height), "status": pl.lit("kept")},
                source_id=pl.col("source_id").cast(pl.String),  # the planted topic
            )

    corpus.write("rate", LANG, frames(), rows.RATE)


def recipe(folder: Path, take: int | None) -> Recipe:
    return Recipe.model_validate(
        {
            "kind": "x-instruction",
            "corpus": folder,
            "texts": [{"lang": LANG, "path": "texts.jsonl"}],
            "languages": [LANG],
            "diversify": {"rows": take},
        }
    )


def make(folder: Path, take: int | None) -> None:
    """What is measured: the stage, from file to file."""
    corpus = Corpus(folder)
    (step,) = diversity.diversified(corpus, recipe(folder, take), print)
    corpus.write(step.stage, step.lang, step.frames(), step.contract)
    (folder / "measured.json").write_text(json.dumps(step.fitted()))


def purity(made: pl.DataFrame) -> float:
    most = made.group_by("topic", "source_id").len().group_by("topic").agg(pl.col("len").max())
    return float(most["len"].sum() / made.height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--take", type=int, default=20_000, help="rows that are sampled")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make(args.make, args.take)
        return
    with tempfile.TemporaryDirectory() as at:
        corpus = Corpus(Path(at))
        write_rated(corpus, args.rows)
        command = [sys.executable, "-m", "benchmarks.diversify", "--make", at, "--take", str(args.take)]
        took = peak(command)
        made = corpus.rows("diversify", LANG)
        measured = json.loads((corpus.path / "measured.json").read_text())
    names = [name.removesuffix("_before") for name in measured if name.endswith("_before")]
    lines = [[name, f"{measured[f'{name}_before']:g}", f"{measured[f'{name}_after']:g}"] for name in names]
    table([f"{args.rows:,} rows, {measured['clusters']:.0f} clusters", "before", "after"], lines)
    print(f"{took.wall_s:.1f} s wall, {took.cpu_s:.1f} s CPU, {took.mb:.0f} MB at most")
    most_s = MOST_S * max(args.rows / 100_000, 1)
    bar(f"CPU seconds, at most {most_s:.0f}", f"{took.cpu_s:.1f}", took.cpu_s <= most_s)
    bar(f"purity, at least {PURE}", f"{purity(made):.3f}", purity(made) >= PURE)


if __name__ == "__main__":
    main()
