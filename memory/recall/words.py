"""Text to the stems that ranking compares ("Restaurants" and "restaurant" are one word), for facts and questions."""

import re
import threading
import unicodedata
from collections.abc import Set
from functools import lru_cache

from Stemmer import Stemmer

from memory.facts.fact import Fact, replace_surrogates
from memory.recall.rank import Question
from memory.recall.table import Document

MAX_QUERY = 2_000  # characters of a question that are read

# English words that say nothing about what is asked; in other languages BM25's rarity does the same work.
STOP_WORDS = frozenset({
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "know", "me", "my", "of", "on", "or", "our", "remember", "shall", "she", "should", "so", "tell", "that",
    "the", "their", "them", "there", "they", "this", "to", "us", "user", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
})  # fmt: skip
FIRST_PERSON = frozenset({"i", "me", "mine", "my", "myself", "our", "ours", "us", "we"})
NAMING_WORDS = frozenset({"called", "name", "named", "relation"})  # neither the person nor the name
# A request ("recommend a restaurant") is made for oneself; only a question can be general, and only an English one is
# recognized.
ASKS = re.compile(
    r"\b(?:how|what|when|where|which|who|whom|whose|why|what's|who's)\b|^\W*(?:is|are|was|were|does|do|did|can|could|will)\b"
)
HOW_TO = re.compile(r"\bhow (?:do|can|could|should|would) (?:i|we|you)\b")  # "I" is anybody: "How do I cook rice?"
# Words of a question about the past: "Where did I live before?"; in English, as everything here.
PAST = re.compile(r"""(?ix)
    \b(?:
        before | previous(?:ly)? | former(?:ly)? | earlier | originally | once | at\ first | initially
        | used\ to | use\ to | in\ the\ past | back\ (?:then|when) | (?:no|any)\ ?(?:longer|more)
        | last\ (?:year|month|week|summer|winter|spring|autumn|fall|time) | years?\ ago | months?\ ago
        | (?:in|until|till|since|during|around)\ (?:\w+\ )?(?:19|20)\d\d | history | old | ex | past | changed?
        | when\ (?:i|we)\ (?:was|were|lived|worked|had|studied) | (?:did|was|were|had|have)\ (?:i|we|my|our)
        | still | ever
    )\b""")
# The same words in another sense: "How old is Mia?", "before I go", "Did I tell you?".
NOT_PAST = re.compile(r"""(?ix)
    \b(?:
        years?\ old | old\ enough | how\ old | before\ (?:(?:i|we|you|my|the|it|going|leaving|noon)\b|\d)
        | (?:did|was|were|had|have)\ (?:i|we)\s+(?:(?:ever|just)\s+)?(?:tell|told|say|said|mention|ask|call|got\b)
    )""")

WORD = re.compile(r"[\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff]+")  # with the marks in words of Devanagari and Thai
ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b")

stemmers = threading.local()  # one for each thread, since a stemmer has state


def clean_query(query: str) -> str:
    """The first MAX_QUERY characters of a question, without surrogates, which no embedder accepts."""
    return replace_surrogates(query[:MAX_QUERY])


def question(text: str) -> Question:
    folded = text.casefold()
    general = bool(ASKS.search(folded)) and FIRST_PERSON.isdisjoint(_words(HOW_TO.sub("how", folded)))
    return Question(stems(text), general=general)


def asks_about_past(text: str) -> bool:
    """Whether a question asks about the past. Only then are past facts searched."""
    return bool(PAST.search(NOT_PAST.sub(" ", text)))


def document(fact: Fact) -> Document:
    day = f"{fact.starts_at:%A %B %Y}"
    tells_who = fact.category == "relationship" and fact.subject == "user"
    return Document(
        fact,
        stems(f"{fact.subject} {fact.attribute} {fact.text} {fact.quote} {day} {' '.join(fact.source.previous)}"),
        names=frozenset() if fact.subject == "user" else frozenset(stems(fact.subject)),
        relation=frozenset(stems(f"{fact.attribute} {fact.text}", without=NAMING_WORDS)) if tells_who else frozenset(),
    )


def stems(text: str, without: frozenset[str] = frozenset()) -> list[str]:
    """The stems of the words in `text`, in order, except for stop words and `without`."""
    return [_stem(word) for word in _words(text) if word not in STOP_WORDS and word not in without]


def without_names(text: str, names: Set[str]) -> str:
    """A question, to be embedded, without the names that have these stems; unchanged if it would say nothing then."""
    # The vector of "What does Ana paint?" is as near to everything Ana says as to what is said about painting.
    kept = " ".join(word for word in text.split() if names.isdisjoint(stems(word)[:1]))
    return kept if stems(kept) else text


def _words(text: str) -> list[str]:
    """Words in lower case; "26th" and "26" are one."""
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().replace("\u0307", "")
    return WORD.findall(ORDINAL.sub(r"\1", folded))


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not hasattr(stemmers, "english"):
        stemmers.english = Stemmer("english", 0)  # no cache of its own: there is one here
    return str(stemmers.english.stemWord(word))
