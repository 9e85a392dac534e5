"""The chat model that needs no key: rules in place of a model. Bring a real one, and delete this folder."""
