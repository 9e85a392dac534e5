"""Tells the user's own words in a message from mails, pages, quotations and other texts that they pasted. Pure."""

import re
from typing import NamedTuple

from memory.evidence.quotes import is_quoted
from memory.evidence.support import FIRST_PERSON, FIRST_PERSON_IN_HAN, I_OR_WE, shares_words
from memory.language.content import words

SUBJECT = r"(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|тема|konu|ämne|件名|主题|主題|제목)"
HEADER = (
    rf"(?:{SUBJECT}|from|to|cc|date|sent|reply-to|von|an|datum|gesendet|de|à|envoyé|para|fecha|da|a|data|van|aan|od|do"
    r"|от|кому|дата|kimden|kime|från|till|差出人|宛先|日時|发件人|收件人|寄件者|보낸 사람|받는 사람)"
)
MAIL = re.compile(  # the rest of the message is the mail
    rf"(?im)^[ \t]*(?:{HEADER}[ \t]*[:：].+\n[ \t]*{HEADER}[ \t]*[:：]|{SUBJECT}[ \t]*[:：].*\n)"
    r"|^[-_* ]*(?:begin )?(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht"
    r"|message (?:transféré|d'origine)|mensaje (?:reenviado|original)|messaggio (?:inoltrato|originale)"
    r"|mensagem (?:encaminhada|original)|doorgestuurd bericht|пересланное сообщение|转发的邮件|転送メッセージ)\b.*$"
    r"|^(?:on|am|le|el|il|em|op|dnia|w dniu)\b.{5,120}\b(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef"
    r"|napisał\w*)\b.*:[ \t]*$"
)
SPEAKER = (
    r"(?:assistant|ai|chatgpt|gpt-?\d?|claude|gemini|copilot|bot|chatbot|assistent|asistente|assistente|ассистент|助手"
    "|アシスタント)"
)
MACHINE = (
    r"(?:stdout|stderr|system|tool|function|output|observation|result|response|sistema|système|система|システム|系统"
    r"|시스템)"
)
USER = r"(?:user|human|me|i|you|nutzer|ich|moi|utilisateur|yo|usuario|utente|я|пользователь|用户|ユーザー|私)"
TRANSCRIPT = re.compile(  # to the next line of the user; a machine's words to the next empty line
    rf"(?ims)^[^\w\n]*(?:{SPEAKER}(?: said)?[ \t*_]*[:：].*?(?=^[^\w\n]*{USER}[ \t*_]*[:：]|\Z)"
    rf"|(?:{MACHINE}|(?:search|query) results?)(?: (?:output|results?|message|prompt|note|update|call|response))*"
    r"[ \t*_]*[:：\]>](?![ \t]*(?:i|i['’]m|my|we)\b).*?(?=\n[ \t]*\n|\Z))"
    r"|<\|[\w ]+\|>.*?(?=<\|[\w ]*\|>\s*user|\Z)"
)
LETTER = re.compile(  # a greeting in a line of its own, after words of the user's own
    r"(?im)(?<=\n)[ \t]*\n[ \t]*(?:hi|hello|hey|dear|hallo|liebe[rs]?|sehr geehrte\w*|guten (?:tag|morgen)|bonjour"
    r"|bonsoir|salut|chère?|hola|estimad[oa]s?|querid[oa]s?|buenos días|ciao|car[oa]|gentile|buongiorno|olá|prezad[oa]"
    r"|beste|geachte|cześć|dzień dobry|здравствуйте|привет|добрый день|merhaba|hej)\b[^\n.?:]{0,40}[,!][ \t]*$"
)
BLOCK = re.compile(  # code, quoted lines, markup, JSON, lines of a log, a chat or a shell
    r"(?ms)^[ \t]*\|[^\n]*\|[ \t]*$|^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)|^[ \t]*>[^\n]*$"
    r"|<(html|body|div|p|table|ul|ol|article|section|script|span|system|document|page|tool_\w+)\b[^>]*>.*?(?:</\2>|\Z)"
    r"|^\W?\d{4}-\d\d-\d\d[T ][\d:.,Z+]+\W+(?:\w+\W+)?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL)\b[^\n]*$"
    r"|^\[[^\]\n]{0,20}\d{1,2}:\d\d[^\]\n]{0,10}\][ \t]*\w[^\n:]{0,40}:[^\n]*$|^[ \t]*"
    r"\$ (?!(?:is|are|and|per)\b)[a-z./].*?(?=\n[ \t]*\n|\Z)"
    r"|\{\s*\"[^\"\n]+\"\s*:.*\}|\[\s*\{\s*\".*\}\s*\]"
)
REQUEST = (  # what is done to a text
    r"(?:translate|turn (?:this |it )?into|caption|(?:grammar|spell)[ -]?check|summari[sz]e|proofread|paraphrase"
    r"|rewrite|rephrase|shorten|übersetz\w*|fass\w*|tradui\w*|résum\w*|traduc\w*|traduz\w*"
    r"|resum\w*|riassumi\w*|vertaal\w*|vat|przetłumacz\w*|streść|перевед\w*|кратко|çevir\w*|özetle\w*|översätt\w*|sammanfatta\w*)"
)
REQUEST_ABOUT = (  # what is done to a text, if one is named: "Explain: I have diabetes, ..." is the user's own
    r"(?:correct|explain|analy[sz]e|review|fix|improve|(?:reply|respond) to|answer|extract|korrigier\w*|erklär\w*"
    r"|(?:be)?antwort\w*|corrig\w*|expliqu\w*|répond\w*|spiega\w*|rispondi|explica\w*|respond[ea]|объясн\w*|исправ\w*)"
)
TEXT = (
    r"(?:e-?mails?|mail|letter|message|article|text|page|site|website|post|tweet|review|transcript|log|document|report"
    r"|essay|paragraph|note|comment|description|bio|profile|sms|chat|conversation|newsletter|ad|wiki\w*|poem|story|song"
    r"|lyrics|speech|monologue|joke|script|code|query|quote)"
)
WORDING = (
    rf"(?:{TEXT}s?|grammar|spelling|sentences?|phrases?|following|words?|texte?s?|satz|brief|artikel|seite|grammatik"
    r"|folgend\w+|lettre|courriel|carta|correo|texto|mensaje|testo|lettera|messaggio|frase|mensagem|текст|письмо"
    r"|предложение|сообщение)"
)
NOT_MINE = (
    r"(?![^\n:：]*\b(?:my|mein|meine|meinen|mon|ma|mi|mio|mia|meu|minha|mijn|мой|мою|about me|about myself)\b"
    r"(?! \w+['’]s\b))"
)
INTRODUCED = re.compile(  # "Translate this: ...", "The website says: ..."; what follows the colon, to the end
    r"(?im)^(?:[^\n:：]*[.!?,][ \t]+)?"
    r"(?:(?:please|bitte|por favor|s'il te plaît|kannst du|can you|could you|und|and)[ \t]+)*"
    rf"(?:(?:{REQUEST}|{REQUEST_ABOUT}(?=[^\n:：]*\b{WORDING}\b))\b{NOT_MINE}[^\n:：]{{0,80}}"
    rf"|(?:here(?:'s|’s| is| are| comes)|this is|the|this|that|his|her|their"
    rf"|\w+['’]s)\b{NOT_MINE}[^\n:：]{{0,30}}\b{TEXT}\b"
    r"(?![^\n:：]*\b(?:is|has|came)\b)[^\n:：]{0,30})[ \t]?[:：][ \t]*\n?"
    r"|^(?:请)?(?:翻译|翻譯|总结|總結|解释|校对)[^\n：:]{0,10}[：:]"
    r"|^[^\n：:]{0,20}(?:訳して|要約して)[^\n：:]{0,10}[：:。]"
)
BY_THE_WAY = re.compile(  # with which the user goes on
    r"(?i)(?<=[.!?\n])\s*(?:by the way|btw|übrigens|au fait|por cierto|a proposito|a propósito|trouwens|кстати)\b"
)
QUOTATION = re.compile(r"[\"“„«「『»]([^\"“”„«»「」『』]{8,2000}?)[\"”“»」』«]")
SOMEBODY_ELSE = re.compile(  # the assistant, or who wrote a review: "You said earlier: ...", "I read: ..."
    r"(?i)\b(?:i (?:found|read|saw|got|received|heard)|you (?:just )?(?:said|wrote|told|claimed|answered|replied)"
    r"|your (?:last |previous |own )?(?:answer|reply|response|message|words)"
    r"|du (?:hast )?(?:sagtest|schriebst|gesagt|geschrieben)"
    r"|tu (?:as dit|disais)|dijiste|hai detto|você disse|je zei|ты сказала?)\b[^.!?\n]{0,25}$"
)
MIN_QUOTED = 3  # words of somebody else; fewer are a name or a title


class OwnAndPasted(NamedTuple):
    own: str
    pasted: str


def own_and_pasted(message: str) -> OwnAndPasted:
    """The words of the message that are the user's own, and those that are not."""
    own, pasted = message, list[str]()

    def cut(found: re.Match[str]) -> str:
        pasted.append(found[0])
        return "\n"

    own = TRANSCRIPT.sub(cut, BLOCK.sub(cut, own))
    for start in (MAIL, LETTER, INTRODUCED):
        if found := start.search(own):
            split = found.end() if start is INTRODUCED else found.start()
            end = goes_on.start() if (goes_on := BY_THE_WAY.search(own, split)) else len(own)
            pasted.append(own[split:end])
            own = own[:split] + own[end:]
    own = QUOTATION.sub(lambda found: cut(found) if _is_somebody_elses(found) else found[0], own)
    return OwnAndPasted(own, "\n".join(pasted))


def is_pasted(text: str, quote: str, message: str) -> bool:
    """Whether the quote, from which a fact with this text was taken, is none of the user's own words."""
    own, pasted = own_and_pasted(message)
    if not pasted or is_quoted(quote, own):
        return False
    # A quote may run over both: then the user's own part of it has to say what the text does.
    return is_quoted(quote, pasted) or not shares_words(text, own_and_pasted(quote).own)


def _is_somebody_elses(found: re.Match[str]) -> bool:
    """Whether the words of the quotation are not the user's: it says "I", and those before it do not say "I said"."""
    said = words(found[1])
    lead = found.string[max(0, found.start() - 40) : found.start()]
    if SOMEBODY_ELSE.search(lead):
        return True
    first_person = not FIRST_PERSON.isdisjoint(said) or FIRST_PERSON_IN_HAN.search(found[1])
    before = words(lead)
    long_enough = len(said) >= MIN_QUOTED or FIRST_PERSON_IN_HAN.search(found[1])
    return bool(first_person and long_enough) and I_OR_WE.isdisjoint(before)
