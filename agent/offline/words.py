"""Words of the offline model's grammar: what counts as a place, a name, a tool; and verbs from "I am" to "is".

A *hole* of a rule takes some words of a clause and gives the values found in them: none where they are not of its
kind, so that "I live in fear" is no address.
"""

import re
from collections.abc import Callable

from Stemmer import Stemmer

from memory.recall.words import STOP_WORDS


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TECH = word_set("""
    python go golang rust java javascript typescript c c++ c# ruby php swift kotlin scala haskell elixir
    clojure sql bash vim neovim emacs vscode pycharm intellij tmux zsh linux ubuntu windows macos git github
    gitlab docker kubernetes aws azure gcp terraform postgres postgresql mysql sqlite mongodb redis kafka
    react vue angular svelte django flask fastapi rails spring node excel notion obsidian slack jira figma
    chrome firefox android ios pandas numpy pytorch
""")
"""Lower-case names of tools, which no place and no person has."""

LANGUAGES = word_set("""
    english french german spanish italian portuguese dutch swedish norwegian danish finnish polish czech
    russian ukrainian greek turkish arabic hebrew hindi urdu bengali tamil mandarin cantonese chinese
    japanese korean thai vietnamese indonesian swahili catalan irish welsh romanian hungarian bulgarian
    croatian serbian persian farsi latin
""")

_ENDING = word_set("with for and because near at now in to as or by while since until where which")
_CONNECTORS = word_set("of de del la le les da do dos di der den el upon am sur st")
_NEW_CITIES = word_set("york orleans delhi zealand jersey mexico hampshire haven")
_NOT_A_PLACE = word_set("""
    a an the my our your his her their this that it fear peace hope doubt pain product management
    engineering marketing sales backend frontend design another new different bed sync tears production staging remote
""")
_NOT_AN_ORG = word_set("home night noon it this that once free fun myself a the my peace you them work")
_NOT_A_NAME = word_set("""
    german french dutch greek swiss czech thai american mexican african texan cuban moroccan korean jewish
    muslim christian catholic hindu buddhist israeli pakistani iraqi saudi vegan vegetarian sorry fine good
    ok okay done ready sure glad happy tired busy new not only just also here back late old sad batman lost
    well hungry sick single married gay trans excited interested allergic based going trying looking working
    using building living from in at on
""")
_NATIONALITY = re.compile(r"\w+(?:ese|ish|ian|ean|ing)", re.IGNORECASE)
_POINTING = re.compile(
    r"(?:it|this|that|these|those|him|her|them|us|me|how|what|when|where|why|who|if|not|so|to (?:hear|know|see|"
    r"ask|say)|the (?:way|idea|sound|look|answer|fact|first|second|last|new one|other)\b.*)\b.*",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:(?:an?|the) )?(?:(?!(?:to|an?|the|my|with|not|by|for|from|as|like|than|going|learning) )[\w+#/.'-]+ ){0,4}"
    r"(?:engineer|developer|programmer|designer|teacher|nurse|doctor|"
    r"surgeon|student|manager|lawyer|writer|author|scientist|analyst|architect|consultant|researcher|chef|cook|"
    r"artist|musician|photographer|journalist|accountant|pilot|plumber|electrician|carpenter|mechanic|farmer|"
    r"driver|founder|freelancer|contractor|professor|therapist|dentist|pharmacist|translator|editor|librarian|"
    r"barista|baker|waiter|waitress|actor|actress|singer|physicist|chemist|biologist|mathematician|economist|"
    r"paramedic|firefighter|recruiter|administrator|intern|director|c[etof]o|sysadmin|devops|sre|tester|planner|"
    r"officer|secretary|salesman|saleswoman|retiree)",
    re.IGNORECASE,
)

Hole = Callable[[str, bool], list[str]]
"""Words, and whether they were typed without capitals, to the values in them."""


def _proper(value: str, casual: bool, refused: frozenset[str]) -> list[str]:
    """The proper noun at the start: "Google" of "Google in Zurich"; where nobody typed capitals, up to three words."""
    words = value.split()
    lead, second = words[0].casefold().strip(","), words[1] if len(words) > 1 else ""
    city_after_all = (lead == "the" and second[:1].isupper()) or (lead == "new" and second.casefold() in _NEW_CITIES)
    if lead in TECH or (not city_after_all and (words[0] in refused or words[0] in ("A", "The"))):
        return []
    taken: list[str] = []
    for word in words:
        goes_on = word[0].isupper() or word[0].isdigit() or word == "&" or word.casefold() in _CONNECTORS
        if taken and not goes_on and not (casual and word not in _ENDING):
            break
        taken.append(word)
    while taken and taken[-1].casefold() in _CONNECTORS:
        taken.pop()
    capital = any(word[0].isupper() for word in taken)
    plain = len(taken) <= 3 and all(re.fullmatch(r"[^\W\d_][\w'-]*,?", word) for word in taken)
    return [" ".join(taken).rstrip(",")] if taken and (capital or (casual and plain)) else []


def _place(value: str, casual: bool) -> list[str]:
    return _proper(value, casual, _NOT_A_PLACE)


def _named_org(value: str, casual: bool) -> list[str]:
    return _proper(value, casual, _NOT_AN_ORG)


def _org(value: str, casual: bool) -> list[str]:
    if re.match(r"(?:an?|the) [a-z]", value) and not re.match(r"(?:the )?(?:moment|night|weekend)", value):
        return [value]
    return _named_org(value, casual)


def _name(value: str, casual: bool) -> list[str]:
    """A person's name: one to four capitalised words and nothing else; one or two where nobody typed capitals."""
    parts = value.strip("\"'“”").split()
    if not all(re.fullmatch(r"[^\W\d_][^\W\d_'’.-]*(?:['’-][^\W\d_]+)*\.?", part) for part in parts):
        return []
    first = parts[0].casefold() if parts else ""
    if first in _NOT_A_NAME | _NOT_A_PLACE | TECH or _NATIONALITY.fullmatch(first):
        return []
    capitals = all(part[0].isupper() and not part[1:].isupper() for part in parts)
    return [" ".join(parts)] if parts and len(parts) <= (4 if capitals else 2) and (capitals or casual) else []


def _self(value: str, casual: bool) -> list[str]:
    """A name in "I am Ada", where an adjective is as likely: capitals are required."""
    return [] if casual or value.count(" ") > 1 else _name(value, False)


def _role(value: str, _casual: bool) -> list[str]:
    return [value] if _ROLE.fullmatch(value) else []


_IN_THIRD_PERSON = {
    **{"my": "their", "our": "their", "me": "them", "mine": "theirs", "myself": "themselves"},
    **{"I am": "they are", "I": "they", "we": "they"},
}


def third_person(value: str) -> str:
    """The words with the user out of them: "all my apps" -> "all apps", "my phone" -> "their phone"."""
    value = re.sub(r"\b(all|both) (?:of )?my\b", r"\1", value, flags=re.IGNORECASE)
    for mine, theirs in _IN_THIRD_PERSON.items():
        value = re.sub(rf"\b{mine}\b(?!['’])", theirs, value)
    return value


def _thing(value: str, _casual: bool) -> list[str]:
    return [] if _POINTING.fullmatch(value) else [third_person(value)]


def _each(value: str, casual: bool) -> list[str]:
    """Every thing of a list, for what is surely separate: allergens, what is not eaten."""
    parts = re.split(r",\s*(?:and |or )?| and | or | & ", re.sub(r"^(?:both|either) ", "", value))
    return [thing for part in parts if part.strip() for thing in _thing(part.strip(), casual)]


def _some(value: str, casual: bool) -> list[str]:
    """One thing, or each of three and more short ones between commas; "fish and chips" stays together."""
    parts = _each(value, casual)
    listed = "," in value and len(parts) > 2 and all(len(part.split()) <= 3 for part in parts)
    return parts if listed else _thing(value, casual)


def _names(value: str, casual: bool) -> list[str]:
    """Names of tools: "Python and Go" are two, "salt and pepper" is one."""
    parts = _each(value, casual)
    named = any(part[0].isupper() or part.casefold() in TECH for part in parts)
    return parts if named and all(len(part.split()) <= 3 for part in parts) else _thing(value, casual)


def _named(value: str, casual: bool) -> list[str]:
    """Names of tools again, where nothing but a name will do."""
    return [part for part in _names(value, casual) if part[0].isupper() or part.casefold() in TECH]


def _tech(value: str, _casual: bool) -> list[str]:
    """One tool, of those that are known to be tools."""
    return [value] if value.casefold() in TECH else []


def _languages(value: str, casual: bool) -> list[str]:
    parts = [
        re.sub(r"^(?:fluent|native|some|a (?:little|bit)(?: of)?|good|basic) ", "", p) for p in _each(value, casual)
    ]
    return parts if all(part.split()[0].casefold() in LANGUAGES or part[0].isupper() for part in parts) else []


def _language(value: str, _casual: bool) -> list[str]:
    return [value] if value.split()[0].casefold() in LANGUAGES else []


HOLES: dict[str, Hole] = {
    "place": _place, "org": _org, "named_org": _named_org, "name": _name, "self": _self, "role": _role,
    "thing": _thing, "each": _each, "some": _some, "names": _names, "named": _named, "tech": _tech,
    "languages": _languages, "language": _language, "new": _thing, "old": lambda value, _casual: [value],
    "purpose": _thing,
}  # fmt: skip

# --- verbs, and the stems of words --------------------------------------------------------------------------

_BASE_FORMS = {"is": "am", "are": "am", "has": "have", "does": "do", "was": "was", "goes": "go"}
_THIRD_FORMS = {"am": "is", "have": "has", "do": "does", "go": "goes", "can": "can", "will": "will", "must": "must"}
_PAST_FORMS = word_set("was had went put left met bought got kept saw lost gave made took found sold")


def third_form(verb: str) -> str:
    """ "like" -> "likes", "am" -> "is"; a form of the past stays as it is."""
    verb = verb.casefold()
    if verb in _THIRD_FORMS:
        return _THIRD_FORMS[verb]
    if verb.endswith("ed") or verb in _PAST_FORMS:
        return verb
    if re.search(r"(?:s|sh|ch|x|z)$", verb):
        return verb + "es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", verb) + "s"


def plural_form(verb: str) -> str:
    """ "lives" -> "live", "is" -> "are": of a third person, what several do."""
    base = base_form(verb)
    return "are" if base == "am" else base


def base_form(verb: str) -> str:
    """ "likes" -> "like", "is" -> "am"."""
    verb = verb.casefold()
    if verb in _BASE_FORMS:
        return _BASE_FORMS[verb]
    if re.search(r"(?:ss|sh|ch|x|zz)es$", verb):
        return verb[:-2]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


_SAY_LITTLE = STOP_WORDS | word_set("""
    mine myself yours he she his her this these those being may might must not no yes all some here please
    say said told again also just now currently still called name's park parked keep kept put store stored
    find s t d ll ve re m
""")


def stems(text: str) -> set[str]:
    """The stems of the words that carry meaning."""
    stemmer = Stemmer("english")  # it keeps state while it works: one for each call
    found = re.findall(r"[^\W_]+(?:[+#]+)?", text.casefold())
    return {str(stemmer.stemWord(word)) for word in found if word not in _SAY_LITTLE}
