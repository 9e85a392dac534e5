"""Finds in a message the words that a model quotes from it, and judges whose they are. Pure.

Typography, emoji and accents do not count.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from memory.facts.fact import Fact
from memory.facts.slots import USER
from memory.language.content import KANA_AND_HAN, alike, content, holds, words
from memory.language.signs import CHANGE, END, IRONY, MINE, OF_WHICH, REPORTED, SAYS_I, SWITCH, THIRD_PERSON
from memory.language.text import INVISIBLE, fold, normalize, without_accents

PICTURES = ("So", "Sk", "Me", "Cf")  # categories of emoji, their skin tones, keycaps, and what joins them
MAX_QUOTE = 2_000  # characters of a quote; a longer one does not show where the fact comes from
# A run of spaces is only matched from its start, so that many of them take no longer than other characters.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।؟])\s*|(?<!\s)\s*\n\s*")
CLAUSE_END = re.compile(
    rf"{SENTENCE_END.pattern}|(?<=[,;:])\s+|(?<=[，、；：،])\s*|(?<!\s)\s+[-–—]+\s+|(?:(?<!\s)\s+)?—\s*"
)


def is_quoted(quote: str, text: str) -> bool:
    """Whether `text` holds these words; case, accents, typography, quotation marks and Markdown's marks may differ, and
    emoji in or around them."""
    if len(quote) > MAX_QUOTE:
        return False
    forms = ((_bare(part(quote)), part) for part in (str, _without_pictures))  # the first for a quote of emoji alone
    return any(sought and sought in _bare(part(text)) for sought, part in forms)


def sentence_around(quote: str, text: str, *, before: int = 0) -> str:
    """The sentence or line of `text` with the quote in it, or those that it runs over, and so many before it; the quote
    if none has it."""
    return " ".join(_around(quote, text, SENTENCE_END, before))


def clauses_around(quote: str, text: str) -> list[str]:
    """The clauses of `text` that the quote runs over, which a comma, a colon or a dash ends, too."""
    return _around(quote, text, CLAUSE_END)


def is_ambiguous(quote: str, message: str) -> bool:
    """Whether what is quoted may not be meant, or not by the user: it is ironic, or somebody else's words."""
    before, quoted, _ = normalize(sentence_around(quote, message)).partition(normalize(quote))
    if own := SAYS_I.search(quoted):
        before += quoted[: own.start()]  # "She said I ..."
    ahead = message.partition(quote)[0] if quote in message else ""
    marked = ahead.count('"') % 2 or ahead.rstrip()[-1:] in {*"“”«„'‘「『"}
    ironic = IRONY.search(clause_of(quote, message))
    return bool(marked or ironic or REPORTED.search(before))


def is_of_another(quote: str, message: str, subject: str, about: str) -> bool:
    """Whether the clause with the quote begins with somebody or something else than the words `about` name."""
    clause, quoted, named = clause_of(quote, message), normalize(quote), words(about)

    def is_new(word: str) -> bool:
        return not any(alike(word, heard) for heard in named)

    if subject != USER:  # "Tom from the gym" may be a namesake
        return bool(re.search(rf"(?<!\w){re.escape(subject)} {OF_WHICH}", clause))
    if KANA_AND_HAN.search(clause):
        return False
    if (mine := MINE.match(clause)) and not SAYS_I.search(mine[1]):  # "my boss"; not "mi sono"
        return any(map(is_new, [word for word in words(mine[1]) if word not in ("new", "old", "own")][:1]))
    before = clause.partition(quoted)[0] if quoted in clause and not SAYS_I.match(quoted) else ""
    own = SAYS_I.search(before) or any(
        not is_new(word) for mine in MINE.finditer(before) for word in words(mine[1])[:1]
    )
    if not own and any(map(is_new, content(before))):
        return True  # "the neighbours just", before "moved to Hull"
    signs = [found for sign in (END, CHANGE, SWITCH) if (found := sign.search(clause))]
    sign = min(signs, key=re.Match.start, default=None)
    if _is_own(clause[: sign.end()] if sign else clause):
        return False
    head = clause[: sign.start()] if sign else clause
    told = [word for word in words(head) if word in content(head) and not word.endswith("ly")]
    return bool(THIRD_PERSON.search(head)) or (sign is not None and len(told) == 1 and is_new(told[0]))  # "Dave quit"


def _is_own(said: str) -> bool:
    """Whether words speak of the user: "I", "my house"."""
    return bool(SAYS_I.search(said) or MINE.search(said))


def own_names(known: Iterable[Fact]) -> list[frozenset[str]]:
    """The words of each name by which the user is known."""
    return [content(fact.text) for fact in known if fact.slot == (USER, "name")]


def says_own_name(subject: str, quote: str, message: str, names: Iterable[frozenset[str]]) -> bool:
    """Whether a subject is the user's own name, and not that of a namesake: "My friend Chris" speaks of another."""
    named, around = content(subject), sentence_around(quote, message)
    if not named or not any(named <= name for name in names):
        return False
    folded = normalize(around).replace(",", "")
    if not named <= content(around):  # "My cousin is called Chris, too. She lives in Rome."
        return bool(SAYS_I.search(folded)) or not named <= content(message)
    of_mine = any(holds(match[1], word) for match in MINE.finditer(folded) for word in named)
    namesake = of_mine and not re.search(r"\bmy (?:own )?name\b", folded)  # "my cousin Anna"
    return bool(SAYS_I.search(folded)) and not namesake


def clause_of(quote: str, message: str) -> str:
    """The folded clauses with the quote (see `clauses_around`)."""
    return normalize(" ".join(clauses_around(quote, message)))


def _around(quote: str, text: str, end: re.Pattern[str], before: int = 0) -> list[str]:
    parts = [part for part in end.split(text) if part]
    letters, sought = [*map(_letters, parts)], _letters(quote)
    start = "".join(letters).find(sought)
    if start < 0 or not sought:
        return [quote]
    ends = [*accumulate(map(len, letters))]
    first, last = bisect_right(ends, start), bisect_right(ends, start + len(sought) - 1)
    return parts[max(first - before, 0) : last + 1]


def _bare(text: str) -> str:
    """The folded text without accents, quotation marks, Markdown's marks, and punctuation at either end."""
    return re.sub(r"\s+", " ", re.sub(r"['*_~]", "", without_accents(fold(text)))).strip(" .,;:!?-")


def _without_pictures(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in PICTURES else char for char in INVISIBLE.sub("", text))


def _letters(text: str) -> str:
    """Letters and digits of the folded text, which do not depend on where a text is cut into sentences."""
    return re.sub(r"[\W_]+", "", without_accents(fold(text)))
