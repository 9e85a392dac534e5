"""The chat model that needs no key: rules in place of a model. Bring a real one, and delete this folder."""

OFFLINE_NOTICE = (
    "This is the built-in rule-based model: it needs no key and understands plain statements and questions "
    "about you only. "
    "For a real model, set OPENAI_API_KEY, and CHAT_MODEL=openai:<name>, in .env."
)
