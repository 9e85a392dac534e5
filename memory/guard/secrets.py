"""Recognizes secrets: keys, passwords, numbers of cards and accounts, one-time codes and the like. Pure.

Written by hand: detect-secrets, which is made for source code, finds 14 of the 110 secrets in tests/evals/safety that
were in view here, all of them keys.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from itertools import groupby
from typing import Literal

from memory.guard.identity import COUNTRIES, identity_forms
from memory.guard.readings import bare, readings, visible, windows

SecretKind = Literal[
    "an API key", "a private key", "a password", "a card number", "an account number", "an identity number",
    "a seed phrase", "a one-time code",
]  # fmt: skip
WINDOW = 2_000  # characters that are read at once; each half of them again with the next ones

# Keys with a prefix or a form of their own. Case counts.
API_KEYS = re.compile(
    r"""
    \b(?:sk|pk|rk|whsec|glpat|hf|npm|shp\w{2}|xox\w|lin_api|dop_v\d|figd|pul|dckr_pat|gsk|xai|r8|tvly|pplx|ntn|nvapi
        |SG|pypi|rubygems|sq0\w{3}|ya29)[-_.](?=[A-Za-z0-9_.-]*\d)[A-Za-z0-9_.-]{16,}
    | \b(?:AIza|EAAC?|ATATT|EZAK)(?=[\w-]*\d)[\w-]{20,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \b(?:SK|AC|dapi)[0-9a-f]{32}\b
    | \bhf_[A-Za-z0-9]{30,} | \b[Tt]oken:?\ [0-9a-f]{32,}\b
    | \bgh[opusr]_\w{20,} | \bgithub_pat_\w{20,}
    | \beyJ[\w-]{10,}\.[\w-]{10,}                                  # a JSON web token
    | \b\d{8,10}:AA[\w-]{30,}                                      # Telegram
    | \b[MNO][\w-]{20,27}\.[\w-]{6}\.[\w-]{25,}                    # Discord
    | \b[0-9a-f]{32}-us\d{1,2}\b                                   # Mailchimp
    | https://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks|[\w-]+\.webhook\.office\.com)/\S{10,}
    | \b[Bb]earer\ [\w.~+/-]{16,}
    | \botpauth://\S+
    """,
    re.VERBOSE,
)
PRIVATE_KEYS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-1|PuTTY-User-Key-File|\b0x[0-9a-fA-F]{64}\b")
TOKEN = re.compile(r"(?<![\w/.@=-])[A-Za-z0-9_+/~-]{24,}={0,2}(?![\w@]|\.[a-z]{2,4}\b)")
LONG_RUN = re.compile(r"\S{16}")  # no key is shorter; most texts have none
MIN_ENTROPY = 3.6  # bits per character of a random token; 24 random letters and digits have 4.2, words 3 to 3.5
CREDENTIALS = re.compile(  # in addresses, commands and settings
    r"""
    \w://[^\s/:@]*:[^\s/@]+@
    | \bcurl\b.*\s-u\s*\S+:\S+ | \bmysql\b.*\s-p\S+ | \b(?:redis-cli|ldap\w+|sshpass|docker\ login)\b.*\s-[apw]\s*\S{4,}
    | \b(?:password|passwd|pwd?|accountkey|sharedaccesskey|client_?secret|secret_?key|api_?key|access_?key|auth_?token)
      ["']?\s*[=:]\s*["']?\S{4,}
    | \b\w*(?:_password|_passwd|_pass|_secret|_token|_key|_pwd)["']?\s*(?:[=:]|\ is)\s*["']?\S{6,}
    | \b[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?::|(?:\ /|,|\ and|\ with)\ (?=\S*[a-z]{3})(?=\S*\d))[^\s/:]{4,}
    | \bbasic\ (?:auth(?:orization)?\ )?[a-z0-9+/]{8,}={1,2}
    """,
    re.VERBOSE | re.IGNORECASE,
)

# Below, texts are in lower case and without accents (`bare`).
PASSWORD = (
    "(?:pass(?: ?word|wort|phrase|code|e?key)s?|pw|pwd|kennwort|losungswort|zugangscode|contrasena|mot de passe|mdp"
    r"|senha|parola(?: d'ordine| chiave|m|si)?|wachtwoord|haslo|heslo|jelszo|парол[ья]|parole|losenord\w*|adgangskode"
    "|sifre(?:m|si)?|salasana|geheimzahl|master password|safe ?word|secret (?:word|phrase|key|code)|api[ _-]?key"
    "|(?:access|auth|api|bearer) token|wachtwoorden)"
)
PIN = (
    "(?:pins?|puk|pin[- ]?(?:code|number|nummer|kod|код)|pincode|codice pin|cvv2?|cvc2?|security code"
    r"|пин-?код(?: \w+)?|geheimzahl|code de (?:ma|la|sa) carte(?: \w+)?|code secret|(?:alarm|gate|door|safe|entry"
    "|access|unlock|lock|garage|vault|locker) ?(?:code|combination|pin)|codigo pin|пин|(?:locker|lock|safe"
    r"|vault) combination|combination (?:for|of|to) (?:my |the )?(?:\w+ )?(?:locker|lock|safe|vault|door)"
    "|(?:door )?keypad|turcode|kod(?:en)? (?:till|pa) (?:dorren|porten|larmet)|zahlencode|codigo (?:de (?:la )?"
    "|da |do )(?:puerta|porta|portao|acceso|entrada)"
    "|code (?:de la porte|d'acces|d'entree)|codice (?:della porta|di accesso)|inlogcode|toegangscode|deurcode"
    r"|kod do (?:drzwi|bramy)|код от \w+)"
)
LOGIN = r"(?:pass|login|log-in|clave(?: del?\b(?: la)? \w+)?|chiave del wifi)"
CODE = (
    r"(?:(?:verification|confirmation|one[- ]?time|security|sms|2fa|mfa|otp|backup|recovery|login|authenti\w+|auth"
    "|reset|activation)(?: (?:backup|recovery|sms|pass))? ?(?:codes?|password|pin|secret|key)|otp"
    r"|two[- ]factor(?= ?:)|(?:sms-?|m)?tan(?= ?(?:[:=]|ist\b|lautet\b))|bestatigungscode|sicherheitscode"
    r"|code de (?:verification|confirmation|securite)|codigo de (?:verifica\w+|confirma\w+|seguridad)"
    "|codice di (?:verifica|conferma|sicurezza)|verificatiecode|kod (?:weryfikacyjny|potwierdzajacy)"
    "|код (?:подтверждения|из смс|безопасности)|verifieringskod|dogrulama kodu|onay kodu"
    r"|(?:codigo que|codice che|code que|code,? den|kod,? (?:ktory|som)|код,? которыи)(?: \w+){1,4}?"
    r"|code (?:they|that was|you|he|she|it|i (?:was|got|received))\b[\w ]{0,30}?"
    r"(?:texted|sent|sms|text|got|received|e?mailed)\w*(?: me)?)"
)
ACCOUNT = (
    r"(?:(?:bank )?account (?:number|no)|routing(?: number)?|sort code|kontonummer|numero de (?:compte|cuenta)|iban)"
)
# "my password for the wifi is", "PIN:", "changed my Netflix password to", "das Passwort lautet"
ABOUT = (
    "(?: (?:for|per|para|pour|of|on|to|at|from|in|della|dello|fur|von|zu|de|du|del?|da|do|der|des|meiner|mijn|van|od"
    r"|от|к|till?)(?: [\w-]+){1,4}?)?"
)
LINK = (
    r"(?:,? ?(?:\b(?:is|was|are|it is|it's|lautet|ist|war|used to be|est|c'est|es|era|e|sono|to|jest|је|ar|som ar"
    r"|er|je|these|equals|became)\b|'s|->|[:=—–-]|—|это))? ?[:=]?[ \"'“„«#]*"
)
SURE_LINK = (
    r"(?:,? ?(?:\b(?:is|it is|it's|lautet|ist|est|c'est|es|e|jest|to|ar|er|je|now)\b|'s|[:=—–])) ?[:=]?[ \"'“„«#]*"
)
# What is more than a word: with a digit or a symbol in it. A year or a date is none, nor an address.
VALUE = r"(?=[^\s\"'”]{0,60}[\d$!%&*+^~#])[^\s,;\"'”“«»()/@]{3,60}"
DIGITS = r"(?=\d)[\d][\d -]{2,12}\d\b"
WORD = r"[^\W\d_]{3,}(?:-[^\W\d_]+)*(?=$|[.!?;,\"'”»]|\s*$| (?:and|und|et|y|e|for|fur|pour|para|since|yesterday|now)\b)"
NO_PASSWORD = (  # what is said of a password
    "(?!(?:too|very|so|not|never|always|often|the|a|an|my|in|on|at|by|safe|secure|short|long|weak|strong|easy"
    "|hard|wrong|right|good|bad|old|new|secret|needed|required|important|annoying|expired|gone|lost|forgotten"
    "|stolen|leaked|hashed|hacked|encrypted|rotated|managed|kept|stored|saved|written|something|nothing|random"
    "|unique|everything|what|that|because|different|same|reset|changed|incorrect|invalid|unknown|missing"
    "|visible|public|hidden|zu|sehr|nicht|sicher|falsch|kurz|lang|vergessen|trop|tres|pas|oublie|faux|muy|no"
    "|debil|segura|larga|corta|olvidada|incorrecta|troppo|molto|non|sbagliata|dimenticata|muito|nao|fraca|segura"
    r"|esquecida|te|erg|niet|vergeten|zbyt|bardzo|nie|слишком|очень|не|забыт\w*|for|mycket|inte)\b)"
)
NOT_OF_A_PASSWORD = (
    r"(?![- ]?(?:manag\w*|hash\w*|reset|polic\w*|field|generator|book|vault|safe|hygiene|list|protect\w*))"
)
# "log in as bob with hunter2", "unlock my phone with 2580"
DEVICE = "(?:safe|door|gate|phone|laptop|pc|computer|tablet|locker|vault|wallet|account|mail|system|wi-?fi|router)"
LOG_IN = (
    rf"(?:(?:log|sign)(?:s|ged|ned)? ?in(?:to)?|gets? into (?:the |my |our )?{DEVICE}|melde\w* .{{0,30}}\ban"
    r"|meldet sich|log(?:ge)? .{0,20}ein|connecte-toi|se connecte|inicia sesion|entra|accedi|entre|zaloguj|воиди"
    "|logga in)"
)
UNLOCK = rf"(?:unlock\w*|opens? (?:the |my |our )?{DEVICE}|{DEVICE} opens?|gets? into (?:the |my |our )?{DEVICE})"

# A code of which nobody says what it is for, unless it is one of these.
OTHER_CODES = "".join(
    rf"(?<!\b{word}[ -])"
    for word in (
        "area", "zip", "post", "postal", "country", "dial", "dialing", "error", "exit", "status", "source", "promo",
        "discount", "voucher", "coupon", "bar", "qr", "product", "course", "flight", "booking", "colour", "color",
        "order", "tracking", "airport", "morse", "hs", "tax",
    )
)  # fmt: skip
ANY_CODE = (
    rf"{OTHER_CODES}\b(?:code|combination|codigo|codice|kode?|koden|код|kilidi|lock|safe|keypad"
    r"|alarm(?= (?:takes|wants|needs)))\b"
)
DIGIT_WORDS = (
    "(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|eins|zwei|drei|vier|funf|sechs|sieben|acht|neun|uno"
    "|un|deux|trois|quatre|cinq|sept|huit|neuf|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|due|tre|quattro|cinque|sei"
    "|sette|otto|nove)[ ,-]*){4}"
)
# Where people log in, and a word with digits behind it, or words joined to one, as few things but passwords are.
ACCESS = (
    r"(?:wi-?fi|wlan|network|netz|router|vpn|nas|log-?in(?! name)|sign-?in|netflix|icloud|e-?banking|shopping sites"
    r"|forums?|everything|everywhere|all (?:my )?(?:accounts|sites)|panel|reuse|type|enter|gibst?|tippe?|ein(?:geben)?"
    r"|tapez?|escribe|digita|wpisz)"
)
MADE_UP = (
    r"(?:[a-z]{4,}\d{2,}|[a-z]{2,}\d+[a-z]{3,}|(?=\S{0,40}\d)(?:[a-z\d]+(?:-[a-z\d]+){2,}"
    r"|[a-z]\w*[!#$%&*+_][\w!#$%&*+]+))(?![\w-])"
)
SAME = r"(?:[^.!?\n]|[.!?](?=\S))"  # a character of the same sentence

ORDER_NUMBER = re.compile(
    "(?:order|invoice|tracking|customer|booking|reference|ref|serial|imei|isbn|ticket|shipment|parcel|case"
    r"|member\w*|frequent flyer|policy|bestell|kunden|rechnungs?|sendungs|commande|client|facture|pedido|cliente"
    r"|factura|ordine|fattura|encomenda|bestelling|klant|zamowieni\w*|заказ\w*|накладн\w*|注文|订单"
    r"|주문)\W*(?:number|no|nr|nummer|numero|номер|番号|号)?"
)
CARD_WORD = re.compile(
    r"\b(?:visa|mastercard|amex|credit|debit|kreditkarte|carte (?:bleue|bancaire)|tarjeta|карта|card)\b"
)
CARD_NUMBER = re.compile(r"(?<![\d-])\d(?:[ ._/-]{0,2}\d){12,18}(?![\d-])")
CARD_PREFIX = re.compile(  # of the networks, each with its lengths
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|(?:6011|65\d\d|64[4-9]\d)\d{12,15}|35\d{14}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")  # its digits are no card's, nor an account's
IBAN = re.compile(r"\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]){11,34}")
IBAN_LENGTHS = """
ad24 ae23 al28 at20 az28 ba20 be16 bg22 bh22 bi27 br29 by28 ch21 cr22 cy28 cz24 de22 dj27 dk18 do28 ee20 eg29 es24 fi18
fk18 fo18 fr27 gb22 ge22 gi23 gl18 gr27 gt28 hr21 hu28 ie22 il23 iq23 is26 it27 jo30 kw30 kz20 lb28 lc32 li21 lt20 lu20
lv21 ly25 mc27 md24 me22 mk19 mn20 mr27 mt31 mu30 ni28 nl18 no15 om23 pk24 pl28 ps29 pt25 qa29 ro24 rs22 ru33 sa24 sc31
sd18 se24 si19 sk24 sm27 so23 st25 sv28 tl23 tn24 tr26 ua29 va22 vg24 xk20 ye30
"""  # by country, of the registry of ISO 13616
LENGTHS = {country: int(length) for country, length in re.findall(r"([a-z]{2})(\d\d)", IBAN_LENGTHS)}
SEED_LABEL = re.compile(
    r"\b(?:seed|recovery|secret recovery|backup|mnemonic)(?: phrase| words?)?\b|\bmnemonic\b|\b(?:12|24|twelve"
    r"|twenty-four) words\b|frase semilla|phrase de recuperation|frase di recupero|seed-?phrase"
    r"|wiederherstellungsphrase|сид-?фраз\w*|助记词"
)
SEED_LANGUAGES = ("english", "spanish", "french", "italian", "portuguese", "czech", "turkish", "russian")
MIN_SEED, MIN_LABELLED = 12, 8  # words of a seed phrase; fewer are enough after its name

MINE = (
    r"(?:[—–-] ?)?(?:is|was|ist|est|es|e|é|sono|to|jest|ar|er|это|—)? ?(?:(?:the|my|our|a|mein|der|das|mon|le|la|mi|el"
    r"|la mia|il mio|meu|a minha|minha|mijn|het|moje|to|mitt|мои|это мои) ?)?"
)
FOR = "for|on|at|to|in|every|everywhere|and|fur|auf|pour|para|per|voor|till|do|для"  # after the word "password"
BY = r"\b(?:with|using|by|type|typing|mit|avec|con|com|met|z|с|et|med)\b"
SPOKEN: dict[SecretKind, Iterable[str]] = {  # the forms in which people tell a secret in a sentence
    "a one-time code": (
        rf"\b{CODE}\b{ABOUT}{LINK}(?:(?=[\w-]*\d)[\w-]{{4,}}|\d{{2,4}} \d{{2,4}}\b)",
        r"\b\d{3}[ -]?\d{3} (?:is|ist|est|es|e) [\w ]{1,30}(?:code|codigo|codice|kod)\b",
        r"\bg-\d{6}\b(?=.{0,40}\b(?:google|code))",  # of Google
        rf"\b(?=[a-z]*\d)[\w-]{{4,}} {MINE}{CODE}\b",
        r"\b(?:texted|sms|sent|got|received)\b.{0,30}\b\d{2,4}([ -]?)\d{2,4}(?:\1\d{2,4})?\b"
        r".{0,30}\b(?:confirm|log-? ?in|sign-? ?in|verif\w*|transfer)",
        r"(?:رمز (?:التحقق|التأكيد|التاكيد)) ?(?:هو|:)? ?\d{4,}",
        r"\bauthenticator \w+ [a-z2-7]{16,}\b",
        r"(?:验证码|驗證碼|認証コード|確認コード|인증번호|인증 코드) ?(?:は|是|:|为|는|은)? ?\d{4,}",
    ),
    "an account number": (rf"\b{ACCOUNT}\b{ABOUT}{LINK}[a-z]{{0,2}}\d[\d -]{{5,}}",),
    "a password": (
        rf"\b{PASSWORD}\b.{{0,20}}?\b(?:auf|en|a|in|to|para|na|op|till|til|на) (?=\S{{0,60}}[^\W\d_]){VALUE}",
        rf"\b{PASSWORD}\b{NOT_OF_A_PASSWORD}{ABOUT}{LINK}(?:(?:is|uses?|ist|est|es|(?:changed|set|reset) to) )?{VALUE}",
        rf"\b{PASSWORD}\b{NOT_OF_A_PASSWORD}{ABOUT}{SURE_LINK}{NO_PASSWORD}(?!correct\b){WORD}",
        rf"[\w\"'”»] (?:as|als|como|comme|come|som|jako|как) {MINE}(?:\w+ )?{PASSWORD}(?=\W*$|[.,;!?]| (?:{FOR})\b)",
        rf"\b(?:passphrase|pass phrase)\b{ABOUT}{SURE_LINK}{NO_PASSWORD}\w+ \w+",
        rf"(?<!\S){VALUE} {MINE}(?:[\w-]+ )?{PASSWORD}\b{NOT_OF_A_PASSWORD}",
        rf"\b{PIN}\b[^.!?\n:]{{0,20}}: {DIGITS}",
        rf"\b{PIN}\b{ABOUT}{LINK}(?:(?:le|el|il) )?(?:{DIGITS}|{VALUE}|{DIGIT_WORDS})",
        rf"{ANY_CODE}(?:{ABOUT}{SURE_LINK}| (?:(?:takes|wants|needs) )?)(?!(?:19|20)\d\d\b)"
        rf"(?:\d{{4,8}}\b(?![ -]?\d| lines)|\d(?:[ -]\d){{3,}}\b|\d\d(?:-\d\d){{1,3}}\b|\d{{3}}[ -]\d{{3}}\b"
        rf"|\d{{1,4}}[a-z]\d{{1,4}}\b|{DIGIT_WORDS})",
        r"\b(?:type|enter|press|tippe?|tapez?) \d(?:[ ,]{0,2}\d){3,7}\b",
        rf"\b{PASSWORD}\b{NOT_OF_A_PASSWORD}.{{0,40}}? {MADE_UP}",
        rf"\b{ACCESS}\b{SAME}{{0,40}}?[ '\"(:/]{MADE_UP}|(?<!\S){MADE_UP}{SAME}{{1,20}}?\b{ACCESS}\b",
        rf"\b(?:security question|secret answer|maiden name (?:for|at) )\b{SAME}{{0,40}}?(?:\bis\b|:) ?{NO_PASSWORD}\w",
        rf"\b{LOGIN}\b{ABOUT}{LINK}(?=[a-z]\S*\d){VALUE}",
        rf"\b(?:{LOGIN}|zugang|acces|acceso|accesso|credentials)"
        r"\b.{0,25}?[:= ]\S+ ?/ ?(?=\S{0,60}\d)(?=\S{0,60}[a-z])\S+",
        rf"(?<!\S)(?=[a-z]){VALUE} unlocks (?:my|our|the) {DEVICE}\b",
        rf"\b{LOG_IN}\b.{{0,40}}?{BY} (?:\w+ (?:and|et|und) )?(?=\S{{0,60}}[^\W\d_]){VALUE}",
        rf"\b{UNLOCK}\b.{{0,40}}?{BY} {VALUE}",
        r"(?:パスワード|暗証番号|密码|密碼|비밀번호|비번|암호)"
        r" ?(?:は|是|:|为|為|는|은)? ?[\"「]?[a-z0-9][\w!$%&*-]{2,}",
        r"(?:كلمة (?:السر|المرور)) ?(?:هي|:)? ?[\w!$%&*-]*\d",
        r"(?:पासवर्ड) ?(?:है|:)? ?[a-z0-9][\w!$%&*-]{2,}",
    ),
}
AFTER_LABEL = re.compile(r"\s*\?\s+|(?:(?<=[:=])|(?<= is))\s*\n\s*")  # "Password:" and the next line; "The code? 4821"
MAY_TELL = re.compile(  # most texts do not
    rf"[\d$!%&*+^~#/]|\b{PASSWORD}\b|パスワード|密码|密碼|비밀번호|비번|암호|पासवर्ड|{DIGIT_WORDS}|maiden|secret|security"
)


_countries: Collection[str] = COUNTRIES


def look_for_identity_numbers_of(countries: Collection[str]) -> None:
    """Of which countries this process takes identity numbers for secrets; of all by default."""
    global _countries
    _countries = countries
    _spoken.cache_clear()


@cache  # to compile them takes 50 ms, and few processes learn
def _spoken() -> list[tuple[SecretKind, re.Pattern[str]]]:
    number = rf"{ABOUT}{LINK}(?=[a-z .-]*\d)[a-z]{{0,6}} ?\d[\w .\-/]{{4,}}"
    identity: dict[SecretKind, Iterable[str]] = {"an identity number": identity_forms(_countries, number)}
    return [(kind, re.compile(form)) for kind, forms in (SPOKEN | identity).items() for form in forms]


def secret_in(*texts: str) -> SecretKind | None:
    """What kind of secret the texts seem to hold; None if none does. Its time is linear in the length of the texts."""
    text = "\n".join(texts)
    return next(filter(None, map(_secret_in, windows(text, WINDOW))), None)


def _secret_in(text: str) -> SecretKind | None:
    return _secret_as_written(visible(text)) or next(filter(None, map(_secret_told, readings(text))), None)


def _secret_as_written(text: str) -> SecretKind | None:
    """What is recognized by its form, of which case is a part."""
    if PRIVATE_KEYS.search(text):
        return "a private key"
    if LONG_RUN.search(text) and (API_KEYS.search(text) or any(map(_is_random, TOKEN.findall(text)))):
        return "an API key"
    if CREDENTIALS.search(text):
        return "a password"
    return None


def _secret_told(plain: str) -> SecretKind | None:
    """What is recognized by its digits or by the words around it, in a text as `readings` gives it."""
    numbers = UUID.sub(" ", plain)
    if any(_is_card(found, numbers) for found in CARD_NUMBER.finditer(numbers)):
        return "a card number"
    if any(map(_is_iban, IBAN.findall(numbers))):
        return "an account number"
    if _is_seed_phrase(plain):
        return "a seed phrase"
    if not MAY_TELL.search(plain):
        return None
    plain = AFTER_LABEL.sub(" ", plain)
    return next((kind for kind, form in _spoken() if form.search(plain)), None)


def _is_random(token: str) -> bool:
    """Whether nobody would say this: letters of both cases and digits in no order."""
    kinds = [re.search(pattern, token) for pattern in ("[a-z]", "[A-Z]", "[0-9]")]
    return all(kinds) and _entropy(token) >= MIN_ENTROPY


def _entropy(text: str) -> float:
    """Shannon's entropy of its characters, in bits."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _is_card(found: re.Match[str], text: str) -> bool:
    digits = re.sub(r"\D", "", found[0])
    before = text[max(0, found.start() - 40) : found.start()]
    if not CARD_PREFIX.fullmatch(digits) or not _passes_luhn(digits):
        return False
    return bool(CARD_WORD.search(text)) or not ORDER_NUMBER.search(before)


def _passes_luhn(digits: str) -> bool:
    """Whether the check digit is that of a payment card (Luhn, US patent 2,950,048)."""
    values = [*map(int, reversed(digits))]
    doubled = (sum(divmod(2 * value, 10)) for value in values[1::2])
    return (sum(values[::2]) + sum(doubled)) % 10 == 0


def _is_iban(found: str) -> bool:
    """Whether it begins with an IBAN of its country's length, whose digits leave 1 when divided by 97 (ISO 13616)."""
    parts = re.split(r"[ -]", found)
    starts = ("".join(parts[:count]) for count in range(1, len(parts) + 1))
    ibans = (start for start in starts if len(start) == LENGTHS.get(start[:2]))
    return any(_rest_of_97(iban[4:] + iban[:4]) == 1 for iban in ibans)


def _rest_of_97(letters: str) -> int:
    return int("".join(str(int(char, 36)) for char in letters)) % 97 if letters.isascii() else 0


def _is_seed_phrase(text: str) -> bool:
    """Whether it holds words in a row from a list of BIP 39, of which wallets make their seed phrases."""
    words = [word for word in re.findall(r"\w+", text) if not word.isdigit()]
    if len(words) < MIN_LABELLED:
        return False
    wanted, different = (MIN_LABELLED, 1) if SEED_LABEL.search(text) else (MIN_SEED, MIN_LABELLED)
    runs = ([*run] for listed in _seed_words() for known, run in groupby(words, listed.__contains__) if known)
    return len(words) >= wanted and any(len(run) >= wanted and len({*run}) >= different for run in runs)


@cache
def _seed_words() -> list[frozenset[str]]:
    from mnemonic import Mnemonic

    return [frozenset(map(bare, Mnemonic(language).wordlist)) for language in SEED_LANGUAGES]
