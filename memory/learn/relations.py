"""Judges which relations between facts count that a model claims: its word alone retires nothing. Pure.

A known fact that is to give way has to be about the same subject, and the message has to show the change: a slot that
holds one value, an end or a contrast that names what has ended, or another number of the same thing.
"""

import re
from collections.abc import Iterable, Mapping

from memory.facts.changes import RelationKind
from memory.facts.fact import Fact
from memory.facts.slots import USER
from memory.facts.text import normalize
from memory.learn.support import Cosines, Pair, alike, content

MIN_COSINE = 0.5  # of two facts that are about the same; measured on tests/evals/replacement_pairs.jsonl

# Attributes that say where, for whom or with whom somebody lives, and what they eat, whatever a model calls them.
TOPICS = [
    {"home city", "home country", "address", "home address", "living situation"},
    {"employer", "occupation", "employment status", "work", "employment", "work status"},
    {"marital status", "partner", "spouse", "husband", "wife", "girlfriend", "boyfriend", "fiance", "relationship",
     "family status"},
    {"diet", "food", "eating habits", "eating", "dietary habits", "nutrition"},
]  # fmt: skip

# What says, in a fact or in a message, that something has ended.
END = re.compile(
    r"\b(?:no longer|not any ?more|any ?more|quit|quits|quitted|stopped|gave up|given up|giving up|dropped|sold|left|leaving|lost"
    r"|died|dead|passed away|divorced?|separated|broke up|split up|ended|over|finished|retired|cancell?ed|returned|got rid"
    r"|came off|fell through|closed|graduated|used to|went off|gone right off|none|former|ex"
    r"|nicht mehr|kein(?:e|en)? mehr|aufgehört|verkauft|gekündigt|gestorben|getrennt|geschieden"
    r"|ne .{1,20} plus|arrêté|vendu|quitté|mort|divorcée?|ya no|dejé|dejado|vendí|murió|divorciad[oa]"
    r"|non .{1,20} più|smesso|venduto|lasciato|morto|divorziat[oa]|não .{1,20} mais|parei|vendi|deixei|morreu|divorciei"
    r"|już nie|przestał\w*|rzucił\w*|sprzedał\w*|больше не|бросил[аи]?|перестал[аи]?|продал[аи]?|умер(?:ла)?"
    r"|artık .{1,40}(?:mıyor|miyor|muyor|müyor|değil)\w*|bıraktı\w*|sattı\w*|öldü\w*|kaybet\w*)\b"
    r"|やめ|辞め|売っ|亡くな|死ん|なくな|不再|戒了|卖了|去世|已经不|더 이상|그만|끊었|팔았|죽었|नहीं रह|छोड़ दि|لم أعد|توقفت|تركت|بعت"
)
# What says that something is new or another one.
CHANGE = re.compile(
    r"\b(?:now|nowadays|these days|instead|moved|moving|relocated|settled|switched|changed|swapped|traded|replaced|became|become"
    r"|joined|started at|new|back|again|from here on|since|turned|promoted|made me|came to|come to"
    r"|jetzt|inzwischen|mittlerweile|wieder|umgezogen|gewechselt|statt|seit|maintenant|désormais|déménagé|depuis|à nouveau"
    r"|ahora|mudad[oa]|mudé|desde|de nuevo|adesso|ora|trasferit[oa]|da lunedì|di nuovo|agora|mudei|teraz|przeprowadził\w*"
    r"|теперь|переехал\w*|сейчас|artık|taşındı\w*|şimdi)\b"
    r"|今は|引っ越|転職|变|搬|现在|換|换|이사|지금|이제|अब|الآن|انتقل"
)
NEGATION = re.compile(
    r"\b(?:not|no|never|none|without|nicht|kein\w*|nie|pas|ne|sin|non|não|sem|nie|bez|не|нет|değil)\b|n't\b|ない|不|没|안 |नहीं|لا |ليس"
)
LIKING = re.compile(
    r"\b(?:likes?|loves?|enjoys?|adores?|prefers?|mag|liebt|aime|adore|gusta|encanta|piace|ama|adora|gosta|lubi|kocha|любит|нравится|seviyor)\b|好き|喜欢|喜歡|좋아"
)
DISLIKING = re.compile(
    r"\b(?:dislikes?|hates?|loathes?|detests?|can't stand|cannot stand|hasst|déteste|odia|detesta|nie znosi|nienawidzi|ненавидит|nefret)\b|嫌い|讨厌|討厭|싫어"
)

FIRST_PERSON = re.compile(
    r"\b(?:i|i'm|im|i've|i'll|i'd|me|ich|mich|je|j'\w+|moi|yo|soy|estoy|io|sono|eu|sou|ik|jag|ja|jestem|я|ben|أنا)\b"
    r"|我|私|俺|僕|나는|저는|मैं"
)


def claimed_changes(claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact]) -> list[Pair]:
    """The pairs of texts whose cosines `counted` needs: of facts that the model says are replaced and words do not."""
    replaced = (other for other in known if claims.get(other.id) == "replaces" and other.subject == fact.subject)
    return [_pair(other, fact) for other in replaced if not _ends(fact, other, 0.0)]


def counted(
    claims: Mapping[str, RelationKind], fact: Fact, known: Iterable[Fact], cosines: Cosines
) -> dict[str, RelationKind]:
    """Of what a model claims, the relations of the fact to known ones that count: id of a known fact -> relation."""
    relations = dict[str, RelationKind]()
    for other in known:
        if kind := _relation(claims.get(other.id, "unrelated"), fact, other, cosines.get(_pair(other, fact), 0.0)):
            relations[other.id] = kind
    return relations


def _pair(other: Fact, fact: Fact) -> Pair:
    return f"{other.attribute}: {other.text}", f"{fact.attribute}: {fact.text}"


def _relation(claim: RelationKind, fact: Fact, other: Fact, cosine: float) -> RelationKind | None:
    if fact.subject != other.subject:
        return None
    if claim == "refines" and fact.slot == other.slot and fact.exclusive and _says_less(fact, other):
        return "duplicate"
    if claim == "duplicate":
        return claim if _values(fact) <= _values(other) else None
    if claim == "refines":
        return claim if fact.slot == other.slot and _covers(fact, other) else None
    if claim == "replaces":
        return claim if _ends(fact, other, cosine) else None
    return None if claim == "unrelated" else claim


def _ends(fact: Fact, other: Fact, cosine: float) -> bool:
    """Whether the message shows that the known fact no longer holds."""
    if fact.tense == "past":
        return _covers(fact, other)
    said = normalize(f"{fact.text} | {fact.quote}")
    if fact.exclusive and other.exclusive and _one_topic(fact, other):
        return True
    shared = any(alike(word, known) for word in content(said) for known in _value(other))
    if shared and (END.search(said) or _opposed(fact, other) or _other_number(fact, other)):
        return True
    if CHANGE.search(said):
        return _one_topic(fact, other) or cosine >= MIN_COSINE
    return fact.exclusive and other.exclusive and cosine >= MIN_COSINE


def _one_topic(fact: Fact, other: Fact) -> bool:
    """Whether two attributes are one, share a word, or belong to one of TOPICS."""
    one, two = fact.attribute, other.attribute
    words = ((a, b) for a in content(one) for b in content(two))
    return one == two or any(one in topic and two in topic for topic in TOPICS) or any(alike(a, b) for a, b in words)


def _value(fact: Fact) -> frozenset[str]:
    """The words of a fact that its attribute and its subject do not say already."""
    named = content(f"{fact.attribute} {fact.subject}")
    return frozenset(word for word in content(fact.text) if not any(alike(word, name) for name in named))


def _covers(fact: Fact, other: Fact) -> bool:
    """Whether the fact and its quote name all that the known fact says of its attribute."""
    said = content(f"{fact.text} {fact.quote}")
    value = _value(other) or content(other.text)
    return bool(value) and all(any(alike(word, heard) for heard in said) for word in value)


def _says_less(fact: Fact, other: Fact) -> bool:
    return content(fact.text) < content(other.text)


def _values(fact: Fact) -> frozenset[str]:
    """The numbers of a text, and its names: words with a capital letter that do not begin it."""
    return frozenset(word.casefold() for word in re.findall(r"\d+|(?<=\S )[A-ZÀ-ÞА-Я]\w+", fact.text))


def _opposed(fact: Fact, other: Fact) -> bool:
    """Whether one of two texts likes, or says, what the other dislikes, or denies."""
    one, two = normalize(fact.text), normalize(other.text)
    if bool(NEGATION.search(one)) != bool(NEGATION.search(two)):
        return True
    return any(bool(LIKING.search(a)) and bool(DISLIKING.search(b)) for a, b in ((one, two), (two, one)))


def _other_number(fact: Fact, other: Fact) -> bool:
    """Whether two texts say the same but for their numbers: "Has two children" and "Has three children"."""
    one, two = content(fact.text), content(other.text)
    numbers = [{word for word in words if word.isdecimal()} for words in (one, two)]
    return all(numbers) and numbers[0] != numbers[1] and one - numbers[0] == two - numbers[1]


def own_names(known: Iterable[Fact]) -> list[frozenset[str]]:
    """The words of each name by which the user is known."""
    return [content(fact.text) for fact in known if fact.slot == (USER, "name")]


def says_own_name(subject: str, quote: str, names: Iterable[frozenset[str]]) -> bool:
    """Whether a subject is the user's own name, and not that of a namesake: "My friend Chris" speaks of another."""
    words = content(subject)
    if not words or not any(words <= name for name in names):
        return False
    return not words <= content(quote) or bool(FIRST_PERSON.search(normalize(quote)))
