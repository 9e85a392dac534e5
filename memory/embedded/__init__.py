"""Postgres and Chroma as child processes, for a machine that has no servers."""
