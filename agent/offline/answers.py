"""Replies of the offline model: plain sentences from the facts at hand, and nothing that is not among them."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent.offline.extract import Known, classify, given_up, relation, subject_label, what_of
from agent.offline.reader import plain
from agent.offline.rules import RELATIVE, parse
from agent.offline.words import base_form, stems, word_set
from memory.facts.fact import normalize

DONT_KNOW = "I don't know that yet."

_I = re.IGNORECASE


@dataclass
class Facts:
    """What may be said: the facts that hold, and those that did once."""

    current: list[Known] = field(default_factory=list)
    past: list[Known] = field(default_factory=list)


# --- facts out of text --------------------------------------------------------------------------------------

_BLOCK = re.compile(r"<memory>((?:(?!<memory>).)*?)</memory>", re.DOTALL)
_FACT_LINE = re.compile(r"- (?P<text>.+?)(?: \([^()]*\d{4}-\d{2}-\d{2}[^()]*\))?")
_PAST_HEADING = re.compile(r"past, no longer true\b", _I)


def facts_in(lines: str, *, numbered_from: int = 1) -> Facts:
    """The facts in "- " lines, each without its closing dates; those under the heading of the past are past."""
    facts = Facts()
    into = facts.current
    for number, line in enumerate(lines.splitlines(), numbered_from):
        if _PAST_HEADING.match(line.strip()):
            into = facts.past
        elif (fact := _FACT_LINE.fullmatch(line.strip())) and (text := html.unescape(fact["text"])).strip(" ."):
            into.append(known(text, number))
    return facts


def known(text: str, number: int = 0) -> Known:
    """A fact of which only the sentence is there."""
    subject, attribute = classify(text)
    return Known(number=number, subject=subject, attribute=attribute, text=text)


def facts_in_prompt(prompt: str) -> Facts:
    """The facts in the `<memory>` blocks of a system prompt."""
    facts = Facts()
    for number, block in enumerate(_BLOCK.findall(prompt)):
        found = facts_in(block, numbered_from=1 + 10_000 * number)
        facts.current += found.current
        facts.past += found.past
    return facts


# --- from the third person to the second --------------------------------------------------------------------

_FINITE = (
    r"(?:is|are|was|has|have|had|lives?|works?|likes?|loves?|hates?|dislikes?|enjoys?|prefers?|uses?|speaks?|"
    r"does|do|can|will|must|moved|wants?|needs?)"
)
_OWN_NOUN = re.compile(
    rf"(?:name|favou?rite|birthday|time zone|project|side project|main project|car|bike|phone|laptop|house|flat|"
    rf"team|office|{RELATIVE})\b",
    _I,
)
_SOMEBODY_ELSE = re.compile(rf"(?:The|An?) .*|\S+(?: \S+)? {_FINITE} .*", re.DOTALL)
_VERB = re.compile(rf"(?:{_FINITE}|[a-z]+(?:s|ed)) ", _I)


def second_person(text: str) -> str:
    """A fact as said to the user, to stand inside a sentence: "Lives in Austin" -> "you live in Austin"."""
    text = text.rstrip(". ")
    if label := re.fullmatch(r"(\S+(?: \S+)?) \(([^()]+)\) (.+)", text, re.DOTALL):
        return f"{label[1]} (your {label[2]}) {label[3]}"
    if _OWN_NOUN.match(text):
        return "your " + text[0].lower() + text[1:]
    if _SOMEBODY_ELSE.fullmatch(text) or not _VERB.match(text):
        return text
    verb, _, rest = text.partition(" ")
    verb = {"is": "are", "was": "were"}.get(verb.casefold()) or base_form(verb)
    for theirs, yours in (("their", "your"), ("them", "you"), ("theirs", "yours"), ("themselves", "yourself")):
        rest = re.sub(rf"\b{theirs}\b", yours, rest)
    return f"you {verb} {rest}"


def once(text: str) -> str:
    """The same of what no longer holds: "you used to live in Rome"."""
    said = second_person(text)
    if said.startswith("you "):
        return re.sub(r"^you (?:are\b|(\w+))", lambda verb: f"you used to {verb[1] or 'be'}", said)
    return re.sub(r"\b(?:is|are)\b", "used to be", said, count=1)


def sentences(texts: Iterable[str]) -> str:
    """Each as a sentence of its own: "You live in Austin. Your name is Ada."."""
    return " ".join(text[0].upper() + text[1:] + "." for text in dict.fromkeys(texts))


def joined(texts: Sequence[str]) -> str:
    """Several in one sentence: "you live in Austin, and you like tea"."""
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + ", and " + texts[-1]


# --- questions and the attributes that answer them ----------------------------------------------------------

_NOW = (
    r"(?: (?:now|currently|these days|today|right now|at the moment|before|previously|formerly|earlier|again|most|"
    r"so far))*"
)
_WHICH = r"(?:what|which)(?: (?P<kind>[\w ]{2,40}?))?"
_SKILL = r"(?:(?:\w+ )?(?:tools?|editors?|ide|languages?|stack|software|technolog(?:y|ies)|framework|database) )?"

TOPICS: tuple[tuple[str, *tuple[str, ...]], ...] = (
    ("everything",
     r"(?:what|everything|all|anything) (?:do |that |have |can )?you (?:know|remember|recall|learned)(?: about me)?",
     r"(?:what|everything|all) (?:have |that )?(?:i|you) (?:have )?(?:told you|said|stored|saved)(?: about me)?",
     r"(?:list|show)(?: me)? (?:everything|all|my memor(?:y|ies)|what you (?:know|remember)).*",
     r"(?:about me|what is in (?:your|my) memory)"),
    ("home city",
     r"where (?:do |am |did |have |was )?i (?:am |used? to |currently |now )?(?:living|live|lived|based|staying)",
     r"(?:what|which) (?:city|town|country|place|state) (?:do|am|did) i (?:live|based|living|in)(?: in)?",
     r"(?:what|where) is my (?:current |old |previous |former )?(?:home|home ?town|home city|city|address|location)"),
    ("name",
     r"(?:what|who) is my (?:first |full )?name|my name|what am i called|what (?:do|should) (?:people|you) call me"),
    ("name, occupation, employer, home city",
     r"who (?:am i|i am)"),
    ("employer",
     r"where (?:do |did |am |was )?i (?:used? to |currently |previously )?(?:working|worked|work|employed)",
     r"who (?:do |did )?i (?:used? to )?work(?:ed)? for",
     r"(?:what|which|who) is my (?:old |former |previous )?(?:company|employer)"),
    ("occupation, employer",
     r"what (?:do |did )?i do(?: for (?:a living|work))?",
     r"what is my (?:job|job title|occupation|profession|role|work)"),
    ("origin", r"where (?:am|do|did) i (?:originally )?(?:come )?from"),
    ("age", r"how old am i|what is my age"),
    ("birthday", r"when is my birthday|when was i born"),
    ("time zone", r"what is my time ?zone"),
    ("allergy, diet",
     r"(?:what|which) (?:foods? )?am i allergic to|what are my (?:allergy|allergies)",
     r"(?:do i have|have i got|am i) (?:any |an )?(?:allergy|allergies|allergic|intolerances?)(?: to anything)?",
     r"what (?:foods? )?(?:should|must|can) (?:i not|not i) eat|what (?:foods? )?(?:should|must) i avoid(?: eating)?",
     r"what is my diet|what do i (?:not )?eat|what do not i eat",
     r"(?:do i (?:follow|have)|am i on) (?:a|any) (?:special )?diet"),
    ("likes, favourite",
     rf"{_WHICH} (?:do|did) i (?:really )?(?:like|love|enjoy)(?: (?:doing|to do))?",
     r"what i (?:like|love|enjoy)|what are my (?:hobbies|interests|likes|tastes)"),
    ("tastes in food",
     rf"{_WHICH} (?:do|did) i (?:like|love|enjoy) (?:to eat|eating)"),
    ("dislikes",
     rf"{_WHICH} (?:do|did) i (?:dislike|hate|not like)",
     r"what do not i like|what i (?:dislike|hate|do not like)|what are my dislikes"),
    ("preference",
     rf"{_WHICH} (?:do|did) i prefer",
     r"what i prefer|what are my preferences"),
    ("spoken language",
     r"(?:what|which) (?:spoken |foreign )?languages? (?:do|can) i (?:speak|know)|what do i speak"),
    ("tool",
     rf"(?:what|which) {_SKILL}(?:do|did) i (?:usually )?(?:use|code|program|work|write)(?: code)?(?: in| with)?"
     r"(?: for (?P<purpose>.+))?",
     r"what is my (?:tech )?(?:stack|editor)|what are my tools"),
    ("project",
     r"what am i (?:currently )?(?:building|working on|making|developing|writing|creating)",
     r"(?:what|which) (?:is|are) my (?:current )?projects?",
     r"(?:what|which) projects? (?:do i have|am i working on)"),
    ("relation",
     r"do i have (?:any )?(?:pets?|siblings?|kids|children|family)|am i (?:married|single)"),
)  # fmt: skip
"""The attributes that answer a question about the user, and the ways in which it is asked. No other fact answers it."""

_TOPICS = tuple(
    (frozenset(attributes.split(", ")), re.compile(f"(?:{asked}){_NOW}", _I))
    for attributes, *phrasings in TOPICS
    for asked in phrasings
)
_PAST = re.compile(
    r"\b(?:before|previous(?:ly)?|used? to|former(?:ly)?|in the past|earlier|old|(?:did|have|was) i (?:live|"
    r"lived|work|worked|use|used))\b",
    _I,
)
_LEAD_IN = re.compile(
    r"(?:(?:so|and|but|ok|okay|hey|hi|hello|well|please|then|now|also|by the way)[, ]+|(?:can|could|will|"
    r"would) you (?:please )?(?=tell|remind|list|show|search)|(?:can you |do you )?(?:still )?(?:tell me|know|"
    r"remember|remind me|recall)(?: again)?[, ]+(?=(?:what|who|where|which|when|how|my|about|everything)\b)|"
    r"do you (?:know|remember) (?=my\b))",
    _I,
)
_OF_SOMEBODY = re.compile(
    rf"(?P<ask>where|what|which [\w ]{{2,30}}?|who|how old) (?P<aux>does|do|is|"
    rf"are) (?P<who>my {RELATIVE}(?: (?-i:[A-Z][\w-]+))?|"
    r"(?-i:[A-Z][\w-]+)) (?P<rest>.+)",
    _I,
)
_WHO = re.compile(
    rf"(?:who|what) (?:is|are) (?:my )?(?P<who>.+?)|(?:tell me|what do you (?:know|"
    rf"remember)) about (?:my )?(?P<about>.+)|what (?:is|are) my (?P<kin>{RELATIVE})(?:'s name| called| named)|"
    rf"(?:what is )?the name of my (?P<of>{RELATIVE})",
    _I,
)
_YES_NO = re.compile(rf"(?:(?P<do>do i)|(?P<am>am i)|is my (?P<kin>{RELATIVE})|is my name) (?P<rest>.+)", _I)
_OPPOSITE = {"likes": "dislikes", "dislikes": "likes"}

_FOOD = word_set("""
    food cuisin dish restaur pizza pasta sushi curri ramen taco burger noodl rice soup salad bread chees
    chocol cake fish meat chicken beef pork seafood tofu bean veget fruit appl banana tomato potato mushroom
    garlic basil spice spici coffe tea wine beer chip egg ice dessert italian thai indian mexican japanes
    chines french korean greek vietnames turkish lebanes spanish bbq barbecu steak dumpl falafel humus
    sandwich
""")
"""Stems that tell a taste in food from other tastes."""

FOOD_REQUEST = re.compile(
    r"\b(?:recommend|suggest|find|book|plan|cook|make|order|ideas?|where|recipes?|what|looking for|need|want|"
    r"hungry|any|good)\b.{0,200}?\b(?:restaurants?|dinner|lunch|breakfast|brunch|cook|recipes?|eat|meals?|"
    r"snacks?|dish(?:es)?|take-?(?:away|out)|food|dessert|bistro|cafe)\b",
    _I | re.DOTALL,
)


def plain_question(question: str) -> str:
    """A question in the form of the patterns: no lead-in, no contraction, no closing mark."""
    text = re.sub(r"[’`]", "'", question)
    text = re.sub(r"\b(who|what|where|when|how|which)'?s\b", r"\1 is", text, flags=_I)
    text = re.sub(
        r"\b(do|does|did|is|are|ca|should)n'?t\b", lambda m: {"ca": "can"}.get(m[1], m[1]) + " not", text, flags=_I
    )
    text = re.sub(r"\s+", " ", text).strip(" ?!.,:;\"'")
    while match := _LEAD_IN.match(text):
        text = text[match.end() :]
    return text


def answer(question: str, facts: Facts) -> str:
    """The answer to one question, or that it is not known."""
    asked = plain_question(question)[:300]
    if any("everything" in attributes and pattern.fullmatch(asked) for attributes, pattern in _TOPICS):
        return sentences(second_person(fact.text) for fact in facts.current) or "I know nothing about you yet."
    past = bool(_PAST.search(asked))
    pool = facts.past if past else facts.current
    say = once if past else second_person
    if match := _OF_SOMEBODY.fullmatch(asked):
        found = _of_somebody(match, pool)
        return sentences(say(fact.text) for fact in found) or DONT_KNOW
    found_topic = _by_topic(asked, [fact for fact in pool if fact.subject == "user" or fact.attribute == "relation"])
    if found_topic is not None:
        return sentences(say(fact.text) for fact in found_topic) or DONT_KNOW
    if not past and (match := _YES_NO.fullmatch(asked)):
        return _yes_or_no(match, facts)
    if FOOD_REQUEST.search(asked):
        return advise_on_food(asked, facts)
    if match := _WHO.fullmatch(asked):
        wanted = stems(next(group for group in match.groups() if group))
        found = [fact for fact in facts.current if wanted and wanted <= stems(f"{fact.text} {fact.attribute}")]
        return sentences(second_person(fact.text) for fact in found) or DONT_KNOW
    return sentences(say(fact.text) for fact in sharing_words(asked, pool)) or DONT_KNOW


def _by_topic(asked: str, pool: Sequence[Known]) -> list[Known] | None:
    """The facts that answer a question the table knows, and None for one it does not."""
    if match := re.fullmatch(rf"(?:what|which|who) (?:is|are) my favou?rite (?P<kind>.+?){_NOW}", asked, _I):
        return [fact for fact in pool if fact.attribute == f"favourite {normalize(match['kind'])}"]
    for attributes, pattern in _TOPICS:
        match = pattern.fullmatch(asked)
        if match is None:
            continue
        asked_for = match.groupdict()
        if "tastes in food" in attributes:
            return [fact for fact in pool if _is_taste_in_food(fact)]
        found = [fact for fact in pool if {fact.attribute, fact.attribute.split(" ")[0]} & attributes]
        if purpose := asked_for.get("purpose"):
            return [fact for fact in found if stems(purpose) & stems(what_of(fact.text).partition(" for ")[2])]
        if kind := asked_for.get("kind"):
            return [fact for fact in found if _is_of_kind(fact, stems(kind))]
        return found
    return None


def _is_of_kind(fact: Known, kind: set[str]) -> bool:
    """Whether a taste answers "what music do I like?": it names music, or, of food, is one in food."""
    return bool(kind & stems(fact.text)) or (bool(kind & _FOOD) and _is_taste_in_food(fact))


def _of_somebody(match: re.Match[str], pool: Sequence[Known]) -> list[Known]:
    """ "What is my sister allergic to?": the question asked as of the user, to the facts about her."""
    wanted = stems(match["who"])
    theirs = [fact for fact in pool if wanted <= stems(f"{subject_label(fact.text)} {fact.subject} {_kin(fact)}")]
    if re.fullmatch(r"(?:called|named|name)", match["rest"]):
        return theirs
    helper = "am" if match["aux"] in ("is", "are") else "do"
    about = _by_topic(f"{match['ask']} {helper} i {match['rest']}", theirs)
    return sharing_words(f"{match['who']} {match['rest']}", theirs) if about is None else about


def _kin(fact: Known) -> str:
    return fact.text if fact.attribute == "relation" else ""


def _yes_or_no(match: re.Match[str], facts: Facts) -> str:
    """ "Do I live in Paris?", read as the statement: yes if it is known, no if something else is in its only place."""
    kin = f"My {match['kin']}" if match["kin"] else ""
    rest = match["rest"]
    if kin and (named := re.match(r"(?-i:[A-Z][\w-]+) ", rest)):
        kin, rest = f"{kin} {named[0].strip()}", rest[named.end() :]
    subject = "I" if match["do"] else "I am" if match["am"] else f"{kin or 'My name'} is"
    stated = parse(plain(f"{subject} {rest}"))
    for statement in stated:
        for fact in facts.current:
            how = relation(statement, fact)
            same = normalize(what_of(fact.text)) == normalize(what_of(statement.text))
            if how in ("duplicate", "replaces") and given_up(statement) is None:
                return ("Yes, " if how == "duplicate" else "No, ") + second_person(fact.text) + "."
            if same and fact.subject == statement.subject and fact.attribute == _OPPOSITE.get(statement.attribute):
                return f"No, {second_person(fact.text)}."
    if stated:
        return DONT_KNOW
    return sentences(second_person(fact.text) for fact in sharing_words(match[0], facts.current)) or DONT_KNOW


def sharing_words(asked: str, pool: Sequence[Known]) -> list[Known]:
    """The facts that hold most of the question's words; half of them may be a coincidence."""
    wanted = stems(asked)
    return [fact for fact in pool if wanted and 2 * len(wanted & stems(f"{fact.text} {fact.attribute}")) > len(wanted)]


def _is_taste_in_food(fact: Known) -> bool:
    liked = fact.attribute in ("likes", "dislikes", "preference") or fact.attribute.startswith("favourite ")
    return fact.subject == "user" and liked and bool(stems(fact.text) & _FOOD)


def advise_on_food(asked: str, facts: Facts) -> str:
    """No restaurant and no recipe, but what to mind: allergies and diets first, then tastes."""
    guests = stems(asked)
    others = [fact for fact in facts.current if fact.subject != "user" and guests & stems(subject_label(fact.text))]
    own = [fact for fact in facts.current if fact.subject == "user"]
    hard = [fact for fact in own + others if fact.attribute in ("allergy", "diet")]
    minded = [second_person(fact.text) for fact in hard + [fact for fact in own if _is_taste_in_food(fact)]]
    out = bool(re.search(r"\b(?:restaurants?|bistro|cafe|book|where|place|take-?(?:away|out))\b", asked, _I))
    cannot = "I can't look up restaurants" if out else "I can't make up recipes"
    if not minded:
        return f"{cannot}: I'm a rule-based model. I know of no allergies, diets or tastes of yours yet."
    home = next((what_of(fact.text) for fact in own if fact.attribute == "home city"), None)
    what = "a restaurant" if out else "a meal"
    where = f" in {home}" if home and out else ""
    return f"{cannot}: I'm a rule-based model. For {what}{where}, keep in mind: {joined(minded)}."
