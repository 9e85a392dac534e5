"""Postgres and Chroma as child processes, for a machine that has no servers.

Written by hand: the launcher in Postgres's wheel leaves the server running when its users are killed, fails for a path
with a space, and does not run Chroma.
"""
