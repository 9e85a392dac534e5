"""`langgraph dev`, quieter: no telemetry, and no log line for each file that changes in .data; for `make dev`.

    python -m agent.dev --port 2024

It takes the options of `langgraph dev`.
"""

import logging
import sys

import memory  # noqa: F401 - turns telemetry off before the server starts


def main() -> None:
    from langgraph_cli.cli import cli  # not in the reloaded processes, which import this module, too

    # The reloader watches the whole folder, and reports each change in it before it looks whether it is code.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    cli(["dev", *sys.argv[1:]], prog_name="langgraph")


if __name__ == "__main__":
    main()
