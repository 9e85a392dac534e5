"""Which words of a question and of a fact are embedded and searched."""

import numpy as np
import pytest

from memory.facts.fact import Source
from memory.recall.table import Table
from memory.recall.words import document, without_names
from tests.facts import make_fact


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("What did Ana paint last year?", "What did paint last year?"),
        ("What is Ana's dog called?", "What is dog called?"),
        ("When did ANA and Ben meet Carla?", "When did and meet Carla?"),
        ("Tell me about Ana.", "Tell me about Ana."),  # nothing else would be left
        ("What does Carla paint?", "What does Carla paint?"),
        ("", ""),
    ],
)
def test_common_names_are_removed_from_a_question(asked: str, kept: str) -> None:
    assert without_names(asked, frozenset({"ana", "ben"})) == kept


def test_a_name_is_common_if_an_eighth_of_the_facts_is_about_it() -> None:
    def table(**counts: int) -> Table:
        names = [name for name, count in counts.items() for _ in range(count)]
        facts = [make_fact(f"Fact {n}", subject=name, message_id=str(n)) for n, name in enumerate(names)]
        return Table().extended([*map(document, facts)])

    assert table(user=69, ana=11, ben=7).common_names == {"ana"}
    assert table(user=8, ana=1).common_names == frozenset()
    assert table().common_names == frozenset()
    grown = table(user=8, ana=1).extended(
        [document(make_fact(f"More {n}", subject="ana", message_id=f"m{n}")) for n in range(3)]
    )
    assert grown.common_names == {"ana"}
    assert grown.kept(np.arange(8)).common_names == frozenset()


def test_previous_messages_are_appended_to_the_text() -> None:
    fact = make_fact("The second.", "note", subject="Ana", source=Source(previous=("Which one?",)))
    assert (fact.searchable, fact.searchable_with_previous) == ("ana: The second.", "ana: The second. (Which one?)")
