"""Recognizes what tells the assistant what to do, by its form, in the languages of words/orders.toml. Pure.

What is meant is for the model to say (`Candidate.instruction`); this is what no answer of a model can get past.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from memory.guard.languages import read
from memory.guard.readings import readings, windows
from memory.language.word_lists import NO_SPACES, any_of

WINDOW = 1_000  # characters that are judged at once
WORD = re.compile(r"[A-Za-z]{0,15}")  # one short word, as most attributes and subjects are, orders nothing
AMBIGUOUS = ("es", "fr")  # "recomienda" is "recommends" as well: the text of a fact is no order there
# Where an imperative stands: at the start of a clause, after words such as "please", "and", "I want you to".
START = (
    r"(?:^|[\n.!?;:,、，。]|\s[-–—]\s)[^\w\n]{0,6}(?:(?:please|kindly|now|just|so|then|and|but|also|bitte|und|dann"
    "|also|s'il te plait|et|puis|alors|por favor|y|e|ahora|per favore|poi|ora|e poi|alsjeblieft|en|dan|prosze"
    "|пожалуиста|и|теперь|lutfen|ve|snalla|och|remember to|make sure to|be sure to|you (?:can|could|should)"
    "|can you|could you|i want you to|denk daran|immer daran),? ){0,3}"
)
# What stands before a verb that is no imperative, or before a noun.
SUBJECTS = """
to i you we they i'd i'll we'll you'll they'd may can could should would must not will might and
that the a an my your his her our their this of
ich wir je nous yo io eu ik ja jag
"""
HABITS = ("i always", "i never", "we always", "we never")
NOT_OF_ONESELF = r"(?! (?:ich|je|yo|io|eu|ik|ja|я|ben|jag)\b)(?!(?: is| was| are|'s)\b|:)"  # "Address is ..."
AFTER_CONDITION = r"[,:;]?[\"']?\s" + "".join(rf"(?<!\b{word} )" for word in (*SUBJECTS.split(), *HABITS))
AFTER_COMMA = r"[,:;][\"']?\s"  # where the imperative is also the third person: "Cuando llueve, mi padre lee"
SAME = r"(?:[^.!?\n]|[.!?](?=[\w\[(]))"  # a character of the same sentence
ADDRESS = r"(?:https?://|\bwww\.|[\w.+-]+@[\w-]+\.\w)"
NOT_AN_ADDRESS = r"(?! (?:me|us) (?:at|on|to)\b)"  # "E-mail me at ..."
ITS_DUTY = r"\W+(?:\w+\W+){0,3}?"
ROLE = r"(?:system|assistant|developer|sistema|systeme|systeem|sistem|система|システム|系统|系統|시스템)"

# What chat templates, tool calls and agents' transcripts look like, whatever the language.
MARKUP = re.compile(
    rf"(?m)<\|[\w ]+\|?>|\[/?(?:inst|tool_calls?|system[\w ]*|sistema)\]|<</?sys>>"
    rf"|^[^\w\n]{{0,9}}{ROLE}(?: (?:prompt|message|note|update|instructions?))* ?[:：>\]]"
    r"(?! (?:i|i'm|my|we|ich|je|yo|io)\b)"
    rf"|^[^\w\n]{{0,9}}{ROLE} (?:prompt|message|update)\b|^#{{1,6}} ?{ROLE} ?$"
    rf"|</?(?:{ROLE}|instructions?|tool_call|function[=\w]*|invoke|parameter|prompt)\b[^>]*>|<!--\s*\w+\s*:"
    r"|[\"'](?:role|tool|function|tool_calls?|action)[\"']\s*:\s*[\"'{\[]"
    r"|[\"']name[\"']\s*:\s*[\"'][^\"']*[\"']\s*,\s*[\"'](?:arguments|args|parameters|input)[\"']"
    r"|[\"'](?:facts|retracted|relations)[\"']\s*:\s*\["
    r"|^[^\w\n]{0,9}(?:action|action input|thought|observation|tool)\s*:\s*\w"
    r"|^[^\w\n]{0,9}(?:(?:call|run|invoke|execute) \w+\(|\w+_\w+\(\)$)"
    r"|\b(?:[a-z]+_[a-z_]+|functions?\.\w+|call \w+|(?:remember|forget|save|delete|store|update)\w*)"
    r"\((?:[\"'{\[]|\w+\s*[=:])"
)


class Patterns(NamedTuple):
    """Each holds the rules of all languages: one search of a text is much quicker than one for each rule."""

    starting: re.Pattern[str]  # what a clause begins with
    anywhere: re.Pattern[str]  # what begins with any word
    unspaced: re.Pattern[str]  # of languages without spaces between words


def is_instruction(text: str, *, said: bool = False) -> bool:
    """Whether the text tells the assistant what to do. `said`: the user wrote it, it is not the text of a fact."""
    if WORD.fullmatch(text):
        return False
    return any(_orders(reading, _patterns(said)) for part in windows(text, WINDOW) for reading in readings(part))


def _orders(plain: str, rules: Patterns) -> bool:
    always = (MARKUP, rules.starting, rules.anywhere)
    return any(pattern.search(plain) for pattern in (always if plain.isascii() else (*always, rules.unspaced)))


@cache  # to compile them takes 0.1 s, and few processes extract
def _patterns(said: bool) -> Patterns:
    starting, anywhere, unspaced = list[str](), list[str](), list[str]()
    for language, words in read("orders").items():
        lists = {name: any_of(listed) for name, listed in words.items()}
        if forms := lists.get("forms"):
            (unspaced if NO_SPACES.search(forms) else anywhere).append(forms)
        if "order" in lists:
            for name in ("must", "duty"):
                lists[name] = lists[name].replace("ORDER", lists["order"]).replace("ACTION", lists["action"])
            starting += _at_the_start(**lists)
            starting += _imperatives(language, **lists) if said or language not in AMBIGUOUS else ()
            anywhere += _anywhere(**lists)
    patterns = (f"{START}(?:{'|'.join(starting)})", rf"\b(?:{'|'.join(anywhere)})", "|".join(unspaced))
    return Patterns(*map(re.compile, patterns))


def _at_the_start(dismiss: str, rules: str, persona: str, assistant: str, duty: str, **_: str) -> Iterator[str]:
    """What a clause begins with: "Ignore all rules", "You are now a pirate", "The assistant must agree"."""
    yield rf"(?:{dismiss})\b{SAME}{{0,60}}\b(?:{rules})\b"
    yield rf"(?:{persona})\b"
    yield rf"(?:{assistant}){ITS_DUTY}(?:{duty})\b"


def _anywhere(must: str, spared: str, assistant: str, duty: str, **_: str) -> Iterator[str]:
    """What may stand anywhere: "You must obey", "your rules", "I think that the assistant must agree"."""
    yield must
    yield spared
    yield rf"(?:that|dass|que|che|dat|ze|что) (?:{assistant}){ITS_DUTY}(?:{duty})\b"


def _imperatives(language: str, order: str, action: str, ever: str, when: str, target: str, **_: str) -> Iterator[str]:
    """An imperative for ever, after a condition, or with what is the assistant's as its object."""
    verb = rf"(?:{order}|{action})\b{NOT_OF_ONESELF}"
    after_condition = AFTER_COMMA if language in AMBIGUOUS else AFTER_CONDITION
    yield rf"(?:{ever})\b{SAME}{{1,60}}?\b(?:{target})\b"
    yield rf"(?:{ever})\b,?\s(?:\w+,?\s){{0,3}}?(?:{order})\b{NOT_OF_ONESELF}"
    yield rf"(?:{order})\b{NOT_OF_ONESELF}{SAME}{{0,60}}?\b(?:{ever})\b"
    yield rf"(?:{when})\b{SAME}{{2,100}}{after_condition}{verb}"
    yield rf"{verb}{NOT_AN_ADDRESS}{SAME}{{0,80}}?(?:\b(?:{target})\b|{ADDRESS})"
