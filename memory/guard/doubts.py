"""Recognizes what may be meant for the assistant, though its form does not say so for certain. Pure.

A fact describes the user, or somebody or something in their life. What speaks of several of the assistant's things at
once, or orders something where the user does not speak of themselves, may still be a fact: the user decides.
"""

import re
from functools import cache
from typing import NamedTuple

from memory.guard.languages import LANGUAGES
from memory.guard.readings import decoded, readings, windows

WINDOW = 1_000  # characters that are judged at once
MANY, ENOUGH = 3, 2  # of the things below: in any text, and where the user does not speak of themselves

I_OR_WE = (  # not "i dati", which is Italian
    r"(?:\b(?:i(?! \w+i\b)|i'(?:m|ve|d|ll)|we|ich|wir|je|j'\w+|nous|yo|io|eu|ik|wij|ja|я|мы|jag|vi)\b|我|私|나는|저는|मैं"
    "|انا)"
)
ME = (
    rf"(?:{I_OR_WE}|\b(?:me(?! (?:the|what|all|every\w*|any\w*)\b)|my|our|mein\w*|mir|unser\w*|mon|mes|notre|nos|mi"
    r"|mis|soy|estoy|tengo|nuestr\w+|mi[oae]i?|sono|ho|meu|minha|meus|minhas|sou|estou|tenho|mijn|ons|onze|jestem|mam|moj\w*|мо[яеи]\w*|нас|ben|benim|mitt"
    r"|mina)\b|僕|俺|내|제|मेर)"
)
MY = r"(?:my|our|mein\w*|unser\w*|ma|mon|mes|mis?|(?:la|il|a|o) mi[ao]|minha|meu|mijn|moj\w*|мо[яеи]\w*)"
ASKS = (
    r"(?:ask\w*|mencion\w*|menzion\w*|erwahn\w*|noem\w*|упом\w*|wspom\w*|ecri\w*|escrib\w*|scriv\w*|escrev\w*|schrijf\w*"
    r"|pisz\w*|пиш\w*|look\w* for|search\w*|mention\w*|sa(?:y|ys|id|ying)|typ(?:e|es|ed|ing)|writ(?:e|es|ing)|greet\w*"
    r"|bring\w* up|comes? up|frag\w*|sag\w*|schreib\w*|demand\w*|dis|dit|parl\w*|pregunt\w*|dig[ao]\w*|chied\w*"
    r"|dic[ao]\w*|pergunt\w*|disser\w*|vraag\w*|zeg\w*|pyta\w*|zapyta\w*|powie\w*|спрос\w*|спраш\w*|скаж\w*|говор\w*"
    r"|sor\w*|soyle\w*|sager|pro?nun?c\w*|prononc\w*)"
)
WORK = re.compile(  # what people do with such things: "Writes system prompts", "I'm an admin at a bank"
    r"^\W*(?:i'?m |i |we |ich |je |ik |я )?(?:(?:am|is|are|bin|suis) )?(?:an? (?:\w+ ){1,3}(?:at|of|for|in)\b"
    r"|work(?:s|ing)?\b|writ(?:es?|ing)|buil(?:ds?|ding)|teach\w*|develop\w*|stud(?:y|ies|ying)|research\w*|leads?"
    r"|manag\w+|train\w*|maintains?|us(?:es?|ed|ing)\b|read(?:s|ing)?\b)"
)

# The assistant's things, each in all languages at once, without accents and in lower case.
THINGS = {
    "you": r"\b(?:вы|вас|вам|ваш\w*|you(?:'\w+|rs?|rself)?|dein\w*|dich|dir|tu|tes|vous|tus|tuo|tuoi|tua|tuas|tue"
    r"|contigo|voce|jij|jouw|twoj\w*|ты|тебя|тебе|тво\w+|senin|dina)\b|你|あなた|너|당신|तुम|अपनी|\bانت\b|तेर",
    "assistant": r"\b(?:(?:das|le|el|il|o|het) modell?[oe]?|assistan\w*|assistent\w*|asistent\w*|asystent\w*"
    r"|asistan\w*|ai|ki|ia|llm|(?:chat)?bots?|agents?|модел\w*|ассистент\w*|бот\w*|ии|the model|chatgpt|claude|gpt)\b"
    r"|助手|アシスタント|人工智能|어시스턴트|सहायक|المساعد",
    "answer": r"\b(?:contest[ae]\w*|ausgabe\w*|answer\w*|repl(?:y|ies)|respon(?:se|ses|ds?)|outputs?|antwort\w*"
    r"|repon(?:ses?|ds|dre)|respuestas?|rispost\w*|rispond\w*|respostas?|antwoord\w*|odpow\w*|ответ\w*|отвеч\w*"
    r"|yanit\w*|cevap\w*|svar\w*)\b|返信|返事|回答|返答|回复|答复|답변|대답|जवाब|उत्तर|ردك|اجابت|اجاب",
    "conversation": r"\b(?:sesja|sess[ao]o|sessoes|session[ei]|sessie\w*|oturum\w*|conversation\w*|sessions?|chats?"
    r"|dialog\w*|gesprach\w*|unterhaltung\w*|sitzung\w*|sesion\w*|conversa\w*|gesprek\w*|rozmow\w*|разговор\w*"
    r"|диалог\w*|сесси\w*|konusma\w*|samtal\w*)\b|会话|对话|会話|セッション|대화|세션|सत्र|बातचीत|محادث|جلس",
    "memory": r"\b(?:th(?:is|ese) notes?|hatirla\w*|bellek\w*|pamiet\w*|kom ihag|memor(?:y|ies|ize\w*|i[ae]\w*)"
    r"|gedachtnis\w*|memoire\w*|geheugen\w*|pamiec\w*|памят\w*|hafiza\w*|remember\w*|recuerd[ae]\w*|guarda"
    r"|ricordat\w*|lembr\w*|merke?|souvien\w*|onthoud|zapamietaj|запомни\w*|stored?(?= ?(?:this|in|that|:"
    r"|permanent\w*|$))|saved? (?:this|to|that|in)|persist\w*|pinned|(?:future|later) reference)\b|记忆|記憶|保存"
    r"|기억|저장|स्मृति|सहेज|ذاكرت|احفظ",
    "instruction": r"\b(?:vorschrift\w*|befehl\w*|indicaci\w*|ordenes|direttiv\w*|polece\w*|указани\w*|команд\w*"
    r"|instruction\w*|instruk\w*|anweisung\w*|consignes?|instruc\w*|istruzion\w*|инструкци\w*|prompts?|промпт\w*"
    r"|talimat\w*|directives?|commands?)\b|指令|指示|提示|지시|निर्देश|تعليمات|命令|명령|اوامر",
    "rule": r"\b(?:limit\w*|beperking\w*|grenzen|ogranicz\w*|regul\w*|regler|begransn\w*|kisitlama\w*|sinirsiz\w*"
    r"|restrizion\w*|rules?|guidelines?|polic(?:y|ies)|regel\w*|vorgabe\w*|regles?|reglas?|normas?|regole|regras?"
    r"|zasad\w*|правил\w*|kural\w*|limits?|restric\w*|einschrankung\w*|beschrankung\w*|filter\w*|filtr\w*"
    r"|ограничен\w*|unrestricted|guardrails?|censor\w*)\b|规则|規則|限制|制限|规定|규칙|제한|नियम|القواعد|قيود",
    "safety": r"\b(?:moderati\w*|moderac\w*|moderaz\w*|caveats?|avisos?|ostrzez\w*|предупрежд\w*|отказ\w*|uyari\w*"
    r"|varning\w*|waarschuw\w*|verweiger\w*|rechaz\w*|rifiut\w*|safety|security|compliance|sicherheit\w*|securite"
    r"|seguridad|sicurezza|seguranca|veiligheid\w*|bezpiecze\w*|безопасн\w*|guvenlik\w*|sakerhet\w*|warning\w*"
    r"|disclaimer\w*|refus\w*|warnung\w*|avertiss\w*|advertenc\w*|avvert\w*)\b|安全|セキュリティ|안전|सुरक्षा|الامان"
    r"|警告|拒|경고|거부|चेतावनी|تحذير|تحذر",
    "check": r"\b(?:conferm\w*|bevestig\w*|goedkeur\w*|potwierdz\w*|zatwierdz\w*|weryfik\w*|pruf\w*|freigeb\w*"
    r"|freigabe\w*|godkan\w*|bekraft\w*|verif\w*|confirm\w*|approv\w*|auth?ori[sz]\w*|consent\w*|scrutiny|review\w*"
    r"|checks|bestatig\w*|genehmig\w*|valid\w*|approuv\w*|aprob\w*|aprov\w*|подтвержд\w*|провер\w*|одобр\w*|onay\w*"
    r"|dogrula\w*)\b|验证|验証|確認|检查|承認|확인|검증|승인|पुष्टि|सत्यापित|تاكيد|موثق|审核|核实|承诺",
    "rights": r"\b(?:ontwikkelaar\w*|beheerder\w*|desarrollador\w*|developpeur\w*|sviluppator\w*|desenvolvedor\w*"
    r"|utvecklar\w*|gelistirici\w*|permis\w*|permess\w*|erlaubnis|berechtig\w*|uprawn\w*|разреш\w*|behorig\w*|rechten"
    r"|rechte|droits|derechos|diritti|direitos|prawa|права|admin\w*|privileges?|permissions?|access|root|superuser"
    r"|superadmin|developers?|operators?|trusted|rights|entwickler\w*|zugriff\w*|acces|acceso|accesso|acesso"
    r"|администрат\w*|разработчик\w*|доступ\w*|yonetici\w*|clearance|credentials?|rank|outrank\w*|allow-?list)\b"
    r"|管理员|管理者|权限|관리자|प्रशासक|مسؤول|權限|特权|権限|권한|अधिकार|صلاحي",
    "user": r"\b(?:solicitud\w*|demandes|richieste|verzoeken|запрос\w*|users?|usuari\w*|utilisateur\w*|nutzer\w*"
    r"|benutzer\w*|utent[ei]|gebruiker\w*|uzytkownik\w*|пользовател\w*|kullanici\w*|anvandar\w*|customers?|callers?"
    r"|requests?|anfrage\w*|profiles?|account)\b|用户|ユーザー|사용자|उपयोगकर्ता|المستخدم",
    "system": r"\b(?:system\w*|sistem\w*|config\w*|конфигурац\w*|систем\w*|deployment|platform\w*|json|base64|html"
    r"|(?:conversation|chat|message) history)\b|系统|システム|시스템|सिस्टम|النظام",
    "address": r"\b(?:webhooks?|urls?|links?|query string)\b|https?:|\w@\w|\b[\w-]+\.(?:example|com|org|net|io)\b"
    r"|链接|リンク|링크|लिंक|رابط",
    "override": r"\b(?:exento|esente|befreit|ausgenommen|entfall\w*|dispensa\w*|outrank\w*|ubergeh\w*|deaktiv\w*"
    r"|aufgehoben|uberspring\w*|desactiv\w*|desativ\w*|anula\w*|saltate|disattiv\w*|omzeil\w*|wylacz\w*|отключ\w*"
    r"|отмен\w*|devre disi|inaktiv\w*|gehorch\w*|obei\w*|obede\w*|obbed\w*|ubbid\w*|gehoorzaam\w*|подчин\w*|itaat"
    r"|ignor\w*|overrid\w*|disregard\w*|skip\w*|disabl\w*|omit\w*|waive\w*|lifted|exempt|void|suppress\w*"
    r"|never appears?|obe(?:y|ys|yed)|compl(?:y|ies)|agree\w*|игнор\w*|пропуск\w*|omite|contourn\w*|umgeh\w*|zignoruj"
    r"|negeer|vergiss|olvida|oublie)\b|忽略|无视|無視|跳过|省略|무시|건너|अनदेखा|छोड़|تجاوز|تجاهل|無効|解除|关闭|停用"
    r"|取消|해제|비활성|تعطيل|服从|従|복종",
    "act": r"\b(?:transfers?|payments?|purchases?|refunds?|virements?|paiements?|zahlung\w*|uberweisung\w*|pagos?"
    r"|pagament\w*|transferencias?|bonific\w*|betaling\w*|przelew\w*|платеж\w*|перевод(?:ы|ов)|odeme\w*|havale\w*)\b"
    r"|送金|转账|송금",
    "trigger": r"\b(?:auslos\w*|codewort|stichwort|mot-?cle|palabra clave|palavra-chave|gatilho|parola chiave"
    r"|codewoord|slowo klucz\w*|(?:кодовое|ключевое) слово|anahtar kelime|kodord|trigger\w*|backdoors?|code ?words?"
    r"|magic words?|(?:trigger|secret|watermark) phrase|jailbreak\w*|unlocks?|activat\w*|bypass\w*|(?:developer|debug"
    r"|god|hidden|unrestricted|admin) mode)\b|暗号|口令|关键词|合言葉|암호|키워드",
    "unasked": r"\b(?:no|without|ohne|keine|sans|aucune|sin|senza|sem|zonder|bez|без|utan) (?:any )?(?:asking"
    r"|warning\w*|caveats?|disclaimer\w*|ruckfrage\w*|confirm\w*|approv\w*|verif\w*|bestatig\w*|pruf\w*|conferm\w*"
    r"|potwierdz\w*|подтвержд\w*|провер\w*|bekraft\w*)|(?:\b(?:not|never|no longer)|n't) (?:\w+ )?(?:need|require|ask"
    r"|appl)\w*|\b(?:unprompted|unasked)\b",
    "each": r"\b(?:any|cualquier\w*|qualquer|qualsiasi|qualunque|n'importe quel\w*|irgend\w*|jaki\w*kolwiek|любо\w+"
    r"|chaque|tous les|toutes les|cada|tod[ao]s [ao]s|todas? las|todos los|ogni|tutt[ei]|elke?|alle"
    r"|kazd\w*|wszystk\w*|кажд\w*|butun|tum|varje|alla|ab (?:jetzt|sofort)|kunftig|a partir de|desde ahora"
    r"|en adelante|d'ora in poi|vanaf nu|od teraz|every(?! (?:other |single )?(?:\w*day|morning|evening|night|week\w*"
    r"|month|year))|each|all|from now on|forever|para siempre|pour toujours|per sempre|fur immer|henceforth|whenever"
    r"|permanent\w*|long-term|jede\w*|desormais|отныне|все|всех|voortaan|bundan sonra)\b|从现在起|今后|每|今後|すべて"
    r"|앞으로|모든|अब से|हर|كل|从今以后|以后|全て|今から|これから|매번|كلما|دائما",
    "recommendation": r"\b(?:vorrang|noem\w*|genoemd\w*|namn[ae]\w*|praise|conseille\w*|mentionn\w*|mencion\w*"
    r"|sug[ei]r\w*|suggeri\w*|aconsej\w*|menzion\w*|aanrad\w*|reklam\w*|werbung|publicit\w*|pubblicit\w*|propaganda"
    r"|упом\w*|реклам\w*|bahset\w*|recommend\w*|suggest\w*|promot\w*|advert\w*|advised?|mention\w*|prais\w*|cit(?:e"
    r"|es|ed)|empf\w*hl\w*|empfiehl|erwahn\w*|recommand\w*|recomiend\w*|consigli\w*|recomend\w*|aanbeve\w*|polec\w*"
    r"|рекоменд\w*|совет\w*|oner\w*|tavsiye|rekommend\w*|(?:sent|referred) to|(?:comes?|named|mentioned) first"
    r"|right answer)\b|推荐|推薦|勧め|추천|सिफारिश|广告|提及|宣伝|広告|광고|언급|اوص|اذكر|اعلان|विज्ञापन|提到",
    "somebody": r"\b(?:nobody|niemand|leute|gente|mensen|ludzie|люди|any(?:one|body)|some(?:one|body)|people|whoever"
    r"|jemand|quelqu'un|alguien|qualcuno|alguem|iemand|ktos|кто-?(?:то|нибудь)?|biri|nagon)\b|有人|任何人|誰か"
    r"|누군가|누가|कोई|احد",
    "question": r"\b(?:questions?|fragen|preguntas?|domand[ae]|perguntas?|vragen|pytani\w*|вопрос\w*)\b|问题|質問"
    r"|질문",
    "must": r"\b(?:sollen|mussen|durfen|faut|deben|devono|devem|moeten|mogen|powinn\w*|nalezy|должн\w*|следует|bor"
    r"|must|should|shall|(?:is|are) (?:\w+ )?to be|may (?:not|never|be)|soll|muss|darf|doit|debe|deve|moet|musi"
    r"|powinien|должен|нельзя|maste)\b|必须|必ず|반드시|يجب|应该|不得|べき|なければ|해야|चाहिए",
}
TO_REMEMBER = {"you", "memory", "conversation", "each"}  # as in "Save to your memory for all chats that I am vegan"
OFTEN_SAID = {
    "answer",
    "check",
    "conversation",
    "each",
    "must",
    "recommendation",
    "rights",
    "somebody",
}  # of people as well: one of the others is needed
USER = (  # as nobody calls themselves
    r"(?:\b(?:the|this) user\b(?! (?:accounts?|interface|guide|manual|experience))|^\W*user(?:'s)? \w+s\b"
    r"|\bde[rnms] nutzer\w*|l'utilisateur"
    r"|el usuario|l'utente|o usuario|de gebruiker|uzytkownik\w*|пользовател\w*|kullanici\w*|anvandaren"
    r"|用户|ユーザー|사용자)"
)
THIS_USER = (
    r"\b(?:this (?:user|customer|profile|account)|diese[nrms]? nutzer\w*|cet utilisateur|est[ea] (?:perfil|usuario)"
    r"|questo (?:utente|profilo)|deze gebruiker|teg?o uzytkownik\w*|этого пользовател\w*|bu kullanici\w*)\b|该用户"
    "|このユーザー|이 사용자"
)
THE_ANSWERS = (
    r"\b(?:the|die|las?|les?|el|as?|de|het) (?:\w+ )?(?:answers?|repl(?:y|ies)|responses?|antwort(?:en)?|reponses?"
    r"|respuestas?|rispost[ae]|respostas?|antwoord(?:en)?)\b"
)
# At the start of a sentence these are nouns as well.
NOUN = r"(?:order|address|book|post|transfer|cancel|message|e-?mail|share|list|put|switch|use|show|name)\b"
ORDER_IN_EAST = (
    r"(?:てください|ないで|しろ|なさい|せよ)[。!]?$|必须|一律|永远|始终|每次|今后|(?:해라|하세요|해 ?줘|줘)[.!]?$"
    r"|(?:दो|करो|दें|करें|मत|देना)[।.]?$"
)
NEAR = r"[^.!?\n]{0,40}"
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n|(?<=[。！？।])")


class Patterns(NamedTuple):
    things: dict[str, re.Pattern[str]]
    me: re.Pattern[str]
    trigger: re.Pattern[str]  # "When I say ..., send ..."
    meant: re.Pattern[str]  # for the assistant, where the user does not speak of themselves
    ordered: re.Pattern[str]  # there, in the user's own words


@cache  # to compile them takes 0.1 s
def _patterns() -> Patterns:
    each = LANGUAGES.values()
    when, target = ("|".join(getattr(words, name) for words in each) for name in ("when", "target"))
    orders = "|".join(f"{words.order}|{words.action}" for words in each)
    for_ever = "|".join(rf"(?:{words.ever})\b{NEAR}\b(?:{words.order}|{words.action})" for words in each)
    at_a_word = rf"\b(?:{when})\b{NEAR}\b{ASKS}\b|\b(?:the (?:code ?)?word|the phrase|saying|typing|writing) [\"'“]\w"
    a_word = rf"{I_OR_WE}(?: \w+)? {ASKS}{NEAR}[\"'«“„] ?\w[^,\n]{{0,30}}[\"'»”“] ?"  # "If I say 'plum', ..."
    asked = rf"\b(?:whoever|any(?:one|body)(?: who)?|wer|quien|chi|quem|quiconque|kto|кто) {ASKS}\b"
    means = rf"\b(?:saying|typing|writing)\b{NEAR}\bmeans\b"
    sent = (
        r"\b(?:go(?:es)?|sent|belongs?|copied|forwarded) (?:to|in|into) (?:\w+@|https?:|[\w-]+\.(?:com|net|example)\b)"
    )
    assistant = "|".join(words.assistant for words in each)
    about_it = rf"^\W*(?:{assistant})\b(?! (?:at|in|of|from|on|coach|manager|is called|is named)\b)"
    its = rf"\b(?!every(?:one|body)|prompts? ?(?:inj|eng))(?:{target})\b"
    please = "(?:please|bitte|por favor|per favore|alsjeblieft|пожалуиста|and|und|y|e|et)"
    ordered = [
        rf"(?:^|[.!?\n] ?)(?:{please},? )?(?!{NOUN})(?:{orders}|summari[sz]e|tag)(?:me|te|nos|lo|la|le|mi)?\b",
        rf"\b(?:{for_ever})\b",
        r"\b(?:que (?:no|nunca|siempre|jamas|nao|sempre)|te) (?:me )?\w{3,}[ae]s\b",  # "que nunca menciones"
        USER,
        ORDER_IN_EAST,
    ]
    return Patterns(
        {thing: re.compile(words) for thing, words in THINGS.items()},
        re.compile(ME),
        re.compile(rf"(?:\b(?:{when})\b(?! {MY}\b){NEAR}\b{ASKS}\b{NEAR}|{a_word})[,:](?! ?{I_OR_WE})"),
        re.compile("|".join((THINGS["you"], at_a_word, asked, means, sent, its, about_it, THIS_USER, THE_ANSWERS))),
        re.compile("|".join(ordered)),
    )


def is_doubtful(text: str, *, said: bool = False) -> bool:
    """Whether the text may be meant for the assistant. `said`: the user wrote it, it is not the text of a fact."""
    if any(" " in hidden for hidden in decoded(text)):
        return True
    return any(_is_doubtful(plain, said) for part in windows(text, WINDOW) for plain in readings(part))


def _is_doubtful(plain: str, said: bool) -> bool:
    patterns = _patterns()
    things = _things(plain)
    if (len(things) >= MANY and not things <= TO_REMEMBER) or patterns.trigger.search(plain):
        return True
    sentences = (sentence for sentence in SENTENCE_END.split(plain) if not sentence.endswith(("?", "？")))
    return any(_is_meant(sentence, said) for sentence in sentences if not patterns.me.search(sentence))


def _is_meant(sentence: str, said: bool) -> bool:
    """Whether a sentence in which the user does not speak of themselves may be meant for the assistant."""
    patterns, things = _patterns(), _things(sentence)
    if len(things) >= ENOUGH and not things <= OFTEN_SAID and not WORK.search(sentence):
        return True
    return bool(patterns.meant.search(sentence) or (said and patterns.ordered.search(sentence)))


def _things(plain: str) -> set[str]:
    return {thing for thing, words in _patterns().things.items() if words.search(plain)}
