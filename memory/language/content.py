"""The words that carry the content of a text, and which of them are forms of one word, in any language. Pure."""

import re
import unicodedata

from memory.language.text import fold, without_accents

# Words that any two sentences may share, in the languages of small_talk.py and in Arabic: articles, pronouns,
# prepositions, auxiliaries. A word that is left out costs a false candidate; one too many costs a look at the meaning.
EMPTY_WORDS_TEXT = """
a about all also am an and any are as at be been being but by can could d did do does doing don for from get gets
got had has have having he her here him his how i if in into is isn it its just ll m me my no not now of off on or
our out re s she so some such t than that the their them then there these they this those to too up us user users ve
very was we were what when where which while who why will with would you your really im ive good great lot lots aber
als auch auf aus bei bin bis bist da das dass dem den der des die doch du ein eine einem einen einer er es für habe
haben hat hatte ich ihr ist ja kein keine mein meine meinem meinen meiner mich mir mit nach nicht noch nur oder
schon sehr sein seine seit sich sie sind über um und uns unser von vor war wenn wir wird zu zum zur ai aux avec c ce
ces cette dans de depuis elle en est et eu il ils j je l la le les leur lui ma mais mes moi mon n ne nos notre nous
ont ou où par pas plus pour qu que qui sa se ses sont suis sur tu un une y à été très al algo con como del desde el
ella ellos era esta este esto está están estoy fue ha han hay las lo los más mi mis muy nuestra nuestro o para pero
por ser si sin sobre soy su sus también tengo tiene una ya yo ao aos com dos e ela ele em foi meu meus minha minhas
na nas não os pelo pela sem seu sou sua são também tem tenho uma às é estou muito ad agli alla anche che ci col cui
dal dalla dei della delle di ed è gli hanno ho io lei loro mia mie miei mio nel nella noi non per più questa questo
sono suo ti tra uno aan bij dan dat dit een haar heb heeft het hij ik maar met mij mijn naar niet nog om onze ons
ook op te tot uit voor wij ze zich zijn zo att av det där efter ett från för har hon honom inte jag kan med min mina
mitt mig ni och oss på sig sitt som så till under ut var vi vid är ale bo być co czy dla go jak jest jestem już mam
mnie moja moje mój nie od oraz po się są swój ta tak też tego w z za że а без бы был была были было в во вот все вы
где да для до его ее есть еще же за и из или им их к как ко когда ли меня мне мой моя мои мы на нас не него нет но о
об он она они от по при с свой со так там то тоже ты у уже что это я ama ben benim bir bu çok daha değil gibi hem
için ile ise ki mı mu mü olan olarak oldu şu veya yok है हैं हो हूँ हूं था थी थे का की के को में से पर ने और या मैं
मेरा मेरी मेरे मुझे हम यह वह भी ही नहीं तो कि एक من في على إلى عن مع هذا هذه أن أنا لا ما هو هي لي كان التي الذي و
قد أو 나 나는 내 내가 저 저는 제 제가 는 은 이 가 을 를 에 의 도 와 과 있 있다 있어요 입니다 이다 사용자
"""
# The verbs of most facts, which say little without their object.
LIGHT_VERBS_TEXT = """
live lives living lived like likes liked love loves prefer prefers preferred work works working worked use uses
using used want wants wanted need needs go goes going went make makes name named called know knows born wohnt wohne
lebt lebe mag liebt arbeitet arbeite heißt heiße benutzt nutzt möchte will habite vit aime préfère travaille utilise
appelle veut vive vivo gusta gustan trabaja trabajo usa uso llama llamo quiere mora moro gosta gosto trabalha chama
quer abita abito piace lavora lavoro chiama vuole preferisce woont woon houdt werkt werk heet bor gillar jobbar
arbetar heter mieszka mieszkam lubi lubię pracuje pracuję живет живу любит люблю нравится работает работаю зовут
yaşıyor yaşıyorum seviyor seviyorum çalışıyor çalışıyorum रहता रहती पसंद يعيش أعيش يحب أحب يعمل أعمل
"""
NUMBERS_TEXT = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
TENS_TEXT = "ten twenty thirty forty fifty sixty seventy eighty ninety"

# Scripts without spaces between words, and in the first what says little.
KANA_AND_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
HIRAGANA = re.compile(r"[\u3040-\u309f]")  # one alone is mostly an ending
OTHER_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+")  # Thai, Lao, Burmese, Khmer
EMPTY_KANA_AND_HAN = re.compile(
    "ています|ている|していた|して|します|する|した|でした|です|ました|ます|ください|という|って|から|まで|ので|けど|こと|もの|ある"
    "|いる|ない|たい|これ|それ|その|この|では|には|とは|ユーザー|名前|好き|住んで|働いて|使って|欲しい|作って|書いて|教えて"
    "|喜欢|喜歡|住在|工作|名字|用户|用戶|可以|什么|什麼|怎么|怎麼|一个|一個|这个|那个|我们|帮我"
    "|[私僕俺彼的了是在有和与也很都吗呢吧不我你他她您們个們這这那就叫住要想会能写一把被给請请はがをにのでともへやかねよな]"
)

KOREAN_ENDING = re.compile(
    "(?<=[가-힣])(?:입니다|이에요|예요|에서|에게|으로|이다|은|는|이|가|을|를|에|의|도|와|과|로)$"
)
ARABIC_ARTICLE = re.compile("^[وبلكف]?ال(?=..)")
ALPHABETS = range(ord("a"), ord("\u0530"))  # Latin, Greek, Cyrillic: with letters for vowels, so that words are longer
HANGUL = range(ord("가"), ord("힣") + 1)


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case and without accents: "Nüsse" -> "nusse"."""
    plain = without_accents(fold(text))
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in plain).split()


def content(text: str) -> frozenset[str]:
    """The words with content; in scripts without spaces, every two characters (four in Thai) that follow each other."""
    found = set[str]()
    for word in words(text):
        if word in EMPTY_WORDS or word in LIGHT_VERBS:
            continue
        if word.isascii():
            found.add(_stripped(word))
            continue
        for run in KANA_AND_HAN.findall(word):
            for part in EMPTY_KANA_AND_HAN.sub(" ", run).split():
                found |= _runs(part, 2) if len(part) > 1 or not HIRAGANA.match(part) else set()
        for run in OTHER_UNSPACED.findall(word):
            found |= _runs(run, 4)
        found.update(map(_stripped, OTHER_UNSPACED.sub(" ", KANA_AND_HAN.sub(" ", word)).split()))
    return frozenset(found)


def alike(one: str, other: str) -> bool:
    """Whether two words are forms or parts of one, or one of them is misspelt, to judge by the letters they share."""
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    if short == long:
        return True
    if short.isdecimal() or long.isdecimal():
        return False
    if KANA_AND_HAN.match(short):
        return len(short) == 1 and short in long
    if ord(short[0]) not in ALPHABETS:
        return len(short) >= (2 if ord(short[0]) in HANGUL else 3) and short in long
    if len(short) < 4:
        return len(short) == 3 and long.startswith(short) and len(long) <= 7
    if short[: max(4, round(0.7 * len(short)))] in long:
        return True
    if len(short) < 5 or len(long) > 2 * len(short) or short[0] != long[0]:
        return False
    pairs, others = _runs(short, 2), _runs(long, 2)
    return 2 * len(pairs & others) >= 0.7 * (len(pairs) + len(others))


def holds(text: str, word: str) -> bool:
    """Whether a text has a form of the word."""
    return any(alike(word, heard) for heard in content(text))


def is_verb(verb: str, word: str) -> bool:
    """Whether a word is a form of a verb: "lives" and "live", "vive" and "vivo"."""
    return alike(verb, word) or (verb in LIGHT_VERBS and verb[:3] == word[:3])


def _runs(word: str, length: int) -> frozenset[str]:
    return frozenset(word[n : n + length] for n in range(max(len(word) - length + 1, 1)))


def _stripped(word: str) -> str:
    """The word without a Korean particle or an Arabic article; a number in digits."""
    if word.isdecimal() and len(word) < 20:
        return str(int(word))
    if word.isascii():
        return NUMBERS.get(word, word)
    return ARABIC_ARTICLE.sub("", KOREAN_ENDING.sub("", word))


EMPTY_WORDS, LIGHT_VERBS = frozenset(words(EMPTY_WORDS_TEXT)), frozenset(words(LIGHT_VERBS_TEXT))
NUMBERS = {word: str(number) for number, word in enumerate(NUMBERS_TEXT.split())}
NUMBERS |= {word: str(10 * number) for number, word in enumerate(TENS_TEXT.split(), 1)}
