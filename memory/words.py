"""Text to the stems that word search compares: "Restaurants" and "restaurant" are one word."""

import re
import threading
import unicodedata
from functools import lru_cache

from snowballstemmer import stemmer

STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "shall",
        "should",
        "so",
        "that",
        "the",
        "their",
        "them",
        "there",
        "they",
        "this",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "know",
        "remember",
        "tell",
        "user",
    ]
)
"""English words that say nothing about what is asked; in other languages BM25's rarity does the same work."""

_local = threading.local()
"""A stemmer keeps its state in itself, so each thread has its own."""


def stems(text: str) -> list[str]:
    """The stems of the words in `text`, in order, stop words left out."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [_stem(word) for word in re.findall(r"\w+", folded) if word not in STOP_WORDS]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not hasattr(_local, "english"):
        _local.english = stemmer("english")
    return str(_local.english.stemWord(word))
