"""What a server adds to the graphs: who calls, what a caller may do, and which web pages may call."""
