"""What a fact is: its fields, its timeline, and its form in a file. Pure functions, no I/O."""
