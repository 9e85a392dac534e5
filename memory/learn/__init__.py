"""From candidates to known facts: what they change, and when that happens."""
