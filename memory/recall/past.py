"""Whether a question asks about the past: "Where did I live before?" Pure.

Only then are past facts searched. The phrases are English; in another language a question about the past finds what
holds now.
"""

import re

_PAST = re.compile(
    r"""
    \b(?:
        before | previous(?:ly)? | former(?:ly)? | earlier | originally | once | at\ first | initially
        | used\ to | use\ to | in\ the\ past | back\ (?:then|when) | (?:no|any)\ ?(?:longer|more)
        | last\ (?:year|month|week|summer|winter|spring|autumn|fall|time) | years?\ ago | months?\ ago
        | (?:in|until|till|since|during|around)\ (?:\w+\ )?(?:19|20)\d\d | history | old | ex | past | changed?
        | still | ever
        | when\ (?:i|we)\ (?:was|were|lived|worked|had|studied)
        | (?:did|was|were|had|have)\ (?:i|we|my|our)
    )\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NOT_PAST = re.compile(
    r"""
    \b(?:
        years?\ old | old\ enough | how\ old
        | before\ (?:(?:i|we|you|my|the|it|going|leaving|noon)\b|\d)
        | (?:did|was|were|had|have)\ (?:i|we)\s+(?:(?:ever|just)\s+)?(?:tell|told|say|said|mention|ask|call|got\b)
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""The same words in another sense: "How old is Mia?", "before I go", "Did I tell you?"."""


def asks_about_past(text: str) -> bool:
    return bool(_PAST.search(_NOT_PAST.sub(" ", text)))
