"""Session and working memory: the message window, the summary, the open task, and the checkpoints of a thread."""
