"""Questions and facts as ranking sees them."""

import re
from collections.abc import Sequence, Set

import numpy as np

from memory.facts.fact import Fact, replace_surrogates
from memory.facts.slots import USER
from memory.ledger.ledger import Stems
from memory.recall.bm25 import Bm25
from memory.recall.rank import Question
from memory.recall.table import Document, Overview, common_names
from memory.stems import stems, words

MAX_QUERY = 2_000  # characters of a question that are read

FIRST_PERSON = frozenset({"i", "me", "mine", "my", "myself", "our", "ours", "us", "we"})
NAMING_WORDS = frozenset({"called", "name", "named", "relation"})  # neither the person nor the name
# A request ("recommend a restaurant") is made for oneself; only a question can be general, and only an English one is
# recognized.
ASKS = re.compile(
    r"\b(?:how|what|when|where|which|who|whom|whose|why|what's|who's)\b|^\W*(?:is|are|was|were|does|do|did|can|could|will)\b"
)
HOW_TO = re.compile(r"\bhow (?:do|can|could|should|would) (?:i|we|you)\b")  # "I" is anybody: "How do I cook rice?"
# Words of a question about the past: "Where did I live before?"; in English, as everything here.
PAST = re.compile(r"""(?ix)
    \b(?:
        before | previous(?:ly)? | former(?:ly)? | earlier | originally | once | at\ first | initially
        | used\ to | use\ to | in\ the\ past | back\ (?:then|when) | (?:no|any)\ ?(?:longer|more)
        | last\ (?:year|month|week|summer|winter|spring|autumn|fall|time) | years?\ ago | months?\ ago
        | (?:in|until|till|since|during|around)\ (?:\w+\ )?(?:19|20)\d\d | history | old | ex | past | changed?
        | when\ (?:i|we)\ (?:was|were|lived|worked|had|studied) | (?:did|was|were|had|have)\ (?:i|we|my|our)
        | still | ever
    )\b""")
# The same words in another sense: "How old is Mia?", "before I go", "Did I tell you?".
NOT_PAST = re.compile(r"""(?ix)
    \b(?:
        years?\ old | old\ enough | how\ old | before\ (?:(?:i|we|you|my|the|it|going|leaving|noon)\b|\d)
        | (?:did|was|were|had|have)\ (?:i|we)\s+(?:(?:ever|just)\s+)?(?:tell|told|say|said|mention|ask|call|got\b)
    )""")


def clean_query(query: str) -> str:
    """The first MAX_QUERY characters of a question, without surrogates, which no embedder accepts."""
    return replace_surrogates(query[:MAX_QUERY])


def question(text: str) -> Question:
    folded = text.casefold()
    general = bool(ASKS.search(folded)) and FIRST_PERSON.isdisjoint(words(HOW_TO.sub("how", folded)))
    return Question(stems(text), general=general)


def asks_about_past(text: str) -> bool:
    """Whether a question asks about the past. Only then are past facts searched."""
    return bool(PAST.search(NOT_PAST.sub(" ", text)))


def document(fact: Fact) -> Document:
    tells_who = fact.category == "relationship" and fact.subject == "user"
    return Document(
        fact,
        stems(fact.matched_text),
        names=_names(fact.subject),
        relation=frozenset(stems(f"{fact.attribute} {fact.text}", without=NAMING_WORDS)) if tells_who else frozenset(),
    )


def overview(asked: str, parts: Sequence[Stems]) -> Overview:
    """All of a user's facts, as their stems in the ledger show them to a question."""
    wanted = stems(asked)
    lengths = [np.frombuffer(part.lengths, ">i4") for part in parts]
    if not lengths:
        return Overview()
    counts, names = [*map(len, lengths)], [_names(part.subject) for part in parts]
    hashed = np.concatenate([np.frombuffer(part.hashes, "<u4") for part in parts])
    words = Bm25.of_hashes(wanted, hashed, np.concatenate(lengths).astype(np.float64))
    threads, thread_of = np.unique(np.frombuffer(b"".join(part.threads for part in parts), ">i8"), return_inverse=True)
    return Overview(
        b"".join(part.ids for part in parts).decode().split("\0")[:-1],
        words,
        (words.grouped(thread_of, len(threads)), thread_of),
        np.repeat([float(not about.isdisjoint(wanted)) for about in names], counts),
        common_names(zip(names, counts, strict=True), sum(counts)),
    )


def without_names(text: str, names: Set[str]) -> str:
    """A question, to be embedded, without the names that have these stems; unchanged if it would say nothing then."""
    # The vector of "What does Ana paint?" is as near to everything Ana says as to what is said about painting.
    kept = " ".join(word for word in text.split() if names.isdisjoint(stems(word)[:1]))
    return kept if stems(kept) else text


def _names(subject: str) -> frozenset[str]:
    return frozenset() if subject == USER else frozenset(stems(subject))
