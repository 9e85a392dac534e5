"""Words that facts are mostly about, in English and in other languages. Pure.

Models write English facts for messages in any language. Then the two share no word, and the local embedder, which knows
mostly English, finds few of them near.
"""

import re
from functools import cache

from memory.language.content import words

# English word -> what it is called in the languages of content.py, without accents. In scripts with spaces these are
# the beginnings of words ("cork" -> "corki"), or whole ones if they end with "." ("et." -> not "etwas").
TRANSLATIONS = {
    "live lives living home moved moving": (
        "wohn lebe lebe. zieh gezogen umgezogen vivo vive vivimos habit abit moro. mora. mude mudei emmenag demenag "
        "trasferi woon verhui mieszka przeprowad жив переехал oturuy yasiyor tasınd 住 引っ越 搬 살아 살고 이사 اعيش "
        "اسكن انتقل रहत"
    ),
    "work works working job employed": (
        "arbeit trabaj trabalh travaill bosse curro lavor werk pracuj работа calıs 働 勤め 上班 工作 일하 일해 اعمل "
        "काम नौकर"
    ),
    "nurse": (
        "krankenschwester krankenpfleg enfermer infirmi infermier verple pielegniar медсестр hemsire 看護 护士 간호 "
        "ممرض"
    ),
    "doctor physician": "arzt medico. medica. medecin docteur doutor lekar врач doktor 医者 医師 医生 의사 طبيب",
    "teacher teaches": (
        "lehrer profesor professor prof. maestr insegn leraar nauczyc учител ogretmen 教師 老师 教师 교사 معلم"
    ),
    "engineer programmer developer": (
        "ingeni ingegner engenh inzyn инженер muhendis エンジニア 工程师 程序员 엔지니어 개발 مهندس programm program "
        "entwickl desarroll developp svilupp yazılım разработ"
    ),
    "allergic allergy": "allerg alerg vertrage uczul аллерг alerji アレルギー 过敏 알레르기 حساسي एलर्जी",
    "nut nuts peanut peanuts": (
        "nuss nusse erdnuss nuez nueces cacah noix arachid noci. amendoi noten pinda orzech орех арахис fıstık fındık "
        "ナッツ 花生 坚果 땅콩 مكسرات मूंगफली"
    ),
    "milk dairy lactose": "milch leche lait. latte leite melk mlek молок lakto lacto sut. 牛乳 牛奶 우유 حليب दूध",
    "egg eggs": "ei. eier huevo oeuf uova ovos jaj яиц yumurta 卵 鸡蛋 계란 달걀 بيض",
    "fish shellfish shrimp seafood": (
        "fisch garnel marisc gamba camar crevett poisson pesc vis. ryb krewet рыб кревет balık karides エビ 魚 虾 "
        "海鲜 새우 해산물 سمك"
    ),
    "meat vegetarian vegan": (
        "fleisch carne viande vlees mies мяс et. veget vejet vegan 肉 素 ベジタリアン 고기 채식 لحم"
    ),
    "smoke smokes smoking": "rauch kippen fum roken rook pal. pale. кур sigara タバコ 烟 담배 ادخن",
    "alcohol drink drinks": "alkoh alcohol alcool trink bebo bois. alkol 酒 술 كحول",
    "child children kid kids": (
        "kind hijo hija nino nina enfant figli filh dzieci деть дети детеи детьми ребен cocuk 子供 孩子 아이 طفل बच्च"
    ),
    "newborn baby born pregnant": (
        "neugebor geboren. schwanger nacio. naciment embaraz bebe. enceint nouveau-ne incinta partorit neonat gravida. "
        "gravid. zwanger ciazy urodzi родил беремен hamile dogdu 妊娠 生まれ 怀孕 出生 임신 태어 حامل गर्भवती"
    ),
    "daughter": ("tochter hija fille figlia filha dochter cork дочь дочк дочер kızım 娘 女の子 女儿 딸 ابنت بنت बेटी"),
    "son": "sohn hijo fils figlio filho zoon syn сын oglum 息子 儿子 아들 ابني बेटा",
    "brother": "bruder hermano frere fratell irmao broer brat брат kardes 兄 弟 哥 남동생 형이 اخي भाई",
    "sister": "schwester hermana soeur sorell irma. zus. siostr сестр kardes abla 姉 妹 姐 누나 언니 اختي बहन",
    "wife married": "frau. mujer esposa femme moglie vrouw zona жен karım 妻 老婆 아내 زوجتي पत्नी",
    "husband married": "mann. marido mari. marito maz. муж kocam 夫 老公 남편 زوجي पति",
    "married wedding": (
        "verheirat heirat casa. casad casar mari. marie sposat getrouwd trouw evlen 結婚 结婚 결혼 متزوج शादी"
    ),
    "dog dogs": "hund perr chien cane. cani. cachorr hond pies. psa. собак kopek 犬 狗 강아지 كلب कुत्त",
    "cat cats": "katz gato gata chat. chats. gatt kat. katten kot. koty кошк кот. kedi 猫 고양이 قط. قطة बिल्ली",
    "name named": "heisse heisst llamo appelle chiamo chamo heet nazywam imie зовут adım 名前 叫 이름 اسمي नाम",
    "speaks speak": "sprech habl parle parlo falo spreek mowie говор konus 話せ 说 할줄 اتكلم बोल",
    "like likes love loves enjoy enjoys": (
        "mag. liebe gern. gust encant ador aime. piac amo. gosto lubi любл нрав seviyo 好き 喜欢 좋아 احب पसंद"
    ),
}

ENGLISH = re.compile(
    r"(?i)\b(?:the|and|you|your|this|that|have|with|(?:i|we)['’](?:m|ve|re|ll|d)|(?:it|he|she)['’]s|\w+n['’]t)\b"
)


def is_translated(english: str, other: str) -> bool:
    """Whether a word of the English text is in the other one, in another language than English."""
    if ENGLISH.search(other):
        return False
    first, second = (" ".join(words(text)) for text in (english, other))
    return any(name.search(first) and names.search(second) for name, names in _table())


@cache
def _table() -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    return [
        (_pattern(english.split(), r"s?\b"), _pattern(others.split(), "")) for english, others in TRANSLATIONS.items()
    ]


def _pattern(forms: list[str], end: str) -> re.Pattern[str]:
    """The forms where a word begins; anywhere in scripts without spaces."""

    def form(text: str) -> str:
        text = re.escape(text).replace(r"\.", r"\b") + end
        return rf"\b{text}" if text[0] < "\u3000" else text

    return re.compile("|".join(map(form, forms)))
