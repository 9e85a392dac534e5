"""From messages to facts: extract candidates with a model, then decide in code what changes."""
