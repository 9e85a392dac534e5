"""One turn of the offline model: what the user just said, against what is known, to a reply."""

import re
from collections.abc import Sequence

from agent.offline import OFFLINE_NOTICE
from agent.offline.answers import (
    DONT_KNOW,
    FOOD_REQUEST,
    Facts,
    advise_on_food,
    answer,
    facts_in,
    facts_in_prompt,
    joined,
    second_person,
    sentences,
    sharing_words,
)
from agent.offline.extract import Known, concerns, extract_from, what_of
from agent.offline.reader import Reading, read
from memory.facts.fact import normalize, utc_now
from memory.learn.extract import Extraction

NOT_UNDERSTOOD = (
    "I hear you. I'm the built-in rule-based model: I follow plain statements about you, and questions about them."
)
NOTHING_TO_FORGET = "I have nothing like that in memory."

_I = re.IGNORECASE
_GREETING = re.compile(r"(?:hi|hello|hey|good (?:morning|evening|afternoon)|greetings|howdy)(?: there| again)?\b", _I)
_THANKS = re.compile(
    r"(?:many |ok(?:ay)?,? )?(?:thanks|thank you|thx|cheers|great|perfect|ok|okay|cool|nice)\b.{0,30}", _I
)
_GOODBYE = re.compile(r"(?:bye|goodbye|see you|good night)\b.{0,20}", _I)
_WHAT_ARE_YOU = re.compile(
    r"(?:who|what) (?:are you|model (?:is this|are you|do you use))|are you (?:an? )?(?:ai|bot|robot|human|real|"
    r"model|chatgpt|gpt)|(?:what can you do|help|how do you work|how does this work)(?: me)?",
    _I,
)
_HOW_ARE_YOU = re.compile(r"how are you(?: doing)?(?: today)?|how is it going", _I)
_ANY_IDEAS = re.compile(
    r"(?:any|some) (?:ideas?|tips?|suggestions?|recommendations?|thoughts?)|(?:what|can|could|would)(?: do|"
    r" would)? you (?:help|suggest|recommend)(?: something| one| anything| me)?",
    _I,
)
_FORGET_ALL = re.compile(r"(?:everything|all|anything|me|it all)(?: (?:that )?(?:you|i|about me).*)?", _I)
_MEMORY = r"(?:your|my|the) (?:long-term )?memory"
_SEARCH = (
    re.compile(rf"(?:search|look|check|go)(?: in| through| into)? {_MEMORY} (?:for|about) (?P<query>.+)", _I),
    re.compile(rf"(?:look up|look for|search for|search|find|check) (?P<query>.+?) in {_MEMORY}", _I),
)
_POLITE = re.compile(r"(?:(?:please|can you|could you|would you|hey|ok|now)[, ]+)+", _I)


def reply(prompt: str, said: Sequence[str]) -> str:
    """What to answer to the last of the human messages `said`, given the system prompt with its `<memory>` block."""
    if not said:
        return OFFLINE_NOTICE
    facts = facts_in_prompt(prompt)
    overtaken = frozenset(_said_of(fact) for fact in facts.past)
    for text in said[:-1]:
        facts = _learn(facts, _read(text), overtaken)[0]
    return _reply_to(said[-1], facts)


def reply_from_tools(results: Sequence[tuple[str | None, str]]) -> str:
    """What to answer once tools have: the facts a memory search found, or what another tool wrote."""
    found = [second_person(fact.text) for _, content in results for fact in facts_in(content).current]
    others = [content.strip() for name, content in results if name != "search_memory" and content.strip()]
    return sentences(found) or " ".join(others) or "I found nothing about that in memory."


def search_query(text: str) -> str | None:
    """What is to be looked up, where the user asks for a search in memory."""
    asked = _POLITE.sub("", text.strip(), count=1).rstrip(" .?!")
    match = next((match for pattern in _SEARCH if (match := pattern.fullmatch(asked[:500]))), None)
    return match["query"] if match else None


def _read(text: str) -> Reading:
    return read(text, utc_now().date())  # no reply names a date


def _said_of(fact: Known) -> tuple[str, str, str]:
    return fact.subject, fact.attribute, normalize(what_of(fact.text))


def _learn(
    facts: Facts, reading: Reading, overtaken: frozenset[tuple[str, str, str]] = frozenset()
) -> tuple[Facts, Extraction]:
    """The facts after a message of this conversation, which memory may not have yet, and what the message said.

    What memory lists as `overtaken` was said before it was retired, and changes nothing.
    """
    numbered = [fact.model_copy(update={"number": number}) for number, fact in enumerate(facts.current, 1)]
    found = extract_from({1: reading}, numbered)
    current, past = list(numbered), list(facts.past)
    for candidate in found.facts:
        new = Known(number=0, subject=candidate.subject, attribute=candidate.attribute, text=candidate.text)
        if _said_of(new) in overtaken:
            continue
        gone = {relation.known for relation in candidate.relations}
        replaced = {relation.known for relation in candidate.relations if relation.relation == "replaces"}
        past += [fact for fact in current if fact.number in replaced]
        same_slot = (new.subject, new.attribute) if candidate.exclusive else None
        current = [f for f in current if f.number not in gone and (f.subject, f.attribute) != same_slot]
        current.append(new)
    retracted = {taken.known for taken in found.retracted}
    current = [fact for fact in current if fact.number not in retracted]
    return Facts(current, past), found


def _reply_to(text: str, before: Facts) -> str:
    reading = _read(text)
    after, found = _learn(before, reading)
    parts = []
    if reading.secret:
        parts.append("I don't keep passwords, keys or card numbers.")
    if reading.forget:
        parts.append(_forgetting(reading.forget, before))
    elif gone := [before.current[taken.known - 1] for taken in found.retracted]:
        parts.append(f"All right, I will forget that {joined([second_person(fact.text) for fact in gone])}.")
    if found.facts:
        parts.append(f"Noted: {joined([second_person(candidate.text) for candidate in found.facts])}.")
    for question in reading.questions[:3]:
        vague = _ANY_IDEAS.fullmatch(question.strip(" ?!."))  # then what it is about stands before it
        parts.append(_answer(text[:500] if vague else question, after))
    return " ".join(dict.fromkeys(parts)) if parts else _small_talk(text, after)


def _forgetting(requests: Sequence[str], facts: Facts) -> str:
    if any(_FORGET_ALL.fullmatch(what) for what in requests):
        return "Here I can forget one thing at a time; to erase everything, use the memory page or the terminal."
    known = any(concerns(what, fact) for what in requests for fact in facts.current)
    return "All right, I will forget that." if known else NOTHING_TO_FORGET


def _answer(question: str, facts: Facts) -> str:
    asked = question.strip(" ?!.")
    if _WHAT_ARE_YOU.fullmatch(asked):
        return OFFLINE_NOTICE
    if _HOW_ARE_YOU.fullmatch(asked):
        return "Fine, thank you."
    if query := search_query(question):
        return sentences(second_person(fact.text) for fact in sharing_words(query, facts.current)) or DONT_KNOW
    return answer(question, facts)


def _small_talk(text: str, facts: Facts) -> str:
    said = text.strip(" \n.!,")
    if FOOD_REQUEST.search(said[:500]):
        return advise_on_food(said[:500], facts)
    if _GREETING.match(said) and len(said.split()) <= 4:
        name = next(
            (what_of(fact.text) for fact in facts.current if fact.attribute == "name" and fact.subject == "user"), ""
        )
        return f"Hello, {name}!" if name else "Hello! Tell me something about yourself, or ask me what I know."
    if _GOODBYE.fullmatch(said):
        return "Goodbye!"
    if _THANKS.fullmatch(said):
        return "You're welcome."
    if _WHAT_ARE_YOU.fullmatch(said):
        return OFFLINE_NOTICE
    return NOT_UNDERSTOOD
