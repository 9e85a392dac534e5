"""Judges whether a message supports what a candidate says of it: by words, names and numbers, then by meaning. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Set
from functools import lru_cache

from memory.facts.text import fold
from memory.learn.answer import EXTRACTION_PROMPT
from memory.learn.quotes import sentence_around

Pair = tuple[str, str]
Cosines = Mapping[Pair, float]
"""Two texts -> the cosine of their vectors; a pair that is missing counts as 0."""
NO_COSINES: Cosines = {}

MIN_COSINE = 0.25  # measured on tests/evals/support_pairs.py with the local embedder
EXAMPLES = frozenset(map(fold, re.findall(r'"([^"]+)"', EXTRACTION_PROMPT)))

# Words that a sentence shares with any other, in the languages of small_talk.py: articles, pronouns, prepositions,
# auxiliaries. After them the verbs of nearly every fact, which say little without their object.
EMPTY_WORDS_TEXT = """
a about all also am an and any are as at be been being but by can could d did do does doing don for from get gets got
had has have having he her here him his how i if in into is isn it its just ll m me my no not now of off on or our out
re s she so some such t than that the their them then there these they this those to too up us user users ve very was we
were what when where which while who why will with would you your really got im ive
aber als am an auch auf aus bei bin bis bist da das dass dem den der des die doch du ein eine einem einen einer er es
für habe haben hat hatte ich ihr im in ist ja kein keine man mein meine meinem meinen meiner mich mir mit nach nicht noch
nur oder schon sehr sein seine seit sich sie sind so über um und uns unser von vor war wenn wir wird zu zum zur
ai aux avec c ce ces cette dans de depuis des du elle en est et eu il ils j je l la le les leur lui ma mais me mes moi
mon n ne nos notre nous on ont ou où par pas plus pour qu que qui sa se ses son sont suis sur tu un une y à été très
al algo con como del desde el ella ellos era es esta este esto está están estoy fue ha han hay he la las le lo los más
mi mis muy no nos nuestra nuestro o para pero por que se ser si sin sobre soy su sus también tengo tiene un una y ya yo
ao aos as com da das de do dos e ela ele em eu foi meu meus minha minhas na nas no nos não o os ou para pelo pela por
que se sem ser seu sou sua são também tem tenho um uma às é está estou muito
ad agli ai al alla anche che ci col con cui da dal dalla dei del della delle di e ed è gli ha hanno ho i il in io la le
lei lo loro lui ma mi mia mie miei mio nel nella noi non per più questa questo se si sono su sua suo ti tra un una uno
aan als bij dan dat de die dit een en er haar heb heeft het hij ik in is je maar me met mij mijn naar niet nog of om onze
ons ook op te tot uit van voor was we wij ze zich zijn zo
att av de den det du där efter en ett från för ha har hon honom i inte jag kan med men min mina mitt mig ni och om oss på
sig sin sitt som så till under ut var vi vid är
a ale bo być co czy dla do go i ich ja jak jest jestem już ma mam mi mnie moja moje mój na nie o od oraz po się są swój
ta tak też tego ten to tu w we z za ze że
а без бы был была были было в во вот все вы где да для до его ее есть еще же за и из или им их к как ко когда ли меня мне
мой моя мои мы на нас не него нет но о об он она они от по при с свой со так там то тоже ты у уже что это я
ama ben benim bir bu çok da daha de değil en gibi hem her için ile ise ki mi mı mu mü ne o olan olarak oldu şu ve veya
ya var yok
है हैं हो हूँ हूं था थी थे का की के को में से पर ने और या मैं मेरा मेरी मेरे मुझे हम यह वह भी ही नहीं तो कि एक
من في على إلى عن مع هذا هذه أن أنا لا ما هو هي لي كان التي الذي و قد أو
나 나는 내 내가 저 저는 제 제가 는 은 이 가 을 를 에 의 도 와 과 있 있다 있어요 입니다 이다 사용자
"""
LIGHT_VERBS_TEXT = """
live lives living lived like likes liked love loves prefer prefers preferred work works working worked use uses using
used want wants wanted need needs go goes going went make makes name named called know knows
wohnt wohne lebt lebe mag liebt arbeitet arbeite heißt heiße benutzt nutzt möchte will
habite vit aime préfère travaille utilise appelle veut vive vivo gusta gustan trabaja trabajo usa uso llama llamo quiere
mora moro gosta gosto trabalha chama quer abita abito vive piace lavora lavoro chiama vuole preferisce
woont woon houdt werkt werk heet bor gillar jobbar arbetar heter mieszka mieszkam lubi lubię pracuje pracuję
живет живу любит люблю нравится работает работаю зовут yaşıyor yaşıyorum seviyor seviyorum çalışıyor çalışıyorum
रहता रहती पसंद يعيش أعيش يحب أحب يعمل أعمل
"""
NUMBERS = {
    word: str(number)
    for number, word in [
        *enumerate(
            [
                "zero",
                "one",
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "eleven",
                "twelve",
                "thirteen",
            ]
        ),
        *enumerate(["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"], 14),
        *(
            (10 * n, word)
            for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
        ),
    ]
}

# Scripts without spaces between words, and what carries no content in them.
KANA_AND_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
THAI_AND_KHMER = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+")
EMPTY_KANA_AND_HAN = re.compile(
    r"(?:ています|ている|していた|して|します|する|した|でした|です|ました|ます|ください|という|って|から|まで|ので|けど|こと|もの"
    r"|ある|いる|ない|たい|これ|それ|その|この|では|には|とは|ユーザー|名前|好き|住んで|働いて|使って|欲しい|作って|書いて|教えて"
    r"|喜欢|喜歡|住在|工作|名字|用户|用戶|可以|什么|什麼|怎么|怎麼|一个|一個|这个|那个|我们|帮我|[私僕俺彼的了是在有和与也很都吗呢吧"
    r"不我你他她您们個个这那就叫住要想会能写一把被给請请]|[はがをにのでともへやかねよな])"
)
KOREAN_ENDING = re.compile(
    r"(?<=[가-힣])(?:입니다|이에요|예요|에서|에게|으로|이다|은|는|이|가|을|를|에|의|도|와|과|로)$"
)
ARABIC_ARTICLE = re.compile(r"^[وبلكف]?ال(?=..)")
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")


def _plain(text: str) -> str:
    """The folded text without accents: "Nüsse" -> "nusse"."""
    return unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFD", fold(text))))


def _words(text: str) -> list[str]:
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in _plain(text))
    return "".join(kept).split()


EMPTY_WORDS = frozenset(_words(EMPTY_WORDS_TEXT))
LIGHT_VERBS = frozenset(_words(LIGHT_VERBS_TEXT))


def content(text: str) -> frozenset[str]:
    """The words, numbers and, in scripts without spaces, pairs of characters that carry the content of a text."""
    found = set[str]()
    for word in _words(text):
        if word in EMPTY_WORDS or word in LIGHT_VERBS:
            continue
        for run in KANA_AND_HAN.findall(word):
            for part in EMPTY_KANA_AND_HAN.sub(" ", run).split():
                found |= {part[n : n + 2] for n in range(max(len(part) - 1, 1))}
        for run in THAI_AND_KHMER.findall(word):
            found |= {run[n : n + 4] for n in range(max(len(run) - 3, 1))}
        for rest in THAI_AND_KHMER.sub(" ", KANA_AND_HAN.sub(" ", word)).split():
            found.add(_stripped(rest))
    return frozenset(found)


def _stripped(word: str) -> str:
    """A word without its particle or article; a number in digits without zeros in front."""
    if word.isdecimal() and len(word) < 20:
        return str(int(word))
    return NUMBERS.get(word) or ARABIC_ARTICLE.sub("", KOREAN_ENDING.sub("", word))


def alike(one: str, other: str) -> bool:
    """Whether two words are forms of one, parts of a compound, or one is a misspelling: by the letters they share."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if short.isdecimal() or long.isdecimal():
        return False
    if KANA_AND_HAN.match(short):
        return len(short) == 1 and short in long
    if not "a" <= short[0] <= "ӿ":  # of an alphabet of syllables or consonants: words are shorter
        return len(short) >= 2 and short in long if short[0] >= "가" else len(short) >= 3 and short in long
    if len(short) >= 4 and (short in long or short[: max(4, round(0.7 * len(short)))] in long):
        return True
    if len(short) == 3 and long.startswith(short) and len(long) <= 7:
        return True
    pairs_short, pairs_long = _pairs(short), _pairs(long)
    return len(short) >= 5 and 2 * len(pairs_short & pairs_long) >= 0.7 * (len(pairs_short) + len(pairs_long))


@lru_cache(maxsize=4_096)
def _pairs(word: str) -> frozenset[str]:
    return frozenset(word[n : n + 2] for n in range(len(word) - 1))


def shares_words(text: str, message: str) -> bool:
    """Whether the two share a word with content, a name or a number."""
    said = content(message)
    return any(alike(word, other) for word in content(text) for other in said) or _abbreviated(text, said)


def _abbreviated(text: str, said: Set[str]) -> bool:
    """Whether a word that was said consists of the initials of consecutive words: "NYC" for "New York City"."""
    initials = "".join(word[0] for word in _words(text))
    return any(2 <= len(word) <= 5 and word in initials for word in said)


def compared(text: str, attribute: str, quote: str, message: str) -> list[Pair]:
    """The pairs of texts whose cosines `is_supported` needs; none if words decide."""
    if fold(text) in EXAMPLES or shares_words(text, message):
        return []
    claim = f"{attribute}: {text}"
    return [(claim, said) for said in dict.fromkeys((quote, sentence_around(quote, message)))]


def is_supported(text: str, attribute: str, quote: str, message: str, cosines: Cosines) -> bool:
    """Whether the message says what the text does: in shared words, or near it in meaning."""
    if fold(text) in EXAMPLES:  # a small model returns the prompt's own examples, with a genuine quote
        return all(any(alike(word, other) for other in content(message)) for word in content(text))
    pairs = compared(text, attribute, quote, message)
    return not pairs or max(cosines.get(pair, 0.0) for pair in pairs) >= MIN_COSINE
