"""The offline model's answer to the extraction call: statements, beside the known facts, as candidate facts."""

import json

from agent.offline.statements import read
from memory.facts.changes import RelationKind
from memory.facts.slots import SINGLE_VALUED, attribute_name
from memory.learn.answer import Candidate, Extraction, Relation, Retraction

IMPORTANCE = {"constraint": 0.9, "identity": 0.8, "location": 0.8}
"""Importance by category, 0 to 1; that of the others is 0.5."""


def extract_by_rules(request: str) -> Extraction:
    """The answer to `memory.learn.extract.extraction_input`."""
    given = json.loads(request)
    extraction = Extraction(facts=[], retracted=[])
    for message in given["messages"]:
        for said in read(message["text"]).statements:
            slot = ("user", attribute_name(said.attribute))
            about_same = [fact for fact in given["known"] if (fact["subject"], fact["attribute"]) == slot]
            # "Austin, Texas" repeats "Austin", and says more.
            repeated = [fact["number"] for fact in about_same if f"{fact['text']}, ".startswith(f"{said.text}, ")]
            if said.retracts:
                extraction.retracted += [
                    Retraction(known=number, message=message["number"], quote=said.quote) for number in repeated
                ]
                continue
            extraction.retracted += [
                Retraction(known=fact["number"], message=message["number"], quote=said.quote)
                for fact in given["known"]
                if fact["subject"] == "user" and fact["text"] == said.opposite
            ]
            kind: RelationKind = "replaces" if said.replaces and len(about_same) == 1 else "beside"
            relations = [Relation(known=number, relation="duplicate") for number in repeated]
            if not repeated and said.attribute not in SINGLE_VALUED:
                relations = [Relation(known=fact["number"], relation=kind) for fact in about_same]
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
