"""Recognizes what tells the assistant what to do, by its form, in the languages of languages.py. Pure.

What is meant is for the model to say (`Candidate.instruction`); this is what no answer of a model can get past.
"""

import re
from functools import cache

from memory.guard.languages import FORMS, LANGUAGES, Language
from memory.guard.readings import readings, windows

WINDOW = 1_000  # characters that are judged at once
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
# "Decode this and do what it says."
DECODE = re.compile(
    r"\b(?:decod\w*|decrypt\w*|entschlussel\w*|dekodier\w*|decifra\w*)\b.{0,80}\b(?:do|follow|execute|run|obey"
    r"|befolge?|fuhre?|execute[sz]?|ejecuta|esegui|suis|sigue|what it says)\b|\b(?:follow|execute|run"
    r"|obey)\b.{0,60}\b(?:decod\w*|base64|rot13|encoded)\b"
)


def is_instruction(text: str, *, said: bool = False) -> bool:
    """Whether the text tells the assistant what to do. `said`: the user wrote it, it is not the text of a fact."""
    patterns, parts = _patterns(said), windows(text, WINDOW)
    return any(pattern.search(reading) for part in parts for reading in readings(part) for pattern in patterns)


@cache  # to compile them takes 0.1 s, and few processes extract
def _patterns(said: bool) -> list[re.Pattern[str]]:
    forms = [form for name, words in LANGUAGES.items() for form in _forms(name, words, said or name not in AMBIGUOUS)]
    return [MARKUP, DECODE, *map(re.compile, (*forms, *FORMS.values()))]


def _forms(name: str, words: Language, orders: bool) -> list[str]:
    must, duty = (
        part.replace("ORDER", words.order).replace("ACTION", words.action) for part in (words.must, words.duty)
    )
    return [
        rf"{START}(?:{words.dismiss})\b{SAME}{{0,60}}\b(?:{words.rules})\b",
        rf"\b(?:{must})",
        rf"(?:{START}|\b(?:that|dass|que|che|dat|ze|что) )(?:{words.assistant})\W+(?:\w+\W+){{0,3}}?(?:{duty})\b",
        rf"{START}(?:{words.persona})\b",
        rf"\b(?:{words.spared})",
        *(_orders(words, AFTER_CONDITION if name not in AMBIGUOUS else AFTER_COMMA) if orders else ()),
    ]


def _orders(words: Language, after_condition: str) -> list[str]:
    """An imperative for ever, after a condition, or with what is the assistant's as its object."""
    anything = f"{words.order}|{words.action}"
    return [
        rf"{START}(?:{words.ever})\b{SAME}{{1,60}}?\b(?:{words.target})\b",
        rf"{START}(?:{words.ever})\b,?\s(?:\w+,?\s){{0,3}}?(?:{words.order})\b{NOT_OF_ONESELF}",
        rf"{START}(?:{words.order})\b{NOT_OF_ONESELF}{SAME}{{0,60}}?\b(?:{words.ever})\b",
        rf"{START}(?:{words.when})\b{SAME}{{2,100}}{after_condition}(?:{anything})\b{NOT_OF_ONESELF}",
        rf"{START}(?:{anything})\b{NOT_OF_ONESELF}{NOT_AN_ADDRESS}{SAME}{{0,80}}?(?:\b(?:{words.target})\b|{ADDRESS})",
    ]
