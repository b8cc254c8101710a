"""Translated rows without a call: sentences put together from phrases of our own, the same in five languages.

Language ID sees real language, the soft checks see translations that agree, no two rows are alike and none is near
another. Lengths are those of instruction data: a response has 430 characters on average, a few have thousands; one row
in ten holds code, one in six a list.
"""

import random
from collections.abc import Iterator, Sequence

import polars as pl

from plugdata.rows import TRANSLATE, conform, row_id

MEAN_SENTENCES = 5.5
"""Of a response: some 430 characters in English."""

MOST_SENTENCES = 60
CODE, LIST, WITH_YEAR, WITH_NAME = 0.1, 0.16, 0.25, 0.7
"""Shares of the rows that hold code or a list, and of the sentences that name a year or a person. Without names there
were so few different words that fastText found all it looks up in the processor's cache: it took half the time that
it takes for as many characters of real rows."""

SLOTS = {  # when, who, does, what, where: line by line the same phrases in every language
    "en": """
At dawn|Before lunch|After the rain|On market days|During the holidays|In late autumn|Once a month|Without any hurry
|As agreed|For the first time|On the last evening|Every other week|When the bell rings
the old teacher|a young nurse|our neighbour|the fisherman|the librarian|a retired captain|the village doctor
|the baker's daughter|an engineer|the night guard|a student|the gardener|the judge
repairs|sells|describes|hides|borrows|paints|counts|washes|looks for|photographs|collects|carries|forgets
two clocks|a wooden boat|the old letters|ten baskets|a red bicycle|the broken lamp|seven maps|the school books
|a heavy table|three umbrellas|the musical instruments|a box of nails|the winter clothes
behind the school|near the river|at the station|in the kitchen|under the bridge|beside the hospital|on the roof
|in front of the church|at the market|in the garden|next to the bakery|on the island|along the main road""",
    "es": """
Al amanecer|Antes de comer|Después de la lluvia|En los días de mercado|Durante las vacaciones|A finales de otoño
|Una vez al mes|Sin ninguna prisa|Según lo acordado|Por primera vez|En la última noche|Cada dos semanas
|Cuando suena la campana
el viejo maestro|una enfermera joven|nuestro vecino|el pescador|la bibliotecaria|un capitán jubilado
|la médica del pueblo|la hija del panadero|un ingeniero|el vigilante nocturno|una estudiante|el jardinero|la jueza
repara|vende|describe|esconde|pide prestados|pinta|cuenta|lava|busca|fotografía|recoge|lleva|olvida
dos relojes|una barca de madera|las cartas antiguas|diez cestas|una bicicleta roja|la lámpara rota|siete mapas
|los libros de la escuela|una mesa pesada|tres paraguas|los instrumentos de música|una caja de clavos
|la ropa de invierno
detrás de la escuela|cerca del río|en la estación|en la cocina|bajo el puente|junto al hospital|en el tejado
|delante de la iglesia|en el mercado|en el jardín|al lado de la panadería|en la isla|a lo largo de la carretera""",
    "ko": """
새벽에|점심 전에|비가 그친 뒤에|장날마다|방학 동안|늦가을에|한 달에 한 번|조금도 서두르지 않고|약속한 대로|처음으로
|마지막 날 저녁에|두 주에 한 번씩|종이 울리면
나이 든 선생님이|젊은 간호사가|우리 이웃이|어부가|도서관 사서가|은퇴한 선장이|마을 의사가|빵집 딸이|기술자가
|야간 경비원이|학생이|정원사가|판사가
고칩니다|팝니다|설명합니다|숨깁니다|빌립니다|그립니다|셉니다|닦습니다|찾습니다|사진으로 찍습니다|모읍니다|나릅니다
|잊어버립니다
시계 두 개를|나무배 한 척을|오래된 편지들을|바구니 열 개를|빨간 자전거를|고장 난 등불을|지도 일곱 장을|학교 책들을
|무거운 탁자를|우산 세 개를|악기들을|못 한 상자를|겨울옷을
학교 뒤에서|강 근처에서|역에서|부엌에서|다리 밑에서|병원 옆에서|지붕 위에서|교회 앞에서|시장에서|정원에서|빵집 옆에서
|섬에서|큰길을 따라""",
    "zh": """
天刚亮时|午饭以前|雨停之后|每逢集市|假期里|深秋时节|每月一次|不慌不忙地|按照约定|第一次|在最后一个晚上|每隔一周
|钟声响起时
老教师|一位年轻的护士|我们的邻居|那个渔夫|图书管理员|一位退休的船长|村里的医生|面包师的女儿|一名工程师|夜班保安
|一个学生|园丁|那位法官
修理|出售|介绍|藏起|借来|描画|清点|清洗|寻找|拍摄|收集|搬运|忘记了
两只钟表|一条木船|那些旧信|十个篮子|一辆红色自行车|那盏坏了的灯|七张地图|学校的课本|一张沉重的桌子|三把雨伞|各种乐器
|一盒钉子|冬天的衣服
在学校后面|在河边|在车站|在厨房里|在桥下|在医院旁边|在屋顶上|在教堂前面|在市场上|在花园里|在面包店隔壁|在岛上
|沿着大路""",
    "sw": """
Alfajiri|Kabla ya chakula cha mchana|Baada ya mvua|Siku za soko|Wakati wa likizo|Mwishoni mwa vuli
|Mara moja kwa mwezi|Bila haraka yoyote|Kama ilivyokubaliwa|Kwa mara ya kwanza|Jioni ya mwisho
|Kila baada ya wiki mbili|Kengele inapolia
mwalimu mzee|muuguzi kijana|jirani yetu|mvuvi|mkutubi|nahodha mstaafu|daktari wa kijiji|binti wa mwoka mikate
|mhandisi|mlinzi wa usiku|mwanafunzi|mtunza bustani|hakimu
anatengeneza|anauza|anaeleza|anaficha|anaazima|anachora|anahesabu|anaosha|anatafuta|anapiga picha|anakusanya|anabeba
|anasahau
saa mbili|mashua ya mbao|barua za zamani|vikapu kumi|baiskeli nyekundu|taa iliyovunjika|ramani saba|vitabu vya shule
|meza nzito|miavuli mitatu|vyombo vya muziki|sanduku la misumari|nguo za baridi
nyuma ya shule|karibu na mto|kwenye kituo|jikoni|chini ya daraja|kando ya hospitali|juu ya paa|mbele ya kanisa|sokoni
|bustanini|karibu na duka la mikate|kisiwani|kando ya barabara kuu""",
}
_SENTENCE = {  # when, who, does, what, where by their places above
    "en": ("{0} {1} {2} {3} {4}.", "{0} {1} {2} {3} {4}, as in {5}."),
    "es": ("{0} {1} {2} {3} {4}.", "{0} {1} {2} {3} {4}, como en {5}."),
    "ko": ("{0} {1} {4} {3} {2}.", "{5}년처럼 {0} {1} {4} {3} {2}."),
    "zh": ("{0}{1}{4}{2}{3}。", "和{5}年一样，{0}{1}{4}{2}{3}。"),
    "sw": ("{0} {1} {2} {3} {4}.", "{0} {1} {2} {3} {4}, kama mwaka {5}."),
}
_NAMED = {"en": "{0} {1}", "es": "{0} {1}", "ko": "{1}라는 {0}", "zh": "名叫{1}的{0}", "sw": "{0} {1}"}
_LATIN = "babebibodadedodugagokakekikolalelilomamemimonaneninopaperarerirosasotatetitovavi"
_PAIRS = [_LATIN[at : at + 2] for at in range(0, len(_LATIN), 2)]
_SYLLABLES: dict[str, Sequence[str]] = {  # of names, in the same order
    "en": _PAIRS,
    "es": _PAIRS,
    "ko": "바베비보다데도두가고카케키코라레리로마메미모나네니노파페라레리로사소타테티토바비",
    "zh": "巴贝比博达德多杜加戈卡凯基科拉莱利洛马梅米莫纳内尼诺帕佩拉雷里罗萨索塔特蒂托瓦维",
    "sw": _PAIRS,
}
_ASK = {
    "en": "Explain in a few words what happens in case {n}. {said}",
    "es": "Explica en pocas palabras qué ocurre en el caso {n}. {said}",
    "ko": "{n}번 경우에 무슨 일이 일어나는지 몇 마디로 설명하세요. {said}",
    "zh": "请用几句话说明第{n}种情况下会发生什么。{said}",
    "sw": "Eleza kwa maneno machache kinachotokea katika hali ya {n}. {said}",
}
_CODE = """
```python
def case_{n}(items: list[int]) -> int:
    total = {a}
    for item in items:
        if item % {b} == 0:
            total += item * {a}
    return total
```
"""
_PHRASES = {
    lang: [line.split("|") for line in text.replace("\n|", "|").strip().splitlines()] for lang, text in SLOTS.items()
}
LANGUAGES = tuple(lang for lang in SLOTS if lang != "en")

Texts = tuple[str, str]
"""Instruction and response."""


class Written:
    """One row as it was drawn: which phrases stand where. Every language says the same."""

    def __init__(self, n: int, seed: int) -> None:
        draw = random.Random(f"{seed}:{n}")
        kind = draw.random()
        self.n = n
        self.is_list = CODE <= kind < CODE + LIST
        self.code = _CODE.format(n=n, a=draw.randrange(2, 99), b=draw.randrange(2, 9)) if kind < CODE else ""
        n_sentences = min(1 + int(draw.expovariate(1 / (MEAN_SENTENCES - 0.5))), MOST_SENTENCES)
        self.drawn = [self._sentence(draw) for _ in range(n_sentences + 1)]

    def _sentence(self, draw: random.Random) -> tuple[list[int], int, list[int]]:
        year = draw.randrange(1900, 2020) if draw.random() < WITH_YEAR else 0
        name = draw.choices(range(len(_PAIRS)), k=draw.randrange(2, 5)) if draw.random() < WITH_NAME else []
        return [int(draw.random() * 13) for _ in range(5)], year, name

    def texts(self, lang: str) -> Texts:
        """What it says in a language."""
        phrases, (plain, dated), gap = _PHRASES[lang], _SENTENCE[lang], "" if lang == "zh" else " "
        said = []
        for places, year, name in self.drawn:
            parts = [of[place] for of, place in zip(phrases, places, strict=True)]
            if name:
                parts[1] = _NAMED[lang].format(parts[1], "".join(_SYLLABLES[lang][at] for at in name).capitalize())
            said.append(dated.format(*parts, year) if year else plain.format(*parts))
        first, *rest = said
        if self.is_list:
            body = "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(rest, 1))
        else:
            body = "\n\n".join(gap.join(rest[i : i + 4]) for i in range(0, len(rest), 4))
        return _ASK[lang].format(n=self.n, said=first), body + self.code


def translated(n: int, lang: str, seed: int = 1, batch: int = 5_000) -> Iterator[pl.DataFrame]:
    """Rows of contract TRANSLATE from English into a language, in no order of ids."""
    for start in range(0, n, batch):
        rows = [Written(i, seed) for i in range(start, min(n, start + batch))]
        yield framed([row.texts("en") for row in rows], [row.texts(lang) for row in rows], lang, start)


def framed(ours: Sequence[Texts], theirs: Sequence[Texts], lang: str, start: int = 0) -> pl.DataFrame:
    """Rows of contract TRANSLATE that say in a language what English ones say; of those that are alike the first."""
    ordinals = range(start, start + len(ours))
    texts = pl.DataFrame(
        {
            "id": [row_id(instruction, "", response) for instruction, response in ours],
            "ordinal": ordinals,
            "instruction": [instruction for instruction, _ in ours],
            "response": [response for _, response in ours],
            "target_instruction": [instruction for instruction, _ in theirs],
            "target_response": [response for _, response in theirs],
            "source_id": list(map(str, ordinals)),
        }
    ).unique("id", keep="first", maintain_order=True)
    said = {
        "source": "synthetic",
        "license": "apache-2.0",
        "input": "",
        "target_input": "",
        "status": "kept",
        "lang": lang,
        "model": "none",
        "prompt": "none",
    }
    known = texts.with_columns(pl.lit(value).alias(name) for name, value in said.items())
    known = known.with_columns(n_turns=1, n_calls=1, mended=pl.lit([], pl.List(pl.String)))
    return conform(known.with_columns(pl.lit(None).alias(c) for c in TRANSLATE if c not in known.columns), TRANSLATE)
