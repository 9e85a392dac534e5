"""What is never kept as a fact: secrets, and commands to the agent that are dressed as facts. Pure."""

import re

SECRETS = re.compile(
    r"""
    -----BEGIN\ [A-Z ]*PRIVATE\ KEY
    | \b(?:sk|pk|rk)[-_](?:[a-z]+[-_])?[A-Za-z0-9_-]{16,}        # OpenAI, Stripe and their like
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                              # AWS
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,}        # GitHub
    | \bxox[abprs]-[A-Za-z0-9-]{10,}                             # Slack
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.              # a JSON web token
    | \bAIza[A-Za-z0-9_-]{30,}                                   # Google
    | \b(?:password|passphrase|passcode|pass\ ?word|pin(?:\ (?:code|number))?|api[ _-]?key|secret(?:\ key)?
        |access\ token|cvv|cvc)\b\ *(?:\w+\ +){0,3}(?:is|was|:|=)\ *\S
    """,
    re.VERBOSE | re.IGNORECASE,
)
COMMANDS = re.compile(
    r"""
    ^\W*(?:please\s+)?
    (?:
        from\ now\ on\b | ignore\b | disregard\b | pretend\b | you\ (?:must|should|are|will)\b
        # "always answer in French" is a command, "never eats breakfast" is a fact
        | (?:(?:always|never)\s+)?(?:answer|respond|reply|speak|talk|act|obey|write|translate|address|say|tell|reveal)\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
CARD_NUMBER = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def is_secret(text: str) -> bool:
    """Whether the text holds a password, key, token or payment card number."""
    return bool(SECRETS.search(text)) or any(_passes_luhn(match[0]) for match in CARD_NUMBER.finditer(text))


def is_command(text: str) -> bool:
    """Whether the text tells the agent what to do, rather than something about the user."""
    return bool(COMMANDS.match(text))


def _passes_luhn(number: str) -> bool:
    """The check digit every payment card carries (Luhn, US patent 2,950,048)."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
