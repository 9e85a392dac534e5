"""The offline model's answer to the extraction call: statements, beside the known facts, as candidate facts."""

import json

from agent.offline.statements import read
from memory.learn.answer import Candidate, Extraction, Relation, Retraction
from memory.learn.reconcile import SINGLE_VALUED

IMPORTANCE = {"constraint": 0.9, "identity": 0.8, "location": 0.8}
"""Importance by category, 0 to 1; that of the others is 0.5."""


def extract_by_rules(request: str) -> Extraction:
    """The answer to `memory.learn.extract.extraction_input`."""
    given = json.loads(request)
    extraction = Extraction(facts=[], retracted=[])
    for message in given["messages"]:
        for said in read(message["text"]).statements:
            about_same = [f for f in given["known"] if (f["subject"], f["attribute"]) == ("user", said.attribute)]
            # "Austin, Texas" repeats "Austin", and says more.
            repeated = [fact["number"] for fact in about_same if f"{fact['text']}, ".startswith(f"{said.text}, ")]
            opposite = [f["number"] for f in given["known"] if (f["subject"], f["text"]) == ("user", said.opposite)]
            extraction.retracted += [
                Retraction(known=number, message=message["number"], quote=said.quote)
                for number in (repeated if said.retracts else opposite)
            ]
            if said.retracts:
                continue
            relations = [Relation(known=number, relation="duplicate") for number in repeated]
            if said.replaces and len(about_same) == 1 and not repeated:
                relations = [Relation(known=about_same[0]["number"], relation="replaces")]
            candidate = Candidate(
                text=said.text,
                quote=said.quote,
                message=message["number"],
                subject="user",
                attribute=said.attribute,
                exclusive=said.attribute in SINGLE_VALUED,
                category=said.category,
                importance=IMPORTANCE.get(said.category, 0.5),
                valid_from=None,
                valid_until=None,
                relations=relations,
            )
            extraction.facts.append(candidate)
    return extraction
