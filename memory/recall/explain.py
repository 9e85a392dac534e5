"""Why a fact was found: what each signal gave, in words for people. Pure."""

from datetime import datetime

from memory.recall.rank import Hit, Signal, Weights
from memory.recall.words import document, stems


def why(hit: Hit, query: str, weights: Weights, now: datetime) -> tuple[Signal, ...]:
    """Each signal with its value, its weight and a reason; the values times the weights add up to the score."""
    shared = sorted(set(stems(query)) & set(document(hit.fact).stems))
    days = max((now - hit.fact.last_said_at).days, 0)
    return (
        Signal("similarity", hit.similarity, weights.similarity, f"cosine {hit.similarity:.2f}"),
        Signal("words", hit.words, weights.words, f"shares {', '.join(shared)}" if shared else "shares no word"),
        Signal("thread", hit.thread, weights.thread, "what else was said in the same thread"),
        Signal("person", hit.person, weights.person, f"about {hit.fact.subject}" if hit.person else "names nobody"),
        Signal("recency", hit.recency, weights.recency, f"last said {days} days ago"),
        Signal("importance", hit.importance, weights.importance, f"of importance {hit.importance:.1f}"),
    )
