"""The wiring: one file for each graph in langgraph.json."""
