"""Memory as a LangGraph store: a fact is an item, and all other items are LangGraph's own."""
