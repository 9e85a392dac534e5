"""`auth`, which langgraph.json names: who calls the server, and what a caller may do. Wrong settings end the start."""

from agent.host import host
from agent.server.authentication import authentication, check_is_used
from agent.settings import read_settings
from memory.errors import BadInput

try:
    settings, server = read_settings(), host()
    check_is_used(settings, server)
    auth = authentication(settings, server)
except BadInput as error:
    raise SystemExit(str(error)) from None  # after any other exception, Aegra would serve without authentication
