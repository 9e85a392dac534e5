"""The summary of a thread, by rules: what the user said, in the user's words, the newest of it where that is much."""

import json
import textwrap

from memory.threads.summary import bounded

SAID_CHARS = 300
"""Characters of one message that are kept, in whole words."""


def summarize(request: str) -> str:
    """The answer to `memory.threads.summary.summary_input`."""
    given = json.loads(request)
    said = [message["text"] for message in given["messages"] if message["from"] == "user"]
    lines = [f"The user said: {textwrap.shorten(text, SAID_CHARS, placeholder=' …')}" for text in said]
    return bounded("\n".join([*filter(None, [given["summary"]]), *lines]))
