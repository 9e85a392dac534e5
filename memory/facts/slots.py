"""Slots: what a fact says about whom. Names of one slot that differ in spelling alone are read as one. Pure."""

import re
from functools import lru_cache

from memory.language.text import fold, normalize

MAX_SLOT_NAME = 100  # characters
NOTE = "note"  # the attribute of a fact that was stored without one
USER = "user"  # the subject of a fact about the user

SINGLE_VALUED = frozenset({  # attributes that hold one value at a time, whatever a model says
    "name", "home city", "home country", "age", "birthday", "origin", "native language", "marital status", "time zone",
})  # fmt: skip
HARD_LIMITS = frozenset({"allergy", "diet", "medication", "condition"})  # whatever category a model gives them
USUALLY_ONE = frozenset({"employer", "occupation", "email", "phone"})  # attributes of one value, unless a model says no
MANY_VALUED = frozenset({  # attributes that hold many values side by side, whatever a model says
    "likes", "dislikes", "preference", "allergy", "diet", "spoken language", "language", "tool", "skill", "project",
    "hobby", "relation", "family", "friend", "pet", "goal", "decision", "event", "note", "medication", "child",
    "sibling", "instrument", "condition", "food", "nationality", "citizenship",
})  # fmt: skip

# What models call the user, also in the user's language: without "ben" and "io", which are names, too.
USER_NAMES = frozenset({
    USER, "the user", "me", "i", "my", "myself", "self", "the human", "human", "the speaker", "speaker", "this user",
    "user's", "the user's", "you", "we", "ich", "je", "moi", "yo", "eu", "ik", "jag", "ja", "я", "我", "私",
    "나", "저", "मैं", "أنا", "benutzer", "der benutzer", "die benutzerin", "nutzer", "der nutzer", "l'utilisateur",
    "utilisateur", "usuario", "el usuario", "usuário", "o usuário", "utente", "l'utente", "gebruiker", "de gebruiker",
    "użytkownik", "пользователь", "kullanıcı", "用户", "用戶", "ユーザー", "사용자", "المستخدم",
})  # fmt: skip

# What models call an attribute, each line after the name that is stored.
SYNONYMS_TEXT = """
name: full name, first name, given name, real name
home city: home, city, town, residence, location, city of residence, place of residence, home location,
    home address city, home base, lives in, living in, living place, living location, place of living, where they live,
    domicile, wohnort, wohnsitz, ciudad, domicilio, residencia, ville, lieu de résidence, città, residenza, cidade,
    domicílio, woonplaats, bostadsort, miasto
home country: country, country of residence
origin: hometown, home town, birthplace, place of birth, born in, native city, native country
employer: company, workplace, place of work, works at, works for, organization, firm
occupation: job, job title, profession, role, job role, work role, career
birthday: birth date, date of birth, birthdate, dob
age: years old
native language: mother tongue, first language
marital status: relationship status, civil status, marriage status, marriage
time zone: timezone
likes: like, loves, enjoys, interest, interests
dislikes: dislike, hates
preference: preferences
allergy: allergies, food allergy, food allergies, allergen, allergens, intolerance, intolerances, allergie, alergia,
    allergic to, food intolerance, food intolerances, food sensitivity, food sensitivities
diet: diets, dietary restriction, dietary restrictions, dietary preference, dietary preferences, ernährung, dieta,
    dietary, dietary requirement, dietary requirements, dietary need, dietary needs, régime, régime alimentaire,
    alimentation, alimentación, alimentazione, alimentação, dieet
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
email: mail, contact email, email address, e mail, e mail address, mail address
phone: phone number, telephone, telephone number, mobile number, cell phone number
"""
SYNONYMS = {
    other.strip(): name.strip()
    for line in re.sub(r"\n +", " ", SYNONYMS_TEXT).strip().splitlines()
    for name, _, others in [line.partition(":")]
    for other in others.split(",")
}
# What says nothing about the attribute: "my current job", "the user's city".
QUALIFIERS = re.compile("^(?:(?:my|the|user's|current|present) )+(?=.)")
# British spellings -> the American ones, and a short form.
SPELLINGS = {
    "behaviour": "behavior", "centre": "center", "colour": "color", "favourite": "favorite", "flavour": "flavor",
    "humour": "humor", "neighbour": "neighbor", "fav": "favorite", "organisation": "organization", "theatre": "theater",
}  # fmt: skip


def is_exclusive(attribute: str, proposed: bool | None) -> bool:
    """Whether a slot of this attribute holds one value at a time; `proposed` is what a model says, if it says so."""
    usually = (attribute in USUALLY_ONE or attribute.startswith("favorite ")) and proposed is not False
    return attribute in SINGLE_VALUED or usually or bool(proposed and attribute not in MANY_VALUED)


def names_of(attribute: str) -> str:
    """All names of an attribute that a stored fact has: "employer company workplace ..."."""
    return " ".join([attribute, *(other for other, name in SYNONYMS.items() if name == attribute)])


def subject_name(text: str) -> str:
    """A subject in the form in which slots are compared: "Anna " becomes "anna", and "me" becomes "user"."""
    name = _spelled(text)
    return USER if name in USER_NAMES else name


def attribute_name(text: str) -> str:
    """An attribute in the form in which slots are compared: "Home_City" and "my residence" become "home city"."""
    name = QUALIFIERS.sub("", _spelled(re.sub("(?<=[a-z])(?=[A-Z])", " ", text)))  # "homeCity", too
    return SYNONYMS.get(name, name)


def _spelled(text: str) -> str:
    if len(text) > 10 * MAX_SLOT_NAME:
        return text  # too long for a name, with any spaces left out
    return spelling(text) if len(text) <= MAX_SLOT_NAME else spelling.__wrapped__(text)  # caches no long text


@lru_cache(maxsize=4_096)
def spelling(text: str) -> str:
    words = normalize(re.sub(r"[_\-\s]+", " ", fold(text))).split()
    return " ".join(SPELLINGS.get(word, word) for word in words)
