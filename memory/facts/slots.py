"""Slots: what a fact says about whom. Names of one slot that differ in spelling alone are read as one. Pure."""

import re
from functools import lru_cache

from memory.facts.text import fold, normalize

MAX_SLOT_NAME = 100  # characters
NOTE = "note"  # the attribute of a fact that was stored without one
USER = "user"  # the subject of a fact about the user

SINGLE_VALUED = frozenset({  # attributes that hold one value at a time, whatever a model says
    "name", "home city", "home country", "age", "birthday", "origin", "native language", "marital status", "time zone",
})  # fmt: skip
USUALLY_ONE = frozenset({"employer", "occupation", "email", "phone"})  # attributes of one value, unless a model says no
MANY_VALUED = frozenset({  # attributes that hold many values side by side, whatever a model says
    "likes", "dislikes", "preference", "allergy", "diet", "spoken language", "language", "tool", "skill", "project",
    "hobby", "relation", "family", "friend", "pet", "goal", "decision", "event", "note", "medication", "child",
    "sibling", "instrument", "condition", "food", "nationality", "citizenship",
})  # fmt: skip

# What models call the user.
USER_NAMES = frozenset({
    USER, "the user", "me", "i", "my", "myself", "self", "the human", "human", "the speaker", "speaker", "this user",
})  # fmt: skip

# What models call an attribute, each line after the name that is stored.
SYNONYMS_TEXT = """
name: full name, first name, real name
home city: home, city, residence, location, current city, current location, current residence, city of residence,
    place of residence, current home, home location, home address city, lives in
home country: country, country of residence, current country
origin: hometown, home town, birthplace, place of birth, born in, native city, native country
employer: company, workplace, place of work, works at, works for, current employer, current company
occupation: job, job title, profession, role, job role, current role, current job
birthday: birth date, date of birth, birthdate, dob
age: years old
native language: mother tongue, first language
marital status: relationship status, civil status, marriage status, marriage
time zone: timezone
likes: like, loves, enjoys, interest, interests
dislikes: dislike, hates
preference: preferences
allergy: allergies, food allergy, food allergies, allergen, allergens, intolerance, intolerances, allergie, alergia
diet: diets, dietary restriction, dietary restrictions, dietary preference, dietary preferences
spoken language: spoken languages, languages spoken, speaks
language: languages
tool: tools, software
skill: skills
project: projects
hobby: hobbies, pastime, pastimes
friend: friends
pet: pets
goal: goals
medication: medications, medicine, medicines
child: children names, kids names
sibling: siblings, brother, sister, brothers, sisters
instrument: instruments, musical instrument, musical instruments
condition: conditions, medical condition, medical conditions, health condition
email: email address, e mail, e mail address, mail address
phone: phone number, telephone, telephone number, mobile number, cell phone number
"""
SYNONYMS = {
    other.strip(): name.strip()
    for line in re.sub(r"\n +", " ", SYNONYMS_TEXT).strip().splitlines()
    for name, _, others in [line.partition(":")]
    for other in others.split(",")
}
# British spellings -> the American ones.
SPELLINGS = {
    "behaviour": "behavior", "centre": "center", "colour": "color", "favourite": "favorite", "flavour": "flavor",
    "humour": "humor", "neighbour": "neighbor", "organisation": "organization", "theatre": "theater",
}  # fmt: skip


def is_exclusive(attribute: str, proposed: bool | None) -> bool:
    """Whether a slot of this attribute holds one value at a time; `proposed` is what a model says, if it says so."""
    usually = (attribute in USUALLY_ONE or attribute.startswith("favorite ")) and proposed is not False
    return attribute in SINGLE_VALUED or usually or bool(proposed and attribute not in MANY_VALUED)


def subject_name(text: str) -> str:
    """A subject in the form in which slots are compared: "Anna " becomes "anna", and "me" becomes "user"."""
    name = _spelled(text)
    return USER if name in USER_NAMES else name


def attribute_name(text: str) -> str:
    """An attribute in the form in which slots are compared: "Home_City" and "residence" become "home city"."""
    name = _spelled(text)
    return SYNONYMS.get(name, name)


def _spelled(text: str) -> str:
    if len(text) > 10 * MAX_SLOT_NAME:
        return text  # too long for a name, with any spaces left out
    return _cached(text) if len(text) <= MAX_SLOT_NAME else _cached.__wrapped__(text)  # caches no long text


@lru_cache(maxsize=4_096)
def _cached(text: str) -> str:
    words = normalize(re.sub(r"[_\-\s]+", " ", fold(text))).split()
    return " ".join(SPELLINGS.get(word, word) for word in words)
