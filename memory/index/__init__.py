"""What recall searches: facts by their vectors. The ledger decides what is true; an index can be rebuilt from it."""
