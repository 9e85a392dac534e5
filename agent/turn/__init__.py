"""What one turn does: the nodes, the tools, and when facts are extracted."""
