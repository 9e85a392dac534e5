"""Text to the stems that ranking compares: "Restaurants" and "restaurant" are one word; and what of it is a name."""

import re
import threading
import unicodedata
from collections.abc import Set
from datetime import date
from functools import lru_cache

from Stemmer import Stemmer

from memory.facts.fact import Fact, replace_surrogates
from memory.recall.columns import Document
from memory.recall.rank import Question

MAX_QUERY = 2_000
"""Characters of a question that are looked at."""

STOP_WORDS = frozenset({
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "know", "me", "my", "of", "on", "or", "our", "remember", "shall", "she", "should", "so", "tell", "that",
    "the", "their", "them", "there", "they", "this", "to", "us", "user", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
})  # fmt: skip
"""English words that say nothing about what is asked; in other languages BM25's rarity does the same work."""

FIRST_PERSON = frozenset({"i", "me", "mine", "my", "myself", "our", "ours", "us", "we"})

ASKS = re.compile(
    r"\b(?:how|what|when|where|which|who|whom|whose|why|what's|who's)\b|^\W*(?:is|are|was|were|does|do|did|can|could|will)\b"
)
"""A request ("recommend a restaurant") is made for oneself; a question may be on anything. In a language other than
English none is taken for general."""

HOW_TO = re.compile(r"\bhow (?:do|can|could|should|would) (?:i|we|you)\b")
"""Here "I" is anybody: "How do I cook rice?"."""

NAMING_WORDS = frozenset({"called", "name", "named", "relation"})
"""What stands between a person and a name and is neither."""


def asked(query: str) -> str:
    """What of a question is looked at: no more than MAX_QUERY, and no surrogate, which no embedder takes."""
    return replace_surrogates(query[:MAX_QUERY])


def question(text: str) -> Question:
    """What is asked, as ranking sees it."""
    asked = text.casefold()
    general = bool(ASKS.search(asked)) and not FIRST_PERSON & set(_words(HOW_TO.sub("how", asked)))
    return Question(stems(text), general=general)


def document(fact: Fact) -> Document:
    """A fact, as ranking sees it."""
    day = _named(fact.starts_at.date())
    tells_who = fact.category == "relationship" and fact.subject == "user"
    return Document(
        fact,
        stems(f"{fact.subject} {fact.attribute} {fact.text} {fact.quote} {day} {' '.join(fact.source.previous)}"),
        names=frozenset() if fact.subject == "user" else frozenset(stems(fact.subject)),
        relation=frozenset(stems(f"{fact.attribute} {fact.text}", without=NAMING_WORDS)) if tells_who else frozenset(),
    )


def stems(text: str, without: frozenset[str] = frozenset()) -> list[str]:
    """The stems of the words in `text`, in order, stop words and `without` left out."""
    return [_stem(word) for word in _words(text) if word not in STOP_WORDS and word not in without]


def without_names(text: str, names: Set[str]) -> str:
    """A question without the names whose stems these are; as it is where they are all that it says.

    For its vector: that of "What does Ana paint?" is as near to whatever Ana says as to what is said of painting.
    """
    kept = [word for word in text.split() if names.isdisjoint(stems(word)[:1])]
    return " ".join(kept) if stems(" ".join(kept)) else text


def _words(text: str) -> list[str]:
    """Words in lower case; "26th" and "26" are one."""
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().replace("\u0307", "")
    return _WORD.findall(_ORDINAL.sub(r"\1", folded))


_WORD = re.compile(r"[\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff]+")
"""Marks that stand within words of Devanagari, Thai and their like are no word characters to `re`."""
_ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b")


@lru_cache(maxsize=4_096)
def _named(day: date) -> str:
    """ "Wednesday November 2026" """
    return f"{day:%A %B %Y}"


_local = threading.local()
"""A stemmer keeps its state in itself, so each thread has its own."""


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not hasattr(_local, "english"):
        _local.english = Stemmer("english", 0)  # the cache is ours
    return str(_local.english.stemWord(word))
