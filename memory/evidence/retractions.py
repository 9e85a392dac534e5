"""Judges whether words of the user take a known fact back, as a model says that they do. Pure."""

import re

from memory.evidence.quotes import clause_of, is_ambiguous, is_of_another, sentence_around
from memory.evidence.support import QUESTION, Cosines, Pair
from memory.facts.fact import Fact
from memory.facts.slots import USER, names_of
from memory.language.content import EMPTY_WORDS, KANA_AND_HAN, LIGHT_VERBS, alike, content, holds, words
from memory.language.signs import (
    CHANGE,
    COPULAS,
    DISLIKING,
    END,
    IRONY,
    LIKING,
    LIMITED,
    MINE,
    NEGATION,
    SAYS_I,
    TAKING_BACK,
    UNREAL,
)
from memory.language.text import normalize

MAX_SAID = 2_000  # characters of a sentence that denies something; of a longer one it is not certain what
FAR = 0.25  # the cosine of the local embedder below which words and a fact have nothing in common
FORGET = re.compile(  # besides TAKING_BACK
    r"\b(?:never (?:said|told you)|(?:not|\w+n't) (?:right|true)|wipe|never ?mind (?:what|that)"
    r"|(?:not|\w+n't) have (?:told|said))\b"
)
REMINDER = re.compile(  # "Never forget that ...", "I keep forgetting to ..."
    r"\b(?:(?:not|never|\w+n't(?: let \w+)?|i|i'll|i always|i keep) (?:ever )?forget\w*|nie zapomnij\w*|не забудь\w*"
    r"|verg(?:iss|esst|essen) (?:\w+ )?nicht|vergeet (?:\w+ )?niet|n'oublie[sz]? (?:pas|jamais)"
    r"|no (?:te |lo )?olvid\w+|non dimentic\w+|não (?:se |te )?esque\w+)(?!\w)"
)
REQUEST = re.compile(
    r"(?i)\b(?:(?:can|could|will|would) you|(?:kannst|könntest) du|(?:peux|pourrais)-tu|puedes|podrías|puoi|potresti"
    r"|pode|kun je|możesz|можешь)\b"
)
PAST_DENIAL = re.compile(  # of what was then: "I didn't drink coffee before I had kids"
    r"\b(?:(?:did|was|were|could|had)(?:n't| not)|(?:war|hatte|konnte)\w* (?:\w+ )?(?:nicht|kein\w*))\b"
)
FOR_A_TIME = re.compile(r"\bfor (?:[\w-]+ ){1,3}(?:minutes?|hours?|days?|weeks?|months?|years?)\b")


def names_it(fact: Fact, said: str) -> bool:
    """Whether words name a fact: "I'm not allergic to nuts", "forget my employer"; or Anna, if it is about her."""
    heard, about = content(said), content(f"{fact.attribute} {fact.text}")
    if fact.subject != USER and not any(alike(name, word) for name in content(fact.subject) for word in heard):
        return False
    return any(alike(word, other) for word in about for other in heard)


def takes_back(fact: Fact, quote: str, message: str, thread_id: str | None, cosines: Cosines) -> bool:
    """Whether the quoted words take the fact back: they deny what they name, or ask to forget what they name, what is
    near it, or what was said in the same thread."""
    sentence = sentence_around(quote, message)
    folded, clause = (REMINDER.sub(" ", said) for said in (normalize(sentence), clause_of(quote, message)))
    if _is_question(sentence) or _is_of_somebody_else(fact, folded):
        return False
    if any(sign.search(folded) for sign in (TAKING_BACK, FORGET)):
        left = FORGET.sub(" ", TAKING_BACK.sub(" ", clause))  # "Forget the list, but keep that I like Thai food"
        said = clause if content(left) and left != clause else folded
        near = fact.source.thread_id == thread_id and not content(left)
        if fact.category == "constraint" and not (SAYS_I.search(folded) or MINE.search(folded)):
            return near or all(holds(said, word) for word in content(fact.text))  # "Ignore the nuts in the recipe"
        asked = fact.subject == USER and _same_verb(fact, said)  # "forget where I live"
        return near or asked or names_it(fact, said) or cosines.get(taken_pair(fact, sentence), 0.0) >= FAR
    parts = [part for part in (clause, folded) if len(part) <= MAX_SAID]
    return any(names_it(fact, part) and denied_in(fact, part) for part in parts)


def may_mean_another(fact: Fact, quote: str, message: str) -> bool:
    """Whether words that take a fact back may not be meant, or not of what the fact says, or not of today: the user is
    asked."""
    clause = clause_of(quote, message)
    possible = any(sign.search(clause) for sign in (LIMITED, UNREAL, PAST_DENIAL, FOR_A_TIME))
    about = f"{fact.text} {names_of(fact.attribute)}"
    another = not TAKING_BACK.search(clause) and is_of_another(quote, message, fact.subject, about)
    ironic = IRONY.search(normalize(sentence_around(quote, message)))
    return bool(possible or another or ironic or is_ambiguous(quote, message))


def _is_question(sentence: str) -> bool:
    """Whether it only asks: "Should I quit?", and not "Can you forget my address?"."""
    return bool(QUESTION.search(sentence)) and not REQUEST.search(sentence)


def _is_of_somebody_else(fact: Fact, said: str) -> bool:
    """Whether a fact about the user is met by "My sister Anna is not allergic to nuts"."""
    mine = MINE.match(said)
    if fact.subject != USER or not mine or SAYS_I.search(said):
        return False
    return any(not holds(f"{fact.text} {fact.attribute}", word) for word in content(mine[1]))


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
