"""How long a turn waits for memory, in seconds: a reply for recall, and a client for what follows the reply."""

from agent.settings import Settings

RECALL_TIMEOUT = 4.0  # for the database, too: vectors and the index have less (RecallOptions.timeout)
TOOL_TIMEOUT = 4.0  # a search by the model
SCHEDULE_TIMEOUT = 5.0
NOTICE_TIMEOUT = 1.0  # to note that the user was told of something
RECONCILE_TIMEOUT = 7.0
CHECKPOINTS = 1.0  # of the nodes that follow the reply


def extraction_timeout(settings: Settings) -> float:
    """Seconds for the extraction, which the summary runs beside: AFTER_REPLY_TIMEOUT less the time for reconcile and
    checkpoints."""
    return settings.after_reply_timeout - RECONCILE_TIMEOUT - CHECKPOINTS
