"""Which facts matter for a message: ranking, the in-memory cache, and the text shown to the model."""
