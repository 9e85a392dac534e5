"""The generated users of the benchmarks: the number of their facts, determinism, and right answers."""

import numpy as np

from tests.benchmarks.made_up import RETIRED, K, counts, people, question


def test_the_facts_of_all_users_add_up_and_every_user_has_some() -> None:
    many = counts(10_000, 300, seed=4)
    assert (len(many), sum(many), min(many) >= 1) == (300, 10_000, True)
    assert max(many) > 5 * np.median(many)


def test_the_same_arguments_make_the_same_users() -> None:
    first, again = (list(people({"ada": 3, "bob": 40}, seed=7)) for _ in range(2))
    assert [fact.id for person in first for fact in person.facts] == [fact.id for p in again for fact in p.facts]
    assert all(np.array_equal(one.vectors, other.vectors) for one, other in zip(first, again, strict=True))
    assert [fact.id for fact in first[0].facts] != [fact.id for fact in next(people({"ada": 3}, seed=8)).facts]


def test_some_facts_are_retired_and_vectors_have_length_one() -> None:
    (person,) = people({"ada": 2_000}, seed=1)
    assert abs(1 - len(person.current) / 2_000 - RETIRED) < 0.03
    assert np.allclose(np.linalg.norm(person.vectors, axis=1), 1, atol=1e-5)


def test_the_right_answers_are_the_current_facts_nearest_to_the_question() -> None:
    (person,) = people({"ada": 200}, seed=2)
    asking = question(person, np.random.default_rng(0))
    cosines = {person.facts[at].id: float(person.vectors[at] @ asking.vector) for at in person.current}
    assert asking.answers == set(sorted(cosines, key=lambda fact_id: -cosines[fact_id])[:K])
    assert sum(word in " ".join(fact.text for fact in person.facts) for word in asking.text.split()) >= 3


def test_a_user_with_few_facts_gets_them_all() -> None:
    (person,) = people({"ada": 4}, seed=3)
    assert question(person, np.random.default_rng(0)).answers == {person.facts[at].id for at in person.current}
