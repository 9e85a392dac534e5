"""What a server adds to the graphs: who calls, what a caller may do, which web pages may call, and health."""
