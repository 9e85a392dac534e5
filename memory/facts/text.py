"""The forms in which texts are compared. Pure."""

import re
import unicodedata


def normalize(text: str) -> str:
    """The form in which two texts are compared: NFKC, case-folded, single spaces, no closing punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\s+", " ", folded).strip().rstrip(".!?,;: ")


def same_words(text: str) -> tuple[str, ...]:
    """The words that texts have to share, in order, to say the same: without case, closing punctuation and articles."""
    return tuple(word for word in normalize(text).split() if word not in ("a", "an", "the"))
