"""Whether a user's words take a known fact back, measured on labelled cases with the local embedder."""

from collections import Counter

from memory.index.embeddings import open_embedder
from tests.evals.retractions import load_retractions, outcomes


async def test_facts_that_are_taken_back_are_retracted_and_others_are_kept() -> None:
    """tests/evals/README.md has the figures. What is missed is kept."""
    cases = load_retractions()
    assert [case.message for case in cases if case.quote not in case.message] == []
    verdicts = list(zip(cases, await outcomes(cases, open_embedder("local")), strict=True))
    counts = Counter((case.label, outcome) for case, outcome in verdicts)
    wrong = [case.message for case, outcome in verdicts if case.label == "kept" and outcome == "retracted"]
    assert Counter(case.label for case in cases) == {"retracted": 40, "kept": 40}
    assert counts["retracted", "retracted"] >= 33
    assert len(wrong) <= 2, wrong
    assert counts["kept", "asked"] <= 12
