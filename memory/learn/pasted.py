"""Tells the user's own words in a message from mails, pages, quotations and other texts that they pasted. Pure."""

import re
from typing import NamedTuple

from memory.facts.content import words
from memory.learn.quotes import is_quoted
from memory.learn.support import FIRST_PERSON, FIRST_PERSON_IN_HAN, shares_words

SUBJECT = r"(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|тема|konu|ämne|件名|主题|主題|제목)"
HEADER = (
    rf"(?:{SUBJECT}|from|to|cc|date|sent|reply-to|von|an|datum|gesendet|de|à|envoyé|para|fecha|da|a|data|van|aan|od|do"
    r"|от|кому|дата|kimden|kime|från|till|差出人|宛先|日時|发件人|收件人|寄件者|보낸 사람|받는 사람)"
)
MAIL = re.compile(  # the rest of the message is the mail
    rf"(?im)^[ \t]*(?:{HEADER}[ \t]*[:：].+\n[ \t]*{HEADER}[ \t]*[:：]|{SUBJECT}[ \t]*[:：])"
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
MACHINE = r"(?:system|tool|function|output|observation|result|response|sistema|système|система|システム|系统|시스템)"
USER = r"(?:user|human|me|i|you|nutzer|ich|moi|utilisateur|yo|usuario|utente|я|пользователь|用户|ユーザー|私)"
TRANSCRIPT = re.compile(  # to the next line of the user; a machine's words to the next empty line
    rf"(?ims)^[^\w\n]*(?:{SPEAKER}(?: said)?[ \t*_]*[:：].*?(?=^[^\w\n]*{USER}[ \t*_]*[:：]|\Z)"
    rf"|(?:{MACHINE}|(?:search|query) results?)(?: (?:output|results?|message|prompt|note|update|call|response))*"
    r"[ \t*_]*[:：\]>](?![ \t]*(?:i|i['’]m|my|we)\b).*?(?=\n[ \t]*\n|\Z))"
    r"|<\|[\w ]+\|>.*?(?=<\|[\w ]*\|>\s*user|\Z)"
)
BLOCK = re.compile(  # code, quoted lines, markup, JSON
    r"(?ms)^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)|^[ \t]*>[^\n]*$"
    r"|<(html|body|div|p|table|ul|ol|article|section|script|span|system|document|page|tool_\w+)\b[^>]*>.*?(?:</\2>|\Z)"
    r"|\{\s*\"[^\"\n]+\"\s*:.*\}|\[\s*\{\s*\".*\}\s*\]"
)
REQUEST = (
    "(?:translate|summari[sz]e|proofread|correct|paraphrase|rewrite|rephrase|shorten|explain|analy[sz]e|review"
    r"|fix|improve|reply to|respond to|answer|extract|übersetz\w*|fass\w*|korrigier\w*|erklär\w*|tradui\w*"
    r"|résum\w*|corrig\w*|expliqu\w*|traduc\w*|traduz\w*|resum\w*|riassumi\w*|spiega\w*|explica\w*|vertaal\w*|vat"
    r"|przetłumacz\w*|streść|перевед\w*|кратко|объясн\w*|исправ\w*|çevir\w*|özetle\w*|översätt\w*|sammanfatta\w*)"
)
TEXT = (
    r"(?:e-?mails?|mail|letter|message|article|text|page|site|website|post|tweet|review|transcript|log|document|report"
    r"|essay|paragraph|note|comment|description|bio|profile|sms|chat|conversation|newsletter|ad|wiki\w*)"
)
MINE = r"(?:my|mein|meine|meinen|mon|ma|mi|mio|mia|meu|minha|mijn|мой|мою)"
INTRODUCED = re.compile(  # "Translate this: ...", "The website says: ..."; what follows the colon, to the end
    r"(?im)^(?:[^\n:：]*[.!?,][ \t]+)?"
    r"(?:(?:please|bitte|por favor|s'il te plaît|kannst du|can you|could you|und|and)[ \t]+)*"
    rf"(?:{REQUEST}\b(?![^\n:：]*\b{MINE}\b(?! \w+['’]s\b))[^\n:：]{{0,80}}"
    rf"|(?:here(?:'s|’s| is| are| comes)|this is|the|this|that|his|her|their|\w+['’]s)\b[^\n:：]{{0,30}}\b{TEXT}\b"
    r"(?![^\n:：]*\b(?:is|has)\b)[^\n:：]{0,30})[ \t]?[:：][ \t]*\n?"
    r"|^(?:请)?(?:翻译|翻譯|总结|總結|解释|校对)[^\n：:]{0,10}[：:]"
    r"|^[^\n：:]{0,20}(?:訳して|要約して)[^\n：:]{0,10}[：:。]"
)
QUOTATION = re.compile(r"[\"“„«「『»]([^\"“”„«»「」『』]{8,2000}?)[\"”“»」』«]")
I_OR_WE = frozenset({"i", "we", "ich", "wir", "je", "nous", "yo", "io", "eu", "ik", "ja", "я"})
MIN_QUOTED = 3  # words of somebody else; fewer are a name or a title


class Parts(NamedTuple):
    own: str
    pasted: str


def parts_of(message: str) -> Parts:
    """The words of the message that are the user's own, and those that are not."""
    own, pasted = message, list[str]()

    def cut(found: re.Match[str]) -> str:
        pasted.append(found[0])
        return "\n"

    own = TRANSCRIPT.sub(cut, BLOCK.sub(cut, own))
    for start in (MAIL, INTRODUCED):
        if found := start.search(own):
            split = found.start() if start is MAIL else found.end()
            pasted.append(own[split:])
            own = own[:split]
    own = QUOTATION.sub(lambda found: cut(found) if _is_somebody_elses(found) else found[0], own)
    return Parts(own, "\n".join(pasted))


def is_pasted(text: str, quote: str, message: str) -> bool:
    """Whether the quote, from which a fact with this text was taken, is none of the user's own words."""
    own, pasted = parts_of(message)
    if not pasted or is_quoted(quote, own):
        return False
    # A quote may run over both: then the user's own part of it has to say what the text does.
    return is_quoted(quote, pasted) or not shares_words(text, parts_of(quote).own)


def _is_somebody_elses(found: re.Match[str]) -> bool:
    """Whether a quotation speaks of "me", and the words before it do not say that the user said it."""
    said = words(found[1])
    first_person = not FIRST_PERSON.isdisjoint(said) or FIRST_PERSON_IN_HAN.search(found[1])
    before = words(found.string[max(0, found.start() - 40) : found.start()])
    long_enough = len(said) >= MIN_QUOTED or FIRST_PERSON_IN_HAN.search(found[1])
    return bool(first_person and long_enough) and I_OR_WE.isdisjoint(before)
