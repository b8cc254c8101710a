"""Texts in words of another language: the pseudo-translator. It must not know HTTP, nor what a request is."""

from __future__ import annotations

import hashlib
import re
from functools import cache

MARKS = "\u0300-\u036f\u064b-\u065f\u0670\u0900-\u0e7f\u200c\u200d"  # vowel signs, which Python's \w leaves out
TOKEN = re.compile(
    rf"""(?P<kept> ```.*?(?:```|\Z) | `[^`\n]+` | ⟦\d+⟧ | </?[A-Za-z][^<>\n]*> | <\|\w+\|> | https?://\S+ | \w*\d\w* )
    | (?P<word> [^\W\d_] (?: [^\W\d_] | [{MARKS}] | ['’](?=[^\W\d_]) )* )
    | (?P<space> (?<=[^\W\d_])[ ](?=[^\W\d_]) )""",
    re.VERBOSE | re.DOTALL,
)
UNSPACED = {"zh", "ja", "th"}
DENSITY = {"zh": 0.65, "ja": 0.75, "ko": 0.6}  # characters per English character, higher than in life to be safe
N_CANDIDATES = 24  # words to choose from for a source word of some length: enough to differ, near enough in length
LONGEST = 12  # characters of a source word that one target word stands for


def translate(text: str, lang: str) -> str:
    """`text` with its words replaced by words of `lang`; numbers, code, markup, sentinels and lines stay as they are.

    The whole text seeds the choice: equal texts give equal results, different texts different ones (unless they are
    one or two words long, where there are too few results to go round).
    """
    choices = iter(hashlib.shake_256(f"{lang}\0{text}".encode()).digest(len(text)))
    separator = "" if lang in UNSPACED else " "
    previous = ""

    def next_word(n_characters: int) -> str:
        nonlocal previous
        candidates = candidates_for(lang, n_characters)
        choice = next(choices)
        word = candidates[choice % len(candidates)]
        previous = candidates[(choice + 1) % len(candidates)] if word == previous else word
        return previous

    def replacement(match: re.Match[str]) -> str:
        token = match[0]
        if match.lastgroup == "kept":
            return token
        if match.lastgroup == "space":
            return separator
        phrase = separator.join(next_word(min(LONGEST, n)) for n in range(len(token), 0, -LONGEST))
        return capitalized(phrase, lang) if token[0].isupper() else phrase

    return TOKEN.sub(replacement, text)


@cache
def candidates_for(lang: str, n_characters: int) -> list[str]:
    """The words of `lang` that come nearest in length to a source word of `n_characters`."""
    wished = n_characters * DENSITY.get(lang, 1.0)
    return sorted(WORDS[lang], key=lambda word: abs(len(word) - wished))[:N_CANDIDATES]


def capitalized(word: str, lang: str) -> str:
    return ("İ" if lang == "tr" and word[0] == "i" else word[0].upper()) + word[1:]


# Common words in correct spelling, of all lengths; a language identifier must find the language in any mixture of them.
WORDS: dict[str, list[str]] = {
    lang: words.split()
    for lang, words in {
        "en": """a the of and to in is that it for was with as his on be at by have from they this which one had
            but not what all were when there their people about would these other could because before through
            government important different information understanding international approximately""",
        "es": """y a el la de en que los las una por con para como pero más este esta muy sin también cuando donde
            porque siempre nosotros ciudad tiempo gobierno después durante entre hasta desde hacer tiene puede
            nuestro pueblo año país vida según mientras trabajo palabras historia importante diferente información
            posiblemente naturaleza conocimiento actualmente pregunta respuesta ejemplo""",
        "fr": """à le la de et les des une est que qui dans pour avec sur pas plus nous vous mais cette comme aussi
            être sont leur tout très même après avant toujours jamais peut faire temps année monde ville pays
            français pendant depuis plusieurs beaucoup gouvernement aujourd'hui maintenant question réponse exemple
            importante différente naturellement connaissance""",
        "de": """in zu er der die und das ist mit von für auf den dem ein eine nicht sich auch werden wurde haben
            sind über nach bei durch aber oder wenn weil zwischen gegen während immer schon noch sehr viele Jahre
            Zeit Stadt Menschen Deutschland Regierung können müssen möglich wichtig Beispiel Frage Antwort
            natürlich verschiedene Entwicklung Gesellschaft Informationen""",
        "pt": """o a de em que não uma os as do da com para por mais como mas foi são está também já muito pelo até
            isso seu sua quando depois ainda mesmo então pessoas cidade governo anos você tempo vida
            trabalho informação história através resposta pergunta exemplo importante diferente atualmente
            conhecimento desenvolvimento""",
        "it": """e di il la che è per un una non sono con del della nel nella gli le dei anche più come ma questo
            questa quando dove perché sempre dopo prima molto essere stato hanno fatto città tempo governo anni
            vita lavoro ogni ancora quello quindi tutti italiano informazioni esempio risposta domanda importante
            differente soprattutto conoscenza naturalmente""",
        "no": """ble noen gjør seg nå gjøre å gjennom noe annet blant etter uten norsk slik blir selvfølgelig
            regjeringen veien bruker fra også viktig sammen samme andre bare hva annen av ettersom mellom
            opplysninger utdanning forskjellige riktig senere inn norske utvikling tidligere øyeblikk og kunnskap
            som året Norge større kanskje til ved ytterligere spørsmål eksempel samfunnet""",
        "ru": """и в на не что он как это по из но за для от так его был она они все мы вы при уже или где если
            когда только также очень может быть после время человек город жизни года страна работы который которые
            потому между всегда например вопрос ответ история правительство важный различные информация необходимо
            действительно образование""",
        "tr": """ve bir bu da de için ile çok ne daha gibi ama olan var en kadar sonra olarak değil her şey ben
            onun göre zaman büyük yeni Türk şehir ülke yıl gün önce kendi bütün olduğu bunun üzerinde arasında
            nasıl neden çünkü insanlar hayat hükümet örneğin soru cevap önemli farklı çalışma bilgiler gerçekten
            özellikle gelişmeler kullanılan""",
        "vi": """và là của có cho với không được trong một những các người này đã khi từ để đến cũng như về ở ra
            vào rất nhiều nhưng việc năm nước đó thì sẽ phải trên sau trước làm thời gian thành phố chính phủ cuộc
            sống lịch sử câu hỏi trả lời ví dụ quan trọng khác nhau thông tin kiến thức nghiên cứu phương pháp
            thường""",
        "id": """di ke itu ini dan ada yang dari pada juga akan bisa saya kami kita untuk bahwa adalah yaitu
            tanggal karena dapat memiliki setelah kota maka tahun dengan menjadi sudah lebih saat tidak sebagai
            pemerintah oleh dilakukan beberapa tersebut rumah banyak hanya masih menggunakan seperti indonesia
            secara kehidupan contohnya berbeda informasi jawaban antara pengetahuan masyarakat pertanyaan
            pendidikan kabupaten provinsi baru""",
        "fi": """ja on ei se että hän oli mutta kun niin myös ovat joka tai jos vain kuin nyt hyvin paljon sitten
            ennen jälkeen vuonna aikana kanssa kaikki mikä miksi missä voi olla ollut minä sinä meidän heidän
            ihmiset kaupunki Suomen hallitus elämä työtä kysymys vastaus esimerkiksi tärkeä erilaisia tietoa koska
            yhteiskunta kuitenkin mahdollisuus ensimmäinen käytetään""",
        # lid.176 hardly knows Swahili (85 % of real sentences): these words it does, and the best stand twice.
        "sw": """katika kwa wa ya mwaka katika kwa wa ya mwaka mwanasiasa mkoa mwa mwandishi mwanamke vya mwanamume
            mwanga mpaka makuu mkoani lugha miaka vyote wakazi cha hakuna mji kaskazini kazi ni wakati kusini
            kufuatana kati za yake kwamba kutumia wanafunzi huko jina kwake zaidi kwani makubwa mkubwa mashariki
            wilaya""",
        "ko": """이 그 수 것은 나는 우리 있는 없는 하는 그는 매우 모든 또한 많은 다른 사람 시간 도시 나라 정부 역사
            생활 그리고 그러나 때문에 합니다 있습니다 없습니다 했습니다 입니다 대한 위해 통해 에서는 사람들은
            우리나라 대한민국 중요한 정보를 질문에 대답은 예를 들어 다양한 발전을 경우에 새로운 이러한 가능한
            필요합니다 생각합니다 사용합니다 무엇인가 어떻게 왜냐하면 그렇기 때문입니다 중요합니다 알려져 만들어진""",
        "zh": """的 是 在 我们 他们 这个 那个 因为 所以 但是 如果 没有 可以 已经 非常 中国 城市 政府 历史 生活 时间
            问题 回答 例如 重要 不同 信息 知识 发展 人们 工作 学习 世界 国家 现在 以后 以前 什么 怎么 为什么 这样的
            一个人 很多人 大多数 有时候 科学家 重要的是 也就是说 在这里 对我们来说 与此同时 越来越多 一般来说
            各种各样 经济发展 实际上是 换句话说 不仅如此 在很大程度上 科学技术 人民生活水平 从历史上看
            社会发展的问题""",
        "ja": """の は に を が と も から まで です ます この その これは それは 私たち 人々 時間 都市 政府 歴史
            生活 質問 回答 例えば 重要な 異なる 情報を 知識の 発展 仕事を 学ぶ 世界の 日本の 現在は しかし そして
            また なぜなら すべての たくさん できます あります います しました という ために において について
            ことです そのために 考えられます 知られている 必要があります 重要なことは 使われています ものである
            とても 私たちの 日本では 人々にとって それにもかかわらず ではありません""",
        "th": """และ ที่ ใน ของ เป็น มี ได้ ให้ ไม่ จะ การ กับ จาก นี้ นั้น คือ แต่ เรา เขา คน วัน ปี เมือง ประเทศ
            รัฐบาล เวลา ชีวิต ทำงาน เพราะ ดังนั้น แล้ว ก่อน หลัง มาก ทั้งหมด อย่าง ต้อง สามารถ ความรู้ ข้อมูล คำถาม
            คำตอบ ตัวอย่าง สำคัญ แตกต่าง ประวัติศาสตร์ การพัฒนา นักเรียน โรงเรียน ประชาชน ความสำคัญ โดยเฉพาะ
            นอกจากนี้ อย่างไรก็ตาม การศึกษา วิทยาศาสตร์ เศรษฐกิจ""",
        "bn": """এই যে না ও এবং তার কিন্তু আমি আমরা তিনি তারা হয় করে থেকে জন্য সঙ্গে একটি হবে ছিল আছে নেই কেন কী
            সব অনেক মানুষ সময় শহর দেশ সরকার ইতিহাস জীবন কাজ বছর দিন পরে আগে মধ্যে কারণ যখন তখন প্রশ্ন উত্তর উদাহরণ
            গুরুত্বপূর্ণ বিভিন্ন তথ্য জ্ঞান শিক্ষা বাংলাদেশ উন্নয়ন করতে পারে হয়েছে বিজ্ঞান সাধারণত ব্যবহার পৃথিবী
            প্রতিষ্ঠান বিশ্ববিদ্যালয়""",
        "hi": """हैं और में के है से पर मैं का को सभी क्योंकि भी प्रश्न की जीवन कि इसके किया कैसे समय हम ज्ञान करना
            उनके बाद उत्तर दिन उपयोग लोग सकता देश लिए साल महत्वपूर्ण पहले थी काम एक जब जो गया विज्ञान था बहुत आप
            नहीं लेकिन साथ जानकारी शिक्षा वह भारत विभिन्न दुनिया शहर सरकार यह इतिहास विश्वविद्यालय""",
        "ta": """ஒரு இது அது என்று மற்றும் அவர் நான் நாம் அவர்கள் இந்த அந்த உள்ளது இல்லை ஆனால் மிகவும் பல எல்லா
            மக்கள் நேரம் நகரம் நாடு அரசு வரலாறு வாழ்க்கை வேலை ஆண்டு நாள் பிறகு முன்பு இடையே ஏனெனில் எப்போது கேள்வி
            பதில் உதாரணம் முக்கியமான வேறுபட்ட தகவல் அறிவு கல்வி தமிழ் வளர்ச்சி அறிவியல் பயன்பாடு உலகம் என்ன எப்படி
            முடியும் வேண்டும் இருந்து செய்ய கொண்டு நீ பூ ஆம் தான் நம் என""",
        "ur": """ہیں ہے ہمیں نہیں رہے انہیں میں ہونے کا ہوئے اور کی ہوا ہر ہمارے رہا وہ کہ یہ ہوتا ہم ہوئی رہی
            کیونکہ تھے تھا چاہیے شہر والے بڑے باہر لوگوں بچے ساتھ سے کیے ایک مختلف دوسرے سائنس شروع کے جانے طور
            پہلے لیے کیسے انہوں گئے بھارت علم بعد کرنے اہم سوال مثال جواب یونیورسٹی حکومت معلومات""",
        "ar": """في من على أن إلى هذا هذه التي الذي كان لم لا ما هو هي عن مع كل بعد قبل بين ثم أو قد ذلك عند حتى
            لكن كما نحن هم أنا أيضا جدا كثير الناس الوقت المدينة الدولة الحكومة التاريخ الحياة العمل السنة اليوم
            لأن عندما لماذا كيف سؤال جواب مثال مهم مختلفة المعلومات المعرفة التعليم العربية التنمية العلوم استخدام
            العالم الاجتماعية المستقبل""",
    }.items()
}
