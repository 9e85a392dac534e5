"""What the assistant does in one turn, and its command line."""
