"""From candidates to known facts: which are supported, what they change, and when that happens."""
