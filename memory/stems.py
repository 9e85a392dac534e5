"""Text to the stems of its words: "Restaurants" and "restaurant" are one. The ledger keeps the stems of each fact as it
was written. After a change here, move what is known into an empty database by an export and an import of each user:
an import does not write again what is known, and older facts would only be found by their old stems."""

import re
import threading
import unicodedata
from functools import lru_cache

from Stemmer import Stemmer

# English words that say nothing about what is asked; in other languages BM25's rarity does the same work.
STOP_WORDS = frozenset({
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "know", "me", "my", "of", "on", "or", "our", "remember", "shall", "she", "should", "so", "tell", "that",
    "the", "their", "them", "there", "they", "this", "to", "us", "user", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
})  # fmt: skip
WORD = re.compile(r"[\w\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff]+")  # with the marks in words of Devanagari and Thai
ORDINAL = re.compile(r"(\d)(?:st|nd|rd|th)\b")

stemmers = threading.local()  # one for each thread, since a stemmer has state


def stems(text: str, without: frozenset[str] = frozenset()) -> list[str]:
    """The stems of the words in `text`, in order, except for stop words and `without`."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and word not in without]


def words(text: str) -> list[str]:
    """Words in lower case; "26th" and "26" are one."""
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().replace("\u0307", "")
    return WORD.findall(ORDINAL.sub(r"\1", folded))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    if not hasattr(stemmers, "english"):
        stemmers.english = Stemmer("english", 0)  # no cache of its own: there is one here
    return str(stemmers.english.stemWord(word))
