"""The chat model that needs no key: rules in place of a model. Bring a real one, and delete this folder."""

from agent.offline.model import OFFLINE_NOTICE, OfflineChatModel

__all__ = ["OFFLINE_NOTICE", "OfflineChatModel"]
