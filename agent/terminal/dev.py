"""`langgraph dev` with its options, but no telemetry, and no log line for each file that changes in .data."""

import logging
import os
import sys

import memory  # noqa: F401 - turns telemetry off before the server starts


def check_settings() -> None:
    """Check the settings, and change nothing but LOG_LEVEL and LOG_JSON, as the server understands them. Raises
    BadInput, also if no model is set or AUTH lacks what it needs."""
    from agent.server.authentication import authentication
    from agent.settings import read_settings

    before = dict(os.environ)
    try:
        settings = read_settings()
        level, as_json, _ = settings.log_level, settings.log_json, settings.chat_model_name
        authentication(settings, "langgraph dev")
    finally:
        os.environ.clear()
        os.environ.update(before)
    if os.environ.pop("LOG_LEVEL", ""):
        os.environ["LOG_LEVEL"] = level
    os.environ["LOG_JSON"] = str(as_json).lower()


def main() -> None:
    from langgraph_cli.cli import cli  # not in the reloaded processes, which import this module, too

    from agent.terminal import output
    from agent.terminal.app import BAD_INPUT
    from memory.errors import BadInput

    try:
        check_settings()
    except BadInput as error:
        output.error(str(error))
        sys.exit(BAD_INPUT)
    # The reloader watches the whole folder, and reports each change in it before it looks whether it is code.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    cli(["dev", *sys.argv[1:]], prog_name="langgraph")


if __name__ == "__main__":
    main()
