"""From messages to candidate facts: what the user said, and one model call that says what may be learned from it."""
