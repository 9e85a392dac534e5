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

MIN_RETIRED = 0.95  # of the known facts that are no longer true


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


@pytest.fixture(scope="module")
def judged() -> list[tuple[ReplacementPair, bool]]:
    pairs = load_replacement_pairs()
    return list(zip(pairs, asyncio.run(retired(pairs)), strict=True))


def test_nothing_that_is_still_true_is_retired(judged: list[tuple[ReplacementPair, bool]]) -> None:
    kept = [(pair, gone) for pair, gone in judged if pair.label == "kept"]
    assert len(kept) == 172
    assert [pair.new.text for pair, gone in kept if gone] == []


def test_what_was_replaced_is_retired(judged: list[tuple[ReplacementPair, bool]]) -> None:
    replaced = [gone for pair, gone in judged if pair.label == "retired"]
    assert len(replaced) == 158
    assert sum(replaced) / len(replaced) >= MIN_RETIRED


def test_pairs_that_no_rule_was_written_for_are_judged_with_known_rates() -> None:
    """What is missed is kept beside the known fact; tests/evals/README.md says what is believed wrongly."""
    pairs = load_replacement_pairs("replacement_pairs_later")
    verdicts = list(zip(pairs, asyncio.run(retired(pairs)), strict=True))
    found = sum(gone for pair, gone in verdicts if pair.label == "retired")
    wrong = sum(gone for pair, gone in verdicts if pair.label == "kept")
    assert (len(pairs), found >= 43, wrong <= 7) == (120, True, True)
