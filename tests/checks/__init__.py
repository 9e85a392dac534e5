"""What `make lint` checks besides the tools: README, docs, settings, imports and sizes. Each failure says what to do.

`make unit` and `make test` do not run these checks. They need no server.
"""
