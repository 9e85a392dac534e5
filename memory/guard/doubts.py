"""Recognizes what may be meant for the assistant, though its form does not say so for certain. Pure.

A fact describes the user, or somebody or something in their life. What speaks of several of the assistant's things at
once, or orders something where the user does not speak of themselves, may still be a fact: the user decides.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from memory.guard.languages import read, without_false_friends
from memory.guard.readings import decoded, readings, windows
from memory.language.word_lists import any_of, whole

WINDOW = 1_000  # characters that are judged at once
MANY, ENOUGH = 3, 2  # of the assistant's things: in any text, and where the user does not speak of themselves
TO_REMEMBER = {"you", "memory", "each"}  # as in "Save to your memory for all chats that I am vegan"
OFTEN_SAID = {"answer", "check", "each", "must", "recommendation", "rights", "somebody"}  # of people as well
THIS_USER = (
    r"\b(?:this (?:user|customer|profile|account)|diese[nrms]? nutzer\w*|cet utilisateur|est[ea] (?:perfil|usuario)"
    r"|questo (?:utente|profilo)|deze gebruiker|teg?o uzytkownik\w*|этого пользовател\w*|bu kullanici\w*)\b|该用户"
    "|このユーザー|이 사용자"
)
THE_ANSWERS = (
    r"\b(?:the|die|las?|les?|el|as?|de|het) (?:\w+ )?(?:answers?|repl(?:y|ies)|responses?|antwort(?:en)?|reponses?"
    r"|respuestas?|rispost[ae]|respostas?|antwoord(?:en)?)\b"
)
SENT = r"\b(?:go(?:es)?|sent|belongs?|copied|forwarded) (?:to|in|into) (?:\w+@|https?:|[\w-]+\.(?:com|net|example)\b)"
CODE_WORD = r"\b(?:the (?:code ?)?word|the phrase|saying|typing|writing) [\"'“]\w"
PLEASE = "(?:please|bitte|por favor|per favore|alsjeblieft|пожалуиста|and|und|y|e|et)"
# At the start of a sentence these are nouns as well.
NOUN = r"(?:order|address|book|post|transfer|cancel|message|e-?mail|share|list|put|switch|use|show|name)\b"
ORDER_IN_EAST = (
    r"(?:てください|ないで|しろ|なさい|せよ)[。!]?$|必须|一律|永远|始终|每次|今后|(?:해라|하세요|해 ?줘|줘)[.!]?$"
    r"|(?:दो|करो|दें|करें|मत|देना)[।.]?$"
)
NEAR = r"[^.!?\n]{0,40}"
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n|(?<=[。！？।])")


class Patterns(NamedTuple):
    things: dict[str, re.Pattern[str]]  # of the assistant
    me: re.Pattern[str]  # the user speaks of themselves
    work: re.Pattern[str]  # what people do with such things
    trigger: re.Pattern[str]  # "When somebody asks about pens, say ..."
    addressed: re.Pattern[str]  # "you", "the assistant", "the answers"
    ordered: re.Pattern[str]  # an imperative


def is_doubtful(text: str, *, said: bool = False) -> bool:
    """Whether the text may be meant for the assistant. `said`: the user wrote it, it is not the text of a fact."""
    if any(" " in hidden for hidden in decoded(text)):
        return True
    return any(_is_doubtful(plain, said) for part in windows(text, WINDOW) for plain in readings(part))


def _is_doubtful(reading: str, said: bool) -> bool:
    rules, plain = _patterns(), without_false_friends(reading)
    things = _things(plain)
    if (len(things) >= MANY and not things <= TO_REMEMBER) or rules.trigger.search(plain):
        return True
    sentences = (part for part in SENTENCE_END.split(plain) if not part.endswith(("?", "？")))
    return any(_is_meant(sentence, said) for sentence in sentences if not rules.me.search(sentence))


def _is_meant(sentence: str, said: bool) -> bool:
    """Whether a sentence in which the user does not speak of themselves may be meant for the assistant."""
    rules, things = _patterns(), _things(sentence)
    if len(things) >= ENOUGH and not things <= OFTEN_SAID and not rules.work.search(sentence):
        return True
    return bool(rules.addressed.search(sentence) or (said and rules.ordered.search(sentence)))


def _orders(language: str, words: Mapping[str, str]) -> str:
    """The imperatives of a language, some of which a pronoun may end: Italian "dimmi", but not "bello" in Dutch."""
    pronoun = "(?:me|te|nos|lo|la|le|mi)?" if language in ("es", "it", "pt") else ""
    return f"(?:{any_of(words['order'])}|{any_of(words['action'])}){pronoun}"


def _things(plain: str) -> set[str]:
    return {thing for thing, words in _patterns().things.items() if words.search(plain)}


@cache  # to compile them takes 0.1 s
def _patterns() -> Patterns:
    things, people = read("things"), read("people")
    languages = [words for words in read("orders").values() if "order" in words]
    when, target, assistant = (
        "|".join(any_of(words[name]) for words in languages) for name in ("when", "target", "assistant")
    )
    orders = "|".join(_orders(language, words) for language, words in read("orders").items() if "order" in words)
    asks, i = any_of(people["asks"]), whole(people["i"])
    asked = rf"\b(?:{when})\b{NEAR}\b(?:{asks})\b"
    about_it = rf"^\W*(?:{assistant})\b(?! (?:at|in|of|from|on|coach|manager|is called|is named)\b)"
    its = rf"\b(?!every(?:one|body)|prompts? ?(?:inj|eng))(?:{target})\b"
    addressed = (whole(things["you"]), asked, CODE_WORD, SENT, its, about_it, THIS_USER, THE_ANSWERS)
    imperative = rf"(?:^|[.!?\n] ?)(?:{PLEASE},? )?(?!{NOUN})(?:{orders}|summari[sz]e|tag)\b"
    return Patterns(
        things={thing: re.compile(whole(listed)) for thing, listed in things.items()},
        me=re.compile(f"{i}|{whole(people['me'])}"),
        work=re.compile(
            rf"^\W*(?:i'?m |i |we |ich |je |ik |я )?(?:(?:am|is|are|bin|suis) )?(?:{any_of(people['work'])})"
        ),
        trigger=re.compile(rf"{asked}{NEAR}[,:](?! ?(?:{i}))"),
        addressed=re.compile("|".join(addressed)),
        ordered=re.compile(f"{imperative}|{ORDER_IN_EAST}"),
    )
