"""Judges whether words of the user take a known fact back, as a model says that they do. Pure."""

import re

from memory.facts.content import EMPTY_WORDS, KANA_AND_HAN, LIGHT_VERBS, alike, content, holds, words
from memory.facts.fact import Fact
from memory.facts.slots import USER, names_of
from memory.facts.text import normalize
from memory.learn.quotes import clause_of, is_ambiguous, is_of_another
from memory.learn.signs import (
    CHANGE,
    COPULAS,
    DISLIKING,
    END,
    LIKING,
    LIMITED,
    MINE,
    NEGATION,
    SAYS_I,
    TAKING_BACK,
    WANTED,
)
from memory.learn.support import Cosines, Pair

MAX_SAID = 2_000  # characters of a sentence that denies something; of a longer one it is not certain what
FAR = 0.25  # the cosine of the local embedder below which words and a fact have nothing in common


def names_it(fact: Fact, said: str) -> bool:
    """Whether words name a fact: "I'm not allergic to nuts", "forget my employer"; or Anna, if it is about her."""
    heard, about = content(said), content(f"{fact.attribute} {fact.text}")
    if fact.subject != USER and not any(alike(name, word) for name in content(fact.subject) for word in heard):
        return False
    return any(alike(word, other) for word in about for other in heard)


def takes_back(fact: Fact, said: str, thread_id: str | None, cosines: Cosines) -> bool:
    """Whether the words take the fact back: they deny what they name, or ask to forget what they name, what is near it,
    or what was said in the same thread."""
    folded = normalize(said)
    others = fact.subject == USER and any(  # "My sister Anna is not allergic to nuts" is not about the user
        not holds(f"{fact.text} {fact.attribute}", word)
        for match in MINE.finditer(folded)
        if not match.start() and not SAYS_I.search(folded)
        for word in content(match[1])
    )
    if others:
        return False
    if TAKING_BACK.search(folded):
        near = fact.source.thread_id == thread_id and not content(TAKING_BACK.sub(" ", folded))
        if fact.category == "constraint" and not (SAYS_I.search(folded) or MINE.search(folded)):
            return near or all(holds(said, word) for word in content(fact.text))  # "Ignore the nuts in the recipe"
        asked = fact.subject == USER and _same_verb(fact, said)  # "forget where I live"
        return near or asked or names_it(fact, said) or cosines.get(taken_pair(fact, said), 0.0) >= FAR
    return len(folded) <= MAX_SAID and names_it(fact, said) and denied_in(fact, folded)


def may_mean_another(fact: Fact, quote: str, message: str) -> bool:
    """Whether words that take a fact back may not be meant, or not of what the fact says: the user is asked."""
    clause = clause_of(quote, message)
    possible = any(sign.search(clause) for sign in (LIMITED, WANTED))
    about = f"{fact.text} {names_of(fact.attribute)}"
    another = not TAKING_BACK.search(clause) and is_of_another(quote, message, fact.subject, about)
    return possible or another or is_ambiguous(quote, message)


def denied_in(fact: Fact, said: str) -> bool:
    """Whether folded words deny the fact: a word of it stands next to a sign of its end or its opposite, and the words
    say "I" or nothing else. "The cake isn't vegan", "I don't like the trams of Rome" deny nothing about the user."""
    if KANA_AND_HAN.search(said):
        return bool(END.search(said) or NEGATION.search(said) or DISLIKING.search(said))
    likes, dislikes = LIKING.search(normalize(fact.text)), DISLIKING.search(normalize(fact.text))
    signs = [END, NEGATION, *[DISLIKING] * bool(likes), *[LIKING] * bool(dislikes)]
    if not any(_is_next(fact, said, match, bool(likes)) for sign in signs for match in sign.finditer(said)):
        return False
    told, besides = f"{fact.text} {fact.attribute} {fact.subject}", said
    for sign in (*signs, LIKING, CHANGE):
        besides = sign.sub(" ", besides)
    return bool(SAYS_I.search(said)) or all(holds(told, word) for word in content(besides))


def _is_next(fact: Fact, said: str, sign: re.Match[str], likes: bool) -> bool:
    """Whether the sign holds a word of the fact, or the next word with content is one; the last before, if none is."""
    told = words(f"{fact.text} {fact.attribute}")
    after, before = (
        [word for word in words(part) if word not in EMPTY_WORDS and not (likes and LIKING.fullmatch(word))]
        for part in (said[sign.end() :], said[: sign.start()])
    )
    near = [*words(sign[0]), *(after[:1] or before[-1:])]
    return any(alike(word, one) or (word in LIGHT_VERBS and word[:3] == one[:3]) for word in near for one in told)


def _same_verb(fact: Fact, said: str) -> bool:
    return any(alike(verb, word) for verb in words(fact.text)[:1] if verb not in COPULAS for word in words(said))


def taken_pair(fact: Fact, said: str) -> Pair:
    return f"{fact.attribute}: {fact.text}", said
