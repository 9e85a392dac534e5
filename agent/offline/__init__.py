"""The offline model: rules in place of a chat model, which need no key. With a real one, delete this folder."""

NOTICE = (  # what it says about itself at the start of a chat
    "This is the offline model: it needs no key, and understands plain statements and questions about you only. For a "
    "real model, set OPENAI_API_KEY, and CHAT_MODEL=openai:<name>, in .env."
)
