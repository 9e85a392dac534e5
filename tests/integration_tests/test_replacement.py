"""Whether a new fact takes the place of a known one, measured on labelled pairs with the local embedder."""

import asyncio

import pytest

from memory.extraction.answer import Candidate, Extraction, Relation
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.fact import Fact, Source, fact_id
from memory.facts.slots import is_exclusive
from memory.index.embeddings import open_embedder
from memory.learn.candidates import proposals, to_compare
from memory.learn.reconcile import reconcile
from tests.evals.replacement_pairs import KNOWN_AT, SAID_AT, KnownFact, ReplacementPair, load_replacement_pairs

# The sets of tests/evals/README.md, oldest first: the pairs whose fact is retired, how many of them are found at least,
# the pairs whose fact is kept, and how many of them are wrongly retired at most.
RATES = {
    "replacement_pairs": (158, 150, 172, 0),
    "replacement_pairs_later": (60, 49, 60, 3),
    "replacement_pairs_unseen": (80, 69, 80, 4),
}


def fact_of(known: KnownFact) -> Fact:
    source = Source(thread_id="earlier", message_id="m0")
    identifier = fact_id("ada", source, known.text)
    ids = {"id": identifier, "key": identifier, "source": source, "quote": known.text}
    fact = Fact(**ids, **known._asdict(), observed_at=KNOWN_AT, recorded_at=KNOWN_AT)
    return fact.model_copy(update={"exclusive": is_exclusive(fact.attribute, known.exclusive)})


def extracted(pair: ReplacementPair) -> Extracted:
    """The model's answer: one candidate beside one known fact."""
    relations = [Relation(known=1, relation=pair.relation)] if pair.relation else []
    candidate = Candidate(**pair.new._asdict(), quote=pair.quote, message=1, relations=relations)
    said = Utterance(text=pair.message, said_at=SAID_AT, source=Source(thread_id="t", message_id="m1"))
    return Extracted([said], [fact_of(pair.known)], Extraction(facts=[candidate], retracted=[]), SAID_AT)


async def retired(pairs: list[ReplacementPair]) -> list[bool]:
    """Whether the known fact of each pair is retired."""
    answers, embedder = [extracted(pair) for pair in pairs], open_embedder("local")
    compared = [texts for found in answers for texts in to_compare("ada", found)]
    one, other = [await embedder.embed(side) for side in zip(*compared, strict=True)]
    cosines = dict(zip(compared, (one * other).sum(axis=1).tolist(), strict=True))
    proposed = [proposals("ada", found, SAID_AT, cosines) for found in answers]
    return [
        bool(reconcile(outcome.kept, outcome.retracted, found.known).retired)
        for outcome, found in zip(proposed, answers, strict=True)
    ]


@pytest.mark.parametrize("name", RATES)
def test_facts_that_no_longer_hold_are_retired_and_others_are_kept(name: str) -> None:
    """What is missed is kept beside the known fact."""
    pairs = load_replacement_pairs(name)
    verdicts = list(zip(pairs, asyncio.run(retired(pairs)), strict=True))
    found = [gone for pair, gone in verdicts if pair.label == "retired"]
    wrong = [pair.new.text for pair, gone in verdicts if pair.label == "kept" and gone]
    to_retire, min_found, to_keep, max_wrong = RATES[name]
    assert (len(found), len(pairs) - len(found)) == (to_retire, to_keep)
    assert sum(found) >= min_found
    assert len(wrong) <= max_wrong, wrong
