"""Pages of the web without the web: articles put together from phrases of our own, with what surrounds them on a page.

No two articles are alike and none is near another, but for the share that is copied with a change; a domain's pages
share their menu and footer. Lengths are those of web pages: an article has 2,600 characters in the mean.
"""

import random
from collections.abc import Iterator

from benchmarks.synthetic import SLOTS
from plugdata.sources.documents import Document

MEAN_PARAGRAPHS = 6
COPIED = 0.05
"""Share of the pages that are an earlier one with another first sentence."""
DOMAINS = 400
PAGES_HELD = 200

LANGUAGES = ("fi", "hi", "th", "sw", "id")
_SLOTS = {  # when, who, does, what, where
    "fi": """
Aamulla varhain|Ennen lounasta|Sateen jälkeen|Toripäivinä|Loman aikana|Myöhään syksyllä|Kerran kuussa|Kaikessa rauhassa
|Kuten oli sovittu|Ensimmäistä kertaa|Viimeisenä iltana|Joka toinen viikko|Kun kello soi
vanha opettaja|nuori sairaanhoitaja|naapurimme|kalastaja|kirjastonhoitaja|eläkkeellä oleva kapteeni|kylän lääkäri
|leipurin tytär|insinööri|yövartija|opiskelija|puutarhuri|tuomari
korjaa|myy|kuvailee|piilottaa|lainaa|maalaa|laskee|pesee|etsii|valokuvaa|kerää|kantaa|unohtaa
kaksi kelloa|puuveneen|vanhat kirjeet|kymmenen koria|punaisen polkupyörän|rikkinäisen lampun|seitsemän karttaa
|koulukirjat|raskaan pöydän|kolme sateenvarjoa|soittimet|laatikollisen nauloja|talvivaatteet
koulun takana|joen lähellä|asemalla|keittiössä|sillan alla|sairaalan vieressä|katolla|kirkon edessä|torilla
|puutarhassa|leipomon naapurissa|saarella|päätien varrella""",
    "hi": """
सुबह सवेरे|दोपहर के भोजन से पहले|बारिश के बाद|बाज़ार के दिनों में|छुट्टियों के दौरान|पतझड़ के अंत में|महीने में एक बार|बिना किसी जल्दबाज़ी के
|जैसा तय हुआ था|पहली बार|आख़िरी शाम को|हर दूसरे हफ़्ते|घंटी बजते ही
बूढ़े अध्यापक|एक युवा नर्स|हमारे पड़ोसी|वह मछुआरा|पुस्तकालय की अध्यक्षा|एक सेवानिवृत्त कप्तान|गाँव के डॉक्टर|बेकर की बेटी
|एक इंजीनियर|रात का चौकीदार|एक छात्रा|माली|न्यायाधीश
ठीक करते हैं|बेचते हैं|का वर्णन करते हैं|छिपाते हैं|उधार लेते हैं|रँगते हैं|गिनते हैं|धोते हैं|ढूँढते हैं|की तस्वीर लेते हैं|इकट्ठा करते हैं|ढोते हैं|भूल जाते हैं
दो घड़ियाँ|लकड़ी की नाव|पुरानी चिट्ठियाँ|दस टोकरियाँ|लाल साइकिल|टूटा हुआ दीपक|सात नक़्शे|स्कूल की किताबें|भारी मेज़|तीन छाते|संगीत के वाद्य
|कीलों का डिब्बा|सर्दियों के कपड़े
स्कूल के पीछे|नदी के पास|स्टेशन पर|रसोई में|पुल के नीचे|अस्पताल के बग़ल में|छत पर|मंदिर के सामने|बाज़ार में|बगीचे में|बेकरी के पास|द्वीप पर
|मुख्य सड़क के किनारे""",
    "th": """
ตอนรุ่งเช้า|ก่อนอาหารกลางวัน|หลังฝนหยุด|ในวันตลาดนัด|ระหว่างวันหยุด|ปลายฤดูใบไม้ร่วง|เดือนละครั้ง|โดยไม่รีบร้อน|ตามที่ตกลงกันไว้|เป็นครั้งแรก
|ในเย็นวันสุดท้าย|ทุกสองสัปดาห์|เมื่อระฆังดัง
ครูชรา|พยาบาลสาว|เพื่อนบ้านของเรา|ชาวประมง|บรรณารักษ์|กัปตันที่เกษียณแล้ว|หมอประจำหมู่บ้าน|ลูกสาวคนทำขนมปัง|วิศวกร|ยามกลางคืน|นักศึกษา|คนสวน
|ผู้พิพากษา
ซ่อม|ขาย|อธิบายถึง|ซ่อน|ยืม|วาดภาพ|นับ|ล้าง|ตามหา|ถ่ายรูป|รวบรวม|ขนย้าย|ลืม
นาฬิกาสองเรือน|เรือไม้|จดหมายเก่า|ตะกร้าสิบใบ|จักรยานสีแดง|ตะเกียงที่แตก|แผนที่เจ็ดแผ่น|หนังสือเรียน|โต๊ะหนัก|ร่มสามคัน|เครื่องดนตรี|กล่องตะปู|เสื้อผ้าหน้าหนาว
หลังโรงเรียน|ใกล้แม่น้ำ|ที่สถานี|ในครัว|ใต้สะพาน|ข้างโรงพยาบาล|บนหลังคา|หน้าวัด|ที่ตลาด|ในสวน|ถัดจากร้านขนมปัง|บนเกาะ|ตามถนนสายหลัก""",
    "sw": SLOTS["sw"],
    "id": """
Pagi-pagi sekali|Sebelum makan siang|Setelah hujan|Pada hari pasar|Selama liburan|Menjelang akhir tahun|Sebulan sekali
|Tanpa tergesa-gesa|Seperti yang disepakati|Untuk pertama kalinya|Pada malam terakhir|Setiap dua minggu
|Ketika lonceng berbunyi
guru tua itu|seorang perawat muda|tetangga kami|nelayan itu|pustakawan|seorang pensiunan kapten|dokter desa
|putri tukang roti|seorang insinyur|penjaga malam|seorang mahasiswa|tukang kebun|hakim itu
memperbaiki|menjual|menggambarkan|menyembunyikan|meminjam|melukis|menghitung|mencuci|mencari|memotret|mengumpulkan
|membawa|melupakan
dua buah jam|perahu kayu|surat-surat lama|sepuluh keranjang|sepeda merah|lampu yang rusak|tujuh lembar peta
|buku-buku sekolah|meja yang berat|tiga payung|alat-alat musik|sekotak paku|pakaian hangat
di belakang sekolah|di dekat sungai|di stasiun|di dapur|di bawah jembatan|di samping rumah sakit|di atas atap
|di depan masjid|di pasar|di kebun|di sebelah toko roti|di pulau|di sepanjang jalan raya""",
}
_FORM = {  # when, who, does, what, where, year
    "fi": "{0} {1} {2} {3} {4}, kuten vuonna {5}.",
    "hi": "{0} {1} {4} {3} {2}, जैसे वर्ष {5} में।",
    "th": "{0} {1} {2} {3} {4} เหมือนในปี {5} ",
    "sw": "{0} {1} {2} {3} {4}, kama mwaka {5}.",
    "id": "{0} {1} {2} {3} {4}, seperti pada tahun {5}.",
}
_MENU = {
    "fi": ("Etusivu", "Uutiset", "Urheilu", "Yhteystiedot", "Tietoa meistä", "Kirjaudu sisään"),
    "hi": ("मुख्य पृष्ठ", "समाचार", "खेल", "संपर्क करें", "हमारे बारे में", "लॉग इन करें"),
    "th": ("หน้าแรก", "ข่าว", "กีฬา", "ติดต่อเรา", "เกี่ยวกับเรา", "เข้าสู่ระบบ"),
    "sw": ("Mwanzo", "Habari", "Michezo", "Wasiliana nasi", "Kuhusu sisi", "Ingia"),
    "id": ("Beranda", "Berita", "Olahraga", "Hubungi kami", "Tentang kami", "Masuk"),
}
_LATIN = "babebibodadedogakakekikolalelomamemimonanenopararerirosasesatatetito"
_SYLLABLES = [_LATIN[at : at + 2] for at in range(0, len(_LATIN), 2)]
_PHRASES = {
    lang: [line.split("|") for line in text.replace("\n|", "|").strip().splitlines()] for lang, text in _SLOTS.items()
}


def documents(lang: str, n_bytes: int, seed: int = 1) -> Iterator[Document]:
    """Pages of so many bytes of UTF-8 together, or a little more."""
    draw = random.Random(f"{lang}:{seed}")
    held: list[list[str]] = []
    n = done = 0
    while done < n_bytes:
        if len(held) == PAGES_HELD and draw.random() < COPIED:
            article = [_sentence(lang, draw), *draw.choice(held)]
        else:
            article = [_paragraph(lang, draw) for _ in range(1 + int(draw.expovariate(1 / (MEAN_PARAGRAPHS - 0.5))))]
            held = [*held[-PAGES_HELD + 1 :], article]
        domain = draw.randrange(DOMAINS)
        place = f"{lang}:{n}"
        text = "\n".join(
            [
                " | ".join(_MENU[lang]),
                *_MENU[lang],
                f"Site {domain}: {_PHRASES[lang][1][domain % 13]}",
                *("\n".join((_heading(lang, draw), part)) if draw.random() < 0.3 else part for part in article),
                f"© 2019 Site {domain}. All rights reserved.",
            ]
        )
        yield Document(place, place, text, f"https://www.site{domain}.example/{n}", None, "cc0-1.0", "")
        done += len(text.encode())
        n += 1


def _sentence(lang: str, draw: random.Random) -> str:
    parts = [of[int(draw.random() * len(of))] for of in _PHRASES[lang]]
    for place in (1, 3):  # or a passage would be pressed to two thirds, which real ones are not (0.76 in the median)
        parts[place] = f"{parts[place]} {_name(draw)}"
    return _FORM[lang].format(*parts, 1900 + int(draw.random() * 120))


def _name(draw: random.Random) -> str:
    return "".join(
        _SYLLABLES[int(draw.random() * len(_SYLLABLES))] for _ in range(2 + int(draw.random() * 3))
    ).capitalize()


def _paragraph(lang: str, draw: random.Random) -> str:
    return " ".join(_sentence(lang, draw) for _ in range(2 + int(draw.random() * 7)))


def _heading(lang: str, draw: random.Random) -> str:
    return " ".join(of[int(draw.random() * len(of))] for of in _PHRASES[lang][3:])
