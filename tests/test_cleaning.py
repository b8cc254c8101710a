"""What a web page has beside its text is taken out, and of its text nothing."""

import tomllib
import unicodedata
from importlib import resources
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugdata import languages
from plugdata.xinstruct.cleaning import clean

PARAGRAPHS = tomllib.loads(Path(__file__).with_name("labelled").joinpath("paragraphs.toml").read_text("utf-8"))

PAGES = {  # what stands before the text, the text, what stands after it
    "fi": (
        """Siirry sisältöön
Etusivu
Uutiset
Urheilu
Kirjaudu sisään
Etusivu › Kotimaa › Luonto
Jaa Facebookissa
Julkaistu: 3.5.2019 klo 12.04""",
        """Metsän hiljaiset kuuntelijat
Pöllö kuulee hiiren askeleet puolen metrin lumen alta. Sen korvat ovat eri korkeudella, joten ääni saapuu niihin eri \
aikaan, ja siitä lintu tietää, mihin iskeä.

Keväällä naaras hautoo ja koiras tuo ruoan. Poikaset lähtevät pesästä jo ennen kuin osaavat lentää.""",
        """Lue myös: Susi palasi kylään
Kommentit (12)
Lue lisää »
Seuraa meitä
Tämä sivusto käyttää evästeitä.
© 2019 Metsälehti Oy. Kaikki oikeudet pidätetään.""",
    ),
    "th": (
        """หน้าแรก | ข่าว | กีฬา | ติดต่อเรา
เข้าสู่ระบบ
สมัครสมาชิก
แชร์ไปที่ Facebook""",
        """นกฮูกได้ยินเสียงหนูเดินใต้หิมะหนาครึ่งเมตร เพราะหูทั้งสองข้างอยู่สูงต่ำไม่เท่ากัน เสียงจึงมาถึงไม่พร้อมกัน และนกก็รู้ว่าต้องโฉบลงตรงไหน

เมื่อถึงฤดูใบไม้ผลิ ตัวเมียจะกกไข่ส่วนตัวผู้ออกหาอาหาร ลูกนกออกจากรังก่อนที่จะบินเป็นเสียอีก""",
        """อ่านเพิ่มเติม
ข่าวที่เกี่ยวข้อง
แสดงความคิดเห็น
เว็บไซต์นี้ใช้คุกกี้เพื่อพัฒนาการให้บริการ
สงวนลิขสิทธิ์ 2019""",
    ),
    "hi": (
        """मुख्य पृष्ठ
समाचार
खेल
संपर्क करें
होम > समाचार > प्रकृति
फेसबुक पर शेयर करें""",
        """उल्लू आधे मीटर बर्फ़ के नीचे चलते चूहे की आहट सुन लेता है। \
उसके दोनों कान अलग-अलग ऊँचाई पर होते हैं, इसलिए आवाज़ उन तक एक साथ नहीं पहुँचती।

वसंत में मादा अंडे सेती है और नर खाना लाता है। बच्चे उड़ना सीखने से पहले ही घोंसला छोड़ देते हैं।""",
        """यह भी पढ़ें: गाँव में लौटा भेड़िया
टिप्पणी करें
और पढ़ें
यह साइट कुकीज़ का उपयोग करती है।
© 2019 सर्वाधिकार सुरक्षित""",
    ),
    "sw": (
        """Mwanzo | Habari | Michezo | Wasiliana nasi
Ingia
Jisajili
Shiriki kwenye Facebook""",
        """Bundi husikia hatua za panya chini ya theluji. Masikio yake hayako kwenye kimo kimoja, kwa hiyo sauti \
hufika kwa nyakati tofauti, na ndege hujua mahali pa kushambulia.

Jike huatamia mayai naye dume huleta chakula. Makinda huondoka kiotani kabla hawajajua kuruka.""",
        """Soma pia: Mbwa mwitu arejea kijijini
Toa maoni
Soma zaidi »
Tovuti hii inatumia vidakuzi.
Haki zote zimehifadhiwa 2019""",
    ),
    "id": (
        """Beranda
Berita
Olahraga
Hubungi kami
Beranda » Berita » Alam
Bagikan ke WhatsApp""",
        """Burung hantu mendengar langkah tikus di bawah salju setebal setengah meter. Kedua telinganya tidak \
sama tinggi, sehingga suara tiba pada saat yang berbeda.

Pada musim semi betina mengeram dan jantan membawa makanan. Anak-anaknya meninggalkan sarang sebelum bisa terbang.""",
        """Baca juga: Serigala kembali ke desa
Tinggalkan komentar
Selengkapnya
Promo! Teropong malam Rp 450.000, beli sekarang
Situs ini menggunakan cookie.
Hak cipta dilindungi undang-undang.""",
    ),
    "ar": (
        """الرئيسية | أخبار | رياضة | اتصل بنا
تسجيل الدخول
إنشاء حساب
شارك على فيسبوك""",
        """تسمع البومة خطوات الفأر تحت نصف متر من الثلج. أذناها ليستا على ارتفاع واحد، \
فيصل الصوت إليهما في وقتين مختلفين، وبذلك تعرف أين تنقض.

في الربيع تحضن الأنثى البيض ويجلب الذكر الطعام. تغادر الفراخ العش قبل أن تتعلم الطيران.""",
        """اقرأ أيضا: الذئب يعود إلى القرية
أضف تعليقا
اقرأ المزيد
يستخدم هذا الموقع ملفات تعريف الارتباط.
جميع الحقوق محفوظة 2019""",
    ),
    "zh": (
        """首页 | 新闻 | 体育 | 联系我们
登录
注册
您的位置：首页 > 新闻 > 自然
发布时间：2019-05-03""",
        """猫头鹰能听见半米深的雪下老鼠走动的声音。它的两只耳朵高低不同，声音到达的时间也就不同，所以它知道该扑向哪里。

春天，雌鸟孵卵，雄鸟觅食。幼鸟还不会飞，就已经离开了巢。""",
        """相关阅读
上一篇：狼回到了村子
分享到微博
责任编辑：王芳
本网站使用Cookie。
版权所有 京ICP备12345678号""",
    ),
    "en": (
        """Skip to content
Home
News
Sport
Log in
Home » News » Nature
Share on Facebook
Posted by admin
<div class="ad">Night glasses, only $49.99. Buy now!</div>
function load() { return 1; }
.banner { color: red; }
window.dataLayer.push({'event': 'view'});""",
        """Owls hear the steps of a mouse under half a metre of snow. Their ears are not at the same height, so a \
sound reaches them at different times & the bird knows where to strike.

In spring the hen broods while the cock brings food. The chicks leave the nest before they can fly.""",
        """Read more »
Leave a comment
https://www.owls.example/snow
owl@owls.example
On Tue, 3 May 2011 at 14:05, Bob wrote:
Lorem ipsum dolor sit amet, consectetur.
This site uses cookies.
CafÃ© and donâ€™t
© 2019 Owls. All rights reserved.""",
    ),
}


def cleaned(text: str, lang: str = "en") -> str:
    return str(clean(pl.Series([text]), languages.get(lang))[0])


@pytest.mark.parametrize("lang", PAGES)
def test_of_a_web_page_its_text_is_left_and_nothing_else(lang: str) -> None:
    before, text, after = PAGES[lang]
    assert cleaned(f"{before}\n\n{text}\n\n{after}", lang) == text


@pytest.mark.parametrize("between", ["\n", "\n\n"])
@pytest.mark.parametrize("lang", PARAGRAPHS)
def test_nothing_is_taken_from_clean_paragraphs(lang: str, between: str) -> None:
    lines = PARAGRAPHS[lang].strip().split("\n")
    assert len(lines) == 30
    text = between.join(lines)
    assert cleaned(text, lang) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("One <b>bold</b> word<br/>and a line.", "One bold word\nand a line."),
        ("<p>Fish &amp; chips, 5&nbsp;&pound;</p>", "Fish & chips, 5 £"),
        ("Before.<script>if (a < b) { x(); }</script>After.", "Before.\nAfter."),
        ("If a <b and c> d, both hold.", "If a <b and c> d, both hold."),
        ("Write `<br>` for a new line.", "Write `<br>` for a new line."),
        ("See ?a=1&copy=2 for it.", "See ?a=1&copy=2 for it."),
        ("A\u00a0narrow\u202fspace and a soft\u00adhyphen.", "A narrow space and a softhyphen."),
        ("e&#769;tait", "\u00e9tait"),
        ("Line.\r\nLine two.\u2028Line three.", "Line.\nLine two.\nLine three."),
        ("Hello all.\n-- \nBob\nbob's own signature\n\nMore text.", "Hello all.\n\nMore text."),
        ("Hello all.\n--\nBob", "Hello all."),
        ("A poem of old.\n\n--\nThe second stanza is here.\n\nMore.", None),
        ("Between `<script>` and `</script>` stands code.", None),
        ("Notes stand in `<!--` and `-->`, and `&lt;` is a sign.", None),
        ("```html\n<script>go()</script>\n<!-- a note -->\na &lt; b\n```", None),
        ("~~~\n<b>bold</b>\n~~~\n<b>bold</b>", "~~~\n<b>bold</b>\n~~~\nbold"),
        ("One <script>let a = `</b>`</script> two <!-- `three` --> four", "One\ntwo\nfour"),
        ("A stray ` and <script>x</SCRIPT > end, <!-- and no end.", "A stray ` and\nend, <!-- and no end."),
    ],
)
def test_what_is_left_of_html_and_of_unicode_oddities(text: str, left: str | None) -> None:
    assert cleaned(text) == (text if left is None else left)


def test_code_in_fences_and_rows_of_tables_stay_whole() -> None:
    text = """A page about pages:

```html
<div>
  home
</div>
var x = 1;
```

| home | news |
|---|---|
| 1 | 2 |

a | b | c
1 | 2 | 3"""
    assert cleaned(text) == text


def test_of_a_line_said_twice_the_first_stays() -> None:
    line = "The harbour is closed to all ships until further notice."
    refrain = "Roll on, river, roll\nRoll on, river, roll"
    assert cleaned(f"{line}\nText one.\n{line}\n{refrain}") == f"{line}\nText one.\n{refrain}"


def test_a_line_goes_for_a_character_no_writer_writes_and_stays_for_one_word_of_two_scripts() -> None:
    stays = "Он купил iPhoneы в магазине на углу, " + "где были и другие вещи для дома и сада, " * 6 + "и ушёл."
    assert cleaned(f"{stays}\nЭто \ufffd строка.\nКонец.", "ru") == f"{stays}\nКонец."


def test_items_of_numbered_lists_are_no_buttons() -> None:
    text = "The largest of them are:\n1. Google\n2. Facebook\n3. Twitter"
    assert cleaned(text) == text
    assert cleaned("A text.\n- Google\n- Facebook\n* Twitter") == "A text."


def test_a_menu_without_a_known_word_is_told_by_its_length() -> None:
    items = ["Aalto", "Kallio ja Vallila", "Töölö", "Pasila", "Käpylä", "Munkkiniemi"]
    text = "Kaupunginosat ovat erilaisia, ja jokaisella on oma historiansa."
    assert cleaned("\n".join([*items, text]), "fi") == text
    assert cleaned("\n".join([*items[:3], text]), "fi") == "\n".join([*items[:3], text])


def test_the_words_of_pages_are_of_known_languages_in_small_letters_and_nfc() -> None:
    blocks = tomllib.loads(resources.files("plugdata.xinstruct").joinpath("page.toml").read_text("utf-8"))
    asked = "fi id th tr vi bn hi sw ta ur en es zh ko ar fr de ru pt it ja"
    assert sorted(blocks) == sorted(asked.split())
    for code, block in blocks.items():
        assert languages.get(code).code == code
        assert sorted(block) == ["buys", "holds", "lines", "starts", "wrote"]
        for phrase in (phrase for phrases in block.values() for phrase in phrases):
            assert phrase == unicodedata.normalize("NFC", phrase.lower().strip()), (code, phrase)


HOSTILE = st.text(
    st.one_of(st.sampled_from("\n\n <>&;|›»·•`~-#$@{}()[]:/.\"'0a É\u0301กां你ا\ufffd\x00\u200b"), st.characters()),
    max_size=300,
)


@given(st.lists(HOSTILE, max_size=5), st.sampled_from(["fi", "th", "hi", "zh", "ar", "yo"]))
def test_any_text_becomes_a_text_and_a_clean_one_stays(texts: list[str], lang: str) -> None:
    given_ = pl.Series([unicodedata.normalize("NFC", _whole(text)) for text in texts], dtype=pl.String)
    found = clean(given_, languages.get(lang))
    assert len(found) == len(texts)
    for text in found:
        assert "\n\n\n" not in text and text == text.strip("\n")


def _whole(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@pytest.mark.parametrize(
    "unit",
    ["<a ", "<b x=1 ", "&amp", "|", "| a ", "a › ", "```", "`", "<script>", "<!--", "<!-->`", "~~~\n", "-- \nx\n", "{;",
     "a{", "@", "a@b.", " ",
     "var a = ", "var x =", "www.", "http://a ", "home\n", "\n", "ó\u0301", "(", "function(", "1:", "›", "\t|"],
)  # fmt: skip
def test_a_hundred_thousand_characters_take_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert len(clean(pl.Series([text]), languages.get("en"))) == 1  # minutes, if it were quadratic
