"""A user's profile: the current facts by kind, as sentences. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory.facts.fact import Category, Fact

RECENT_TOPICS = 10


@dataclass(frozen=True)
class Profile:
    """What is known about a user, by kind, as sentences, the newest first."""

    name: str | None
    preferences: list[str]
    constraints: list[str]
    facts: list[str]
    decisions: list[str]
    recent_topics: list[str]  # the attributes of the newest facts


def profile_of(current: Sequence[Fact]) -> Profile:
    """The profile from a user's current facts, oldest first."""
    facts = current[::-1]

    def of(category: Category) -> list[str]:
        return [fact.text for fact in facts if fact.category == category]

    named = next((fact for fact in facts if fact.slot == ("user", "name")), None)
    return Profile(
        name=re.sub(r"^(?:is called|is named|name is|goes by) ", "", named.text, flags=re.I) if named else None,
        preferences=of("preference"),
        constraints=of("constraint"),
        facts=[f.text for f in facts if f.category not in ("preference", "constraint", "decision") and f is not named],
        decisions=of("decision"),
        recent_topics=list(dict.fromkeys(fact.attribute for fact in facts))[:RECENT_TOPICS],
    )
