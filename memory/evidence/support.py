"""Judges whether a message supports what a candidate says: by words, names and numbers, then by meaning. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from memory.evidence.quotes import clauses_around, sentence_around
from memory.extraction.answer import EXTRACTION_PROMPT, Candidate
from memory.extraction.small_talk import is_small_talk
from memory.language.content import alike, content, words
from memory.language.text import fold
from memory.language.translations import is_translated

Pair = tuple[str, str]
Cosines = Mapping[Pair, float]
"""Two texts -> the cosine of their vectors; a pair that is missing counts as 0."""
NO_COSINES: Cosines = {}

# Measured with the local embedder on tests/evals/support_pairs.jsonl. A text with a name that the message does not
# have ("Lives in London") has to be nearer to it: small models make up names.
MIN_COSINE, MIN_COSINE_OF_A_NAME = 0.2, 0.29
MAX_COMPARED = 2_000  # characters of a message in which forms of words are looked for, not the words alone
EXAMPLES = frozenset(map(content, re.findall(r'"([A-Z][^"]+)"', EXTRACTION_PROMPT)))
PLACEHOLDER = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}")

# "I", "my", "we" and "our" in the languages of small_talk.py and in Arabic; not "me", as in "write me a poem".
FIRST_PERSON_TEXT = """
i im ive my mine myself we our ours ich mein meine meinem meinen meiner wir unser unsere je j mon ma mes nous
notre nos yo mi mis soy estoy tengo vivo nuestro nuestra io mio mia miei mie ho sono eu meu minha meus minhas
sou estou tenho ik mijn ons onze jag min mitt mina mam jestem mój moja moje mojej moją mojego я мой моя мои мою
моей моего моему нас ben benim 저 제 나 내 우리 मैं मेरा मेरी मेरे हम أنا
"""
FIRST_PERSON = frozenset(words(FIRST_PERSON_TEXT))
I_OR_WE = frozenset(words("i im we ich wir je j nous yo soy io sono eu sou ik ja jag я"))
ABOUT_ME = re.compile(
    r"(?i)\b(?:(?:like|as|for) me\b(?! to\b)|from now on\b|(?:diabetic|coeliac|celiac|blind|deaf|vegan)\b)"
)
FIRST_PERSON_IN_HAN = re.compile("(?<![帮幫给給])我|[私僕俺]")
BECAUSE = re.compile(
    r"(?i)^\W*(?:(?:because|since|as|for|and|but|denn|weil|car|parce que?|porque|perche|perché)\b)?\W*"
)
QUESTION = re.compile(r"[?？؟][\W_]*$")
ENGLISH_QUESTION = re.compile(  # also without its mark; not "Which is why Anna moved"
    r"(?i)^(?!.*\byou\s+(?:know|hear|remember|see)\b)\W*(?:(?:how|what|where|who|why)(?:['’]s|\s+(?:is|are|do|does|did|can"
    r"|could|should|would|to|far|long|many|much|often|old))\b|(?:how|what|where|which|who|whose|why|when|is|are|was|were"
    r"|do|does|did|can|could|will|would|should|has|have)\b.*\?\W*$)"
)
ENGLISH_REQUEST = re.compile(  # "write Rust at work" may be a statement without its "I"
    r"(?i)^\W*(?:(?:please|(?:can|could)\s+you)\W+)*(?:(?:write|draft|fix|create|compose|generate|translate|convert|plan"
    r"|make\s+up|invent)\s+(?:(?:me|us|an?|the|some|this|that|these)\b|\W|\d)|tell\s+(?:me|us)\s+(?:an?|some|about)\b"
    r"|(?:rewrite|explain|summari[sz]e|describe"
    r"|suggest|proofread|imagine|pretend)\b)"
)
REQUEST = re.compile(
    rf"{ENGLISH_REQUEST.pattern}"
    r"|^\W*(?:bitte\s+)?(?:schreib|übersetz|erklär|verfass|écri[st]|écrivez|tradui[st]|expliqu|rédige|résume|escrib"
    r"|traduc|explica|redacta|resum|scriv|spiega|riassumi|escrev|traduz|schrijf|vertaal|skriv|översätt|napisz|przetłumacz"
    r"|wyjaśnij|напиши|переведи|объясни|اكتب|ترجم|اشرح|لخص)"
    r"|書いて|訳して|教えて|说明|写一|翻译|翻譯|(?:써|번역해|알려|설명해)\s?(?:줘|주)|(?:लिख|बता)\s?(?:दो|ो|िए|ाओ)"
)


def is_supported(candidate: Candidate, message: str, cosines: Cosines) -> bool:
    """Whether the message says what the text does: in shared words, or near it in meaning."""
    by_words = supported_by_words(candidate, message)
    if by_words is None:
        has_name = any(word[0].isupper() for word in candidate.text.split()[1:])
        bar = MIN_COSINE_OF_A_NAME if has_name else MIN_COSINE
        return any(cosines.get(pair, 0.0) >= bar for pair in _pairs(candidate, message))
    return by_words


def compared(candidate: Candidate, message: str) -> list[Pair]:
    """The pairs of texts whose cosines `is_supported` needs; none where words decide, as they mostly do."""
    return _pairs(candidate, message) if supported_by_words(candidate, message) is None else []


def supported_by_words(candidate: Candidate, message: str) -> bool | None:
    """Whether the words of text and message decide that it is supported, or that it is not; None if they do not."""
    text, clauses = candidate.text, clauses_around(candidate.quote, message)
    if asks_in_english(clauses) or any(fold(part) not in fold(message) for part in PLACEHOLDER.findall(text)):
        return False
    if shares_words(text, message, near=candidate.quote) or is_translated(text, message[:MAX_COMPARED]):
        return True
    # Small models return the prompt's own examples, with a genuine quote.
    return False if asks(clauses) or content(text) in EXAMPLES else None


def shares_words(text: str, message: str, near: str = "") -> bool:
    """Whether the two share a word with content, a name or a number; "NYC" in a message is New York City.

    Forms of a word are looked for in all of a short message, and in the sentence around the quote `near` of a long one.
    """
    claimed, said = content(text), content(message)
    if claimed & said:
        return True
    if len(message) > MAX_COMPARED:
        said = content(sentence_around(near, message)[:MAX_COMPARED])
    if any(alike(word, other) for word in claimed for other in said):
        return True
    named = [word for n, word in enumerate(text.split()) if content(word) or (n and word[0].isupper())]
    initials = "".join(word[0] for name in named for word in words(name)[:1])
    abbreviations = said | {word.casefold() for word in re.findall(r"\b[A-Z]{2,5}\b", message)}
    return any(2 <= len(word) <= 5 and word in initials for word in abbreviations)


def _pairs(candidate: Candidate, message: str) -> list[Pair]:
    # Messages are in the first person: with "I" in front the texts of facts come much nearer to them.
    text, quote = candidate.text, candidate.quote
    claim = f"I {text[:1].lower()}{text[1:]}" if candidate.subject == "user" else text
    return [(claim, said) for said in dict.fromkeys((quote, sentence_around(quote, message)))]


def begins_with_i(clause: str) -> bool:
    """Whether it begins with "I", as a statement does: also "because I'm ...", but not "when I ..."."""
    return any(word in I_OR_WE for word in words(BECAUSE.sub("", clause))[:1])


def asks(clauses: Sequence[str]) -> bool:
    """Whether all of these clauses, but for small talk, are impersonal questions or requests."""
    return _all(clauses, lambda clause: bool(QUESTION.search(clause) or REQUEST.search(clause)))


def asks_in_english(clauses: Sequence[str]) -> bool:
    """The same, where a missing "I" shows for certain that nobody speaks of himself: many languages leave it out."""
    return _all(clauses, lambda clause: bool(ENGLISH_QUESTION.search(clause) or ENGLISH_REQUEST.search(clause)))


def _all(clauses: Sequence[str], asking: Callable[[str], bool]) -> bool:
    said = [clause for clause in clauses if not is_small_talk(clause)]
    return bool(said) and all(asking(clause) and not _is_personal(clause) for clause in said)


def _is_personal(clause: str) -> bool:
    said = not FIRST_PERSON.isdisjoint(words(clause)) or FIRST_PERSON_IN_HAN.search(clause)
    return bool(said or ABOUT_ME.search(clause))
