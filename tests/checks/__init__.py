"""The project's own checks in `make lint`: README, docs, settings, imports and sizes. Each failure says what to do.

`make unit` and `make test` do not run these checks. They need no server.
"""
