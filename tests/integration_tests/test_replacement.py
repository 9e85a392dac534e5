"""Whether a new fact takes the place of a known one, measured on labelled pairs with the local embedder."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from memory.extraction.answer import Candidate, Extraction, Relation
from memory.extraction.extract import Extracted
from memory.extraction.utterances import Utterance
from memory.facts.changes import Proposal
from memory.facts.fact import Fact, Source, fact_id
from memory.facts.slots import is_exclusive
from memory.index.embeddings import open_embedder
from memory.learn.candidates import Proposed, proposals, to_compare
from memory.learn.reconcile import reconcile
from tests.evals.replacement_pairs import KNOWN_AT, SAID_AT, KnownFact, ReplacementPair, load_replacement_pairs

# The sets of tests/evals/README.md, oldest first: pairs whose fact is no longer true, how many of them are retired at
# least, and retired or asked about; pairs whose fact still holds, how many are retired and asked about at most.
RATES = {
    "replacement_pairs": (158, 151, 155, 172, 0, 3),
    "replacement_pairs_later": (60, 29, 54, 60, 0, 10),
    "replacement_pairs_unseen": (80, 48, 75, 80, 0, 9),
    "replacement_pairs_blind": (57, 31, 51, 82, 0, 35),
    "replacement_pairs_fresh": (20, 19, 20, 48, 7, 22),
    "replacement_pairs_natural": (70, 52, 70, 70, 0, 17),
    "replacement_pairs_untouched": (60, 31, 51, 60, 0, 13),
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


async def outcomes(pairs: list[ReplacementPair]) -> list[Literal["retired", "asked", "kept"]]:
    """What becomes of the known fact of each pair: of one that is "asked" about, the user decides."""
    answers, embedder = [extracted(pair) for pair in pairs], open_embedder("local")
    compared = [texts for found in answers for texts in to_compare("ada", found)]
    one, other = [await embedder.embed(side) for side in zip(*compared, strict=True)]
    cosines = dict(zip(compared, (one * other).sum(axis=1).tolist(), strict=True))
    proposed = [proposals("ada", found, SAID_AT, cosines) for found in answers]
    return [_outcome(outcome, found.known) for outcome, found in zip(proposed, answers, strict=True)]


def _outcome(outcome: Proposed, known: Sequence[Fact]) -> Literal["retired", "asked", "kept"]:
    """Of a candidate that is held back, the user is asked if it would retire the known fact once it is kept."""
    changes = reconcile(outcome.kept, {}, known)
    if changes.retired:
        return "retired"
    held = [Proposal(item.fact, item.relations) for item in outcome.held]
    return "asked" if changes.held or reconcile(held, {}, known).retired else "kept"


@pytest.mark.parametrize("name", RATES)
def test_facts_that_no_longer_hold_are_retired_and_others_are_kept(name: str) -> None:
    """What is missed is kept beside the known fact."""
    pairs = load_replacement_pairs(name)
    verdicts = list(zip(pairs, asyncio.run(outcomes(pairs)), strict=True))
    over = [outcome for pair, outcome in verdicts if pair.label == "retired"]
    still = [outcome for pair, outcome in verdicts if pair.label == "kept"]
    wrong = [pair.new.text for pair, outcome in verdicts if pair.label == "kept" and outcome == "retired"]
    to_retire, min_retired, min_found, to_keep, max_wrong, max_asked = RATES[name]
    assert (len(over), len(still)) == (to_retire, to_keep)
    assert over.count("retired") >= min_retired
    assert over.count("retired") + over.count("asked") >= min_found
    assert len(wrong) <= max_wrong, wrong
    assert still.count("asked") <= max_asked
