"""The ways in which a text can be read: as it is written, without disguise, and decoded. Pure."""

import base64
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import unquote

# Letters of other alphabets that look like Latin ones, in lower case.
LOOKALIKES = str.maketrans("аеіїјорсухѕһԁӏԛԝвкмнтгαβεικνορτυχωγη", "aeiijopcyxshdlqwbkmhtrabeikvoptuxwyn")
SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz")
LOOKALIKE_WORD = re.compile(r"[a-z][а-яѐ-ԯα-ω]|[а-яѐ-ԯα-ω][a-z]")
ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0655]")
LONG_RUN = re.compile(r"(\W{8})\W+")
PLAIN = str.maketrans("łøđæ’‘", "lodæ''")
DIGITS_AS_LETTERS = str.maketrans("013457@$", "oieastas")
DIGITS_IN_WORD = re.compile(r"\b(?:\d+[a-z]\w*|[a-z]+\d+[a-z]\w*)")
SPACED_LETTERS = re.compile(r"(?<!\w)\w(?:(?: \w){3,}|([.*_-])\w(?:\1\w)+)(?!\w)")  # "d-r-o-p a-l-l"
MARKS = re.compile(r"[*_~`#]+")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(r"\b(?:[0-9a-f]{2}){12,}\b", re.IGNORECASE)
ESCAPE = re.compile(r"\\[ux]\{?([0-9a-fA-F]{2,4})\}?")
LINK_TITLE = re.compile(r"\]\(\S+\s+[\"']([^\"'\n]+)[\"']\)")  # of Markdown
RIGHT_TO_LEFT = "\u202e"  # shows what follows backwards
BACKWARDS = re.compile(r"\b(?:backwards?|reversed?|ruckwarts|a l'envers|al reves|al contrario)\b")


def visible(text: str) -> str:
    """Without characters that are not seen, in plain digits and in letters of the usual width."""
    if text.isascii():
        return text
    seen = (char for char in text if unicodedata.category(char) != "Cf")
    digits = (str(unicodedata.decimal(char)) if char.isdecimal() else char for char in seen)
    return unicodedata.normalize("NFKC", "".join(digits))


def windows(text: str, size: int) -> Iterator[str]:
    """The text in parts of `size` characters, each of which begins in the middle of the one before."""
    yield from (text[start : start + size] for start in range(0, max(len(text) - size // 2, 1), size // 2))


def bare(text: str) -> str:
    """In lower case, in plain letters without accents, with single spaces, without what is not seen."""
    letters = text.lower()
    if not text.isascii():
        letters = unicodedata.normalize("NFD", visible(text).casefold().replace("ı", "i"))
        letters = unicodedata.normalize("NFC", ACCENTS.sub("", letters)).translate(PLAIN)
    return LONG_RUN.sub(r"\1", re.sub(r"[^\S\n]+", " ", letters)).strip()


def readings(text: str) -> Iterator[str]:
    """The bare text first, then what it may stand for: each is judged on its own."""
    yield (plain := bare(text))
    written = ESCAPE.sub(lambda found: chr(int(found[1], 16)), unquote(html.unescape(text)))
    if hidden := "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) <= 0xE007E):
        yield bare(hidden)  # in Unicode's tags, which no font shows
    if RIGHT_TO_LEFT in text or BACKWARDS.search(plain):
        yield bare(text)[::-1]
    joined = SPACED_LETTERS.sub(lambda found: re.sub(r"\W|_", "", found[0]), written)
    simpler = plain if (unmarked := MARKS.sub(" ", joined)) == text else bare(unmarked)
    if not simpler.isascii() and LOOKALIKE_WORD.search(simpler := simpler.translate(SMALL_CAPITALS)):
        simpler = simpler.translate(LOOKALIKES)
    if simpler != plain:
        yield simpler
    if len(DIGITS_IN_WORD.findall(simpler)) > 1:
        yield simpler.translate(DIGITS_AS_LETTERS)
    if "rot13" in simpler or "rot-13" in simpler:
        yield codecs.encode(simpler, "rot13")
    yield from map(bare, (*LINK_TITLE.findall(text), *decoded(text)))


def decoded(text: str) -> Iterator[str]:
    """What base64 and hexadecimal digits in the text say, if it is a text."""
    decoders: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
        (BASE64, lambda digits: base64.b64decode(digits + "=" * (-len(digits) % 4), b"-_")),
        (HEX, bytes.fromhex),
    )
    for pattern, decode in decoders:
        for found in pattern.findall(text):
            with suppress(ValueError):  # it is no base64, or no text
                if (said := decode(found).decode()).isprintable():
                    yield said
