"""Clauses to statements: the grammar of the offline model, as tables of patterns and the facts they yield.

A pattern is tried against a whole clause in a plain form ("I'm currently" has become "I am"; see `reader`), so
that what merely contains the words ("I might move to Rome") matches nothing. `{place}` is a hole: it takes words and
gives the values found in them - none, when they are no place, and then the rule does not apply.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.offline.words import HOLES, base_form, plural_form, third_form
from memory.facts.fact import Category, normalize, slot_name


@dataclass(frozen=True)
class Slot:
    """What every fact of one attribute has in common."""

    category: Category
    importance: float
    exclusive: bool = False


SLOTS: dict[str, Slot] = {
    "name": Slot("identity", 0.9, exclusive=True),
    "home city": Slot("location", 0.8, exclusive=True),
    "origin": Slot("identity", 0.6, exclusive=True),
    "age": Slot("identity", 0.5, exclusive=True),
    "birthday": Slot("identity", 0.7, exclusive=True),
    "time zone": Slot("location", 0.6, exclusive=True),
    "employer": Slot("work", 0.7, exclusive=True),
    "occupation": Slot("work", 0.7, exclusive=True),
    "allergy": Slot("constraint", 0.9),
    "diet": Slot("constraint", 0.9),
    "likes": Slot("preference", 0.5),
    "dislikes": Slot("preference", 0.5),
    "preference": Slot("preference", 0.6),
    "spoken language": Slot("skill", 0.5),
    "tool": Slot("skill", 0.5),
    "project": Slot("project", 0.6),
    "relation": Slot("relationship", 0.6),
    "plan": Slot("event", 0.5),
    "note": Slot("fact", 0.6),
}
FAVOURITE = Slot("preference", 0.5, exclusive=True)


def slot_of(attribute: str) -> Slot:
    """The slot of an attribute; each "favourite ..." is one of its own, with one value."""
    return SLOTS.get(attribute) or (FAVOURITE if attribute.startswith("favourite ") else SLOTS["note"])


@dataclass(frozen=True)
class Statement:
    """One thing a clause says."""

    text: str
    attribute: str
    subject: str = "user"
    holds: bool = True
    """False where it is taken back: "I no longer use vim" says of "Uses vim" that it does not hold."""
    instead_of: str | None = None
    """What was given up for it: "Python" in "I switched from Python to Rust"."""
    quote: str = ""
    valid_from: str | None = None
    valid_until: str | None = None


RELATIVE = (
    r"(?:(?:older|younger|elder|big|little|twin|best|good|close|late|former|new|old|ex|great) |ex-)*(?:mother|"
    r"mom|mum|father|dad|parents?|sisters?|brothers?|wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|spouse|"
    r"sons?|daughters?|child|children|kids?|baby|cousin|aunt|uncle|niece|nephew|grand(?:mother|father|ma|pa|son|"
    r"daughter)|(?:mother|father|sister|brother)-in-law|friends?|colleagues?|co-?worker|boss|manager|mentor|"
    r"room ?mate|flatmate|neighbou?r|dogs?|cats?|puppy|kitten|pets?|horse|parrot|hamster|rabbit|doctor|dentist|"
    r"teacher)"
)

# --- the grammar --------------------------------------------------------------------------------------------

SWITCHED = r"i (?:have )?(?:switched|migrated|converted)(?: over)?"
WENT_OVER = r"i (?:have )?(?:moved|changed|gone|went)(?: over)?"
"""What people do from one tool to another, but from one place to another as well."""

EMPLOYED = r"i (?:work|am working|am employed|have a job|got a job|started working|started|started a job)"
USE = r"i (?:use|am using|started using|code in|program in|write code in|develop in|am coding in)"

RULES: tuple[tuple[str, str, *tuple[str, ...]], ...] = (
    # who
    (r"my (?:full |first )?name is {name}", "name: Name is {name}"),
    (r"(?:(?:you can |please |just )*call me|i go by|people call me|i am called) {name}", "name: Name is {name}"),
    (r"i am from {place}|i come from {place}|i was born and raised in {place}", "origin: Is from {place}"),
    (r"i am (?P<age>\d{1,3})(?: years old)?", "age: Is {age} years old"),
    (r"my birthday is (?:on )?(?:the )?{thing}", "birthday: Birthday is {thing}"),
    (r"i was born on (?:the )?{thing}", "birthday: Birthday is {thing}"),
    (r"my time ?zone is {thing}", "time zone: Time zone is {thing}"),
    # where
    (r"i (?:live|reside|am living|am based|am located|am residing) in {place}", "home city: Lives in {place}"),
    (r"(?:my home|my home ?town|my city) is (?:in )?{place}", "home city: Lives in {place}"),
    (r"i (?:have )?(?:moved|relocated)(?: back| over| away)?(?: from .+?)? to {place}", "home city: Lives in {place}"),
    (r"i am (?:moving|relocating) to {place}", "plan: Is moving to {place}"),
    # what must not be overlooked
    (r"i am allergic to {each}|i have an? (?:\w+ )?allergy to {each}", "allergy: Is allergic to {each}"),
    (r"i have {thing} (?P<allergy>allergy|allergies)", "allergy: Has {thing} {allergy}"),
    (r"i am {thing}[ -]intolerant", "allergy: Is {thing} intolerant"),
    (r"i am intolerant (?:to|of) {each}", "allergy: Is intolerant to {each}"),
    (r"i have (?P<disease>c(?:o)?eliac disease|c(?:o)?eliac|diabetes|asthma|epilepsy)", "diet: Has {disease}"),
    (r"i (?:am|became|have become|went|have gone|turned) (?:an? )?(?:strict |lifelong )?(?P<diet>vegetarian|"
     r"vegan|pescatarian|pescetarian|flexitarian|lactovegetarian|celiac|coeliac|diabetic|teetotal|gluten[ -]free|"
     r"dairy[ -]free)",
     "diet: Is {diet}"),
    (r"i (?:do not|never|can not|must not) eat (?:any )?{each}", "diet: Does not eat {each}"),
    (r"i (?:do not|never|can not|must not) drink (?:any )?{each}", "diet: Does not drink {each}"),
    (r"i (?:eat|keep|only eat) (?P<rite>kosher|halal)(?: food)?", "diet: Eats {rite}"),
    (r"i (?:am on|follow|keep) an? {thing} diet", "diet: Follows a {thing} diet"),
    # work
    (r"i (?:work|am working) as {role} (?:at|for|with) {org}", "occupation: Is {role}", "employer: Works at {org}"),
    (rf"{EMPLOYED} (?:at|for|with) {{org}} as {{role}}", "occupation: Is {role}", "employer: Works at {org}"),
    (rf"{EMPLOYED} (?:at|for|with) {{org}}", "employer: Works at {org}"),
    (r"i (?:have )?joined {named_org} as {role}", "occupation: Is {role}", "employer: Works at {named_org}"),
    (r"i (?:have )?joined {named_org}", "employer: Works at {named_org}"),
    (r"i (?:work|am working) as {role}", "occupation: Is {role}"),
    (r"my (?:job|occupation|profession) is {role}|i became {role}", "occupation: Is {role}"),
    (r"i am {role} (?:at|for|with) {org}", "occupation: Is {role}", "employer: Works at {org}"),
    (r"i am {role}", "occupation: Is {role}"),
    # languages and tools
    (r"i speak {languages}", "spoken language: Speaks {languages}"),
    (r"i am (?:fluent in|a native speaker of) {languages}", "spoken language: Speaks {languages}"),
    (r"my (?:native language|mother tongue|language) is {languages}", "spoken language: Speaks {languages}"),
    (r"i am (?:learning|studying) {language}", "spoken language: Is learning {language}"),
    (r"i am (?:learning|studying) {named}", "tool: Is learning {named}"),
    (r"i am learning {thing}", "note: Is learning {thing}"),
    (rf"{SWITCHED} from {{old}} to {{named}} for {{purpose}}", "tool: Uses {named} for {purpose}"),
    (rf"{SWITCHED} from {{old}} to {{named}}", "tool: Uses {named}"),
    (rf"{SWITCHED} from {{old}} to {{new}}", "preference: Prefers {new}"),
    (rf"{SWITCHED} to {{named}}", "tool: Uses {named}"),
    (rf"{WENT_OVER} from {{old}} to {{tech}} for {{purpose}}", "tool: Uses {tech} for {purpose}"),
    (rf"{WENT_OVER} (?:from {{old}} )?to {{tech}}", "tool: Uses {tech}"),
    (r"i (?:have )?replaced {old} (?:with|by) {named}", "tool: Uses {named}"),
    (rf"{USE} {{new}} (?:instead of|rather than) {{old}}", "tool: Uses {new}"),
    (rf"{USE} {{names}} for {{purpose}}", "tool: Uses {names} for {purpose}"),
    (rf"{USE} {{names}}", "tool: Uses {names}"),
    (r"i write {named}", "tool: Uses {named}"),
    (r"my (?:main |preferred )?(?:editor|ide|shell|os|stack|(?:programming )?language) is {named}",
     "tool: Uses {named}"),
    # projects
    (r"i am (?P<making>building|developing|creating|designing|writing|working on|leading|migrating|"
     r"maintaining) (?!to |up |with |on ){thing}",
     "project: Is {making} {thing}"),
    (r"my (?:side |main |current |new )?project is (?:called |named )?{thing}", "project: Project is {thing}"),
    # likes and dislikes
    (r"i (?P<like>like|love|enjoy|adore) {some}", "likes: {like:s} {some}"),
    (r"i am (?:an? )?(?:big |huge |great )?(?:fan of|into|fond of|keen on|crazy about) {some}", "likes: Likes {some}"),
    (r"i (?:do not (?:like|love|enjoy|care for)|can not stand|am not (?:a (?:big |huge )?fan of|into|fond of|"
     r"keen on)) {each}", "dislikes: Dislikes {each}"),
    (r"i (?P<hate>dislike|hate|detest|loathe) {some}", "dislikes: {hate:s} {some}"),
    (r"i prefer {thing}|my preference is {thing}", "preference: Prefers {thing}"),
    (r"my favou?rite (?P<kind>[\w ]{2,30}?) (?P<be>is|are) {thing}",
     "favourite {kind}: Favourite {kind} {be} {thing}"),
    # the people and animals around
    (rf"my (?P<kin>{RELATIVE})(?: is (?:called|named)|'s name is) {{name}}", "relation: Has a {kin} called {name}"),
    (rf"i have an? (?P<kin>(?:[\w-]+ )?{RELATIVE}),? (?:called|named) {{name}}", "relation: Has a {kin} called {name}"),
    (rf"i have (?P<kin>(?:an?|one|two|three|four|five|\d) (?:[\w-]+ )?{RELATIVE})", "relation: Has {kin}"),
    (rf"(?P<who>(?-i:[A-Z][\w'-]+)) is my (?P<kin>{RELATIVE})", "relation: Has a {kin} called {who}"),
    (rf"my (?P<kin>{RELATIVE}) is {{self}}", "relation: Has a {kin} called {self}"),
    (r"i am {self}(?:, (?:an? |from |nice ).+)?", "name: Name is {self}"),
    (r"i am married to {name}", "relation: Is married to {name}"),
    (r"i am (?P<status>married|engaged|single|divorced|widowed|retired)", "relation: Is {status}"),
)  # fmt: skip
"""A pattern, and the facts it yields as "attribute: text". The first that matches, with its holes filled, is taken."""

GIVEN_UP: tuple[tuple[str, str], ...] = (
    (r"i (?:have )?(?:left|quit|resigned from|was (?:fired|laid off) (?:from|by)) (?:my job (?:at|"
     r"with) )?(.+)", r"I work at \1"),
    (r"i (?:have )?(?:stopped|quit) (?:using|working with) (.+)", r"I use \1"),
    (r"i (?:have )?(?:stopped|quit) (?:working|being employed) (?:at|for) (.+)", r"I work at \1"),
    (r"i (?:have )?(?:stopped|quit) (?:liking|enjoying) (.+)", r"I like \1"),
    (r"i (?:have )?(?:stopped|quit) (?:building|working on) (.+)", r"I am building \1"),
    (r"i (?:have )?(?:moved away from|left) (.+)", r"I live in \1"),
    (r"i (?:have )?(?:given|gave) up (?:on )?(.+)", r"I use \1"),
)  # fmt: skip
"""What no longer holds, and the sentence that it takes back."""

ANY_EMPLOYER = re.compile(
    r"i (?:have )?(?:left|lost|quit) my job|i am unemployed|i was (?:fired|laid off)", re.IGNORECASE
)
_NO_LONGER = re.compile(
    r"(?:I|(?P<be>I am)) (?:do |am )?no longer (?P<rest>.+)|(?P<never>I (?:do|am) not .+) any ?(?:more|longer)"
)
_NOT = re.compile(r"I (?:do not (?P<do>.+)|am not (?P<am>.+))")


def _compile(pattern: str) -> re.Pattern[str]:
    """The pattern with its holes as groups; a hole that stands in two branches gets a numbered name."""
    count: dict[str, int] = {}

    def group(match: re.Match[str]) -> str:
        name = match[1]
        count[name] = count.get(name, 0) + 1
        return f"(?P<{name}__{count[name]}>.+?)"

    return re.compile(re.sub(r"\{([a-z_]+)\}", group, pattern), re.IGNORECASE)


_RULES = tuple(
    (_compile(pattern), [(attribute, text) for attribute, _, text in (fact.partition(": ") for fact in facts)])
    for pattern, *facts in RULES
)
_GIVEN_UP = tuple((re.compile(pattern, re.IGNORECASE), positive) for pattern, positive in GIVEN_UP)


class _Verb(str):
    """A verb that a template can ask for in the third person: "{like:s}"."""

    def __format__(self, spec: str) -> str:
        return third_form(self).capitalize() if spec == "s" else str(self)


def parse(clause: str) -> list[Statement]:
    """What a clause in plain form says by the first rule that fits, or nothing."""
    casual = clause[1:] == clause[1:].casefold()  # "I live in austin": then no capitals are asked of names
    for pattern, facts in _RULES:
        match = pattern.fullmatch(clause)
        if match is None:
            continue
        groups = {name.split("__")[0]: value for name, value in match.groupdict().items() if value}
        values: dict[str, list[str]] = {
            name: HOLES[name](value, casual) if name in HOLES else [_Verb(value)] for name, value in groups.items()
        }
        if all(values.values()):
            return [statement for attribute, text in facts for statement in _build(attribute, text, values)]
    return _about_somebody(clause)


def _build(attribute: str, template: str, values: dict[str, list[str]]) -> Iterator[Statement]:
    single = {name: found[0] for name, found in values.items()}
    several = next((name for name, found in values.items() if len(found) > 1), None)
    for value in values[several] if several else [""]:
        filled = single | ({several: value} if several else {})
        text = template.format_map(filled)
        who = (filled.get("name") or filled.get("self") or filled.get("who")) if "called {" in template else None
        yield Statement(
            text=text[0].upper() + text[1:],
            attribute=slot_name(attribute.format_map(filled)),
            subject=normalize(who) if who else "user",
            instead_of=filled.get("old"),
        )


_SOMEBODY = re.compile(
    rf"my (?P<kin>{RELATIVE})(?:,? (?P<who>(?-i:[A-Z][\w'-]+(?: [A-Z][\w'-]+)?)),?)? "
    r"(?P<rest>(?:is|are|has|have|lives?|works?|likes?|loves?|hates?|enjoys?|prefers?|uses?|speaks?|moved|does|"
    r"do|can not) .+)",
    re.IGNORECASE,
)
_OTHERS_VERB = re.compile(r",? (?:and|but) (?=(?:is|are|has|lives|works|likes|loves|hates|prefers|uses|speaks|does) )")


def _about_somebody(clause: str) -> list[Statement]:
    """ "My sister Anna is allergic to nuts": what is said of her, read as if she had said it of herself."""
    match = _SOMEBODY.fullmatch(clause)
    if match is None:
        return []
    who, kin = match["who"], match["kin"]
    label = f"{who} ({kin.casefold()})" if who else kin.capitalize()
    plural = re.match(r"(?:are|have|live|work|like|love|hate|enjoy|prefer|use|speak|do) ", match["rest"], re.IGNORECASE)
    found = []
    for part in _OTHERS_VERB.split(match["rest"]):
        verb, _, rest = part.partition(" ")
        for statement in parse(f"I {base_form(verb)} {rest}"):
            if statement.attribute != "name":
                does, _, what = statement.text.partition(" ")
                text = f"{label} {plural_form(does) if plural else does.lower()} {what}"
                found.append(replace(statement, text=text, subject=normalize(who or kin)))
    return found


def parse_denial(clause: str) -> list[Statement]:
    """What a clause takes back: "I no longer use vim" takes back that the user uses it."""
    if ANY_EMPLOYER.fullmatch(clause):
        return [Statement("Works at ", "employer")]
    given_up = ((pattern.fullmatch(clause), positive) for pattern, positive in _GIVEN_UP)
    if back := [said for match, positive in given_up if match for said in parse(match.expand(positive))]:
        return back
    if match := _NO_LONGER.fullmatch(clause):
        if match["never"]:
            return parse_denial(match["never"])
        return parse("I " + match["rest"]) or parse("I am " + match["rest"])
    if match := _NOT.fullmatch(clause):
        return parse("I " + match["do"] if match["do"] else "I am " + match["am"])
    return []
