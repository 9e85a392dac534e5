"""What a message shows of a candidate: whether it is supported, when it holds, and what it ends. Pure."""
