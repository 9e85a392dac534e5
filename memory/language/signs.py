"""Words that show an end, a change, a wish or whom a text is about, in the languages of small_talk.py. Pure.

They are lists, mostly in signs.toml, since code has to be certain without a model; what is on none replaces nothing.
"""

import re
from pathlib import Path

from memory.language import word_lists
from memory.language.content import NUMBERS as CONTENT_NUMBERS
from memory.language.content import words
from memory.language.word_lists import any_of, whole

LISTS = word_lists.read(Path(__file__).with_suffix(".toml"))


def _sign(name: str) -> re.Pattern[str]:
    return re.compile(whole(LISTS["signs"][name]))


END, CHANGE, SWITCH, AGAIN, ALSO = map(_sign, ("end", "change", "switch", "again", "also"))
NEGATION, LIKING, DISLIKING, TAKING_BACK = map(_sign, ("negation", "liking", "disliking", "taking_back"))
WISH, UNREAL, LIMITED, OCCASION = map(_sign, ("wish", "unreal", "limited", "occasion"))
WHERE, PARTLY = map(_sign, ("where", "partly"))
IRONY, REPORTED, THIRD_PERSON, SAYS_I = map(_sign, ("irony", "reported", "third_person", "says_i"))
STEPS = [(re.compile(whole(step["before"])), re.compile(whole(step["after"]))) for step in LISTS["steps"]]
SLOTS_TOLD = {
    slot: re.compile(rf"(?:(?:the )?user )?(?:now |currently |still )?(?:{any_of(phrases)})(?!\w)")
    for slot, phrases in LISTS["slots"].items()
}
ARTICLES, COPULAS, IS, HAVING = (
    frozenset(LISTS["first_words"][name].split()) for name in ("articles", "copulas", "is", "having")
)
NUMBERS = CONTENT_NUMBERS | {
    word: str(number) for number, line in enumerate(LISTS["numbers"], 1) for word in words(line)
}
CORRECTION = re.compile(r"\W*(?:no|nope|sorry|actually|nein|doch|non|perdón|scusa)\s*[,:!-]")  # begins a quote
OF_WHICH = r"(?:from|of|in|at|next|who|aus|von|vom|bei|de|del|di|da|dalla|van|från|z|из|с) "  # after a name: which one
# "My wife", "meine Eltern": the words that follow begin a text that is not about the user.
MINE = re.compile(
    r"(?<!\w)(?:my|our|mein\w*|unser\w*|mes|mon|ma|nos|notre|mis?|mio|mia|miei|mie|meus?|minhas?|mijn|mój|moja|moje|мой"
    r"|моя|мои|мо[ёе])\s+((?:[\w'-]+\s+){0,2}[\w'-]+)"
)


def told_in(text: str) -> frozenset[str]:
    """What a folded text says of which a person has one at a time: "is based in rome" tells the home."""
    return frozenset(slot for slot, told in SLOTS_TOLD.items() if told.match(text))
