"""Recognizes what may be meant for the assistant, though its form does not say so for certain. Pure.

A fact describes the user, or somebody or something in their life. What speaks of several of the assistant's things at
once, or orders something where the user does not speak of themselves, may still be a fact: the user decides.
"""

import re
from functools import cache
from typing import NamedTuple

from memory.guard.readings import decoded, readings, windows
from memory.guard.words import any_of, read, whole

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
    things = {thing: whole(listed) for thing, listed in read("things").items()}
    lists = [{name: any_of(listed) for name, listed in words.items()} for words in read("orders").values()]
    lists = [words for words in lists if "order" in words]
    when, target, assistant = ("|".join(words[name] for words in lists) for name in ("when", "target", "assistant"))
    orders = "|".join(f"{words['order']}|{words['action']}" for words in lists)
    for_ever = "|".join(rf"(?:{words['ever']})\b{NEAR}\b(?:{words['order']}|{words['action']})" for words in lists)
    at_a_word = rf"\b(?:{when})\b{NEAR}\b{ASKS}\b|\b(?:the (?:code ?)?word|the phrase|saying|typing|writing) [\"'“]\w"
    a_word = rf"{I_OR_WE}(?: \w+)? {ASKS}{NEAR}[\"'«“„] ?\w[^,\n]{{0,30}}[\"'»”“] ?"  # "If I say 'plum', ..."
    asked = rf"\b(?:whoever|any(?:one|body)(?: who)?|wer|quien|chi|quem|quiconque|kto|кто) {ASKS}\b"
    means = rf"\b(?:saying|typing|writing)\b{NEAR}\bmeans\b"
    sent = (
        r"\b(?:go(?:es)?|sent|belongs?|copied|forwarded) (?:to|in|into) (?:\w+@|https?:|[\w-]+\.(?:com|net|example)\b)"
    )
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
        {thing: re.compile(words) for thing, words in things.items()},
        re.compile(ME),
        re.compile(rf"(?:\b(?:{when})\b(?! {MY}\b){NEAR}\b{ASKS}\b{NEAR}|{a_word})[,:](?! ?{I_OR_WE})"),
        re.compile("|".join((things["you"], at_a_word, asked, means, sent, its, about_it, THIS_USER, THE_ANSWERS))),
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
