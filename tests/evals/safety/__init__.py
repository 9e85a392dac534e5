"""What is not kept: labelled messages, and how many of them the rules of memory/guard get right."""
