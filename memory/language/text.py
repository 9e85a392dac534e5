"""The forms in which texts are compared: typography, case and closing punctuation do not count. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint32]

APOSTROPHES = "´`′‵ʼʻ‘’‚‛"
QUOTATION_MARKS = '"“”„‟″‶〝〞〟‹›«»「」『』'
DASHES = "‐‑‒–—―−⁃﹘"
# What is not seen: soft hyphens, joiners, marks of direction, selectors of variants.
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Before NFKC, which takes some of these marks apart.
MARKS = str.maketrans(
    dict.fromkeys(APOSTROPHES + QUOTATION_MARKS, "'") | dict.fromkeys(DASHES, "-") | {"。": ".", "｡": "."}
)
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")  # and vowels of Hebrew and Arabic
PADDED_GUILLEMETS = re.compile(r"(?<!\w)«\s+|(?<!\s)\s+»(?!\w)")  # "« mot »", not "»Wort« und"


def fold(text: str) -> str:
    """NFKC, case-folded, with straight quotes (single ones), hyphens for dashes and single spaces between words."""
    marked = PADDED_GUILLEMETS.sub("'", text).translate(MARKS)
    letters = unicodedata.normalize("NFKC", INVISIBLE.sub("", marked)).casefold()
    letters = unicodedata.normalize("NFKC", letters.replace("i\u0307", "i"))  # "İ" in lower case is "i" and a dot
    letters = re.sub("'+", "'", re.sub(r"\s+", " ", letters))  # first: of many spaces, the next two take long
    return re.sub(" (?=[.,;:!?])", "", re.sub(" ?-[ -]*", "-", letters)).strip()


def without_accents(text: str) -> str:
    return unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFD", text)))


def normalize(text: str) -> str:
    """The form in which two texts are compared: folded, without closing punctuation."""
    return fold(text).rstrip(".!?,;: ")


def same_words(text: str) -> tuple[str, ...]:
    """The words that texts have to share, in order, to say the same: without case, closing punctuation and articles."""
    return tuple(word for word in normalize(text).split() if word not in ("a", "an", "the"))


def hashes(stems: Sequence[str]) -> Hashes:
    """A number for each stem, the same in every process; shape (stems,). Its bytes are what the ledger keeps."""
    return np.array([crc32(stem.encode(errors="replace")) for stem in stems], "<u4")
