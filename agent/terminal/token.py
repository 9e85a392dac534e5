"""Prints a token that names a user, signed with JWT_SECRET, for tests and first steps with a server."""

import logging
import sys

DAY = 86_400  # seconds for which the token is valid


def main(user_id: str) -> None:
    from agent.server.tokens import Tokens
    from agent.settings import read_settings
    from agent.terminal import output
    from agent.terminal.app import BAD_INPUT
    from memory.errors import BadInput

    logging.basicConfig(format="%(levelname)s %(message)s")
    try:
        settings = read_settings()
        if not (settings.jwt_secret or settings.jwt_jwks):
            raise BadInput(
                "JWT_SECRET is not set: `openssl rand -hex 32` makes one. Write it into .env, with AUTH=jwt."
            )
        token = Tokens(settings).sign(user_id, DAY)
    except BadInput as error:
        output.error(str(error))
        sys.exit(BAD_INPUT)
    sys.stdout.write(f"{token}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
