"""Recognizes what is never kept as a fact: secrets, and commands to the agent. Pure.

Written by hand: detect-secrets is made for source code, and not for a password that is told in a sentence.
"""

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
    | \b(?:password|passphrase|passcode|pin(?:\ (?:code|number))?|api[ _-]?key|secret\ key|access\ token|cvv|cvc
        |contrase[nñ]a|clave|passwort|kennwort|mot\ de\ passe|senha|parola\ d'ordine|wachtwoord|пароль)\b
      \ *(?:\w+\ +){0,3}(?:is|was|es|ist|est|è|é|:|=)\ *\S
    | (?:パスワード|密码|密碼|비밀번호)\ *(?:は|是|:|:|=|는|은)\ *\S
    """,
    re.VERBOSE | re.IGNORECASE,
)
VERBS = "answer|respond|reply|speak|talk|act|obey|write|translate|address|say|tell|reveal"
# Commands in a quote, too: "always answer in French" is one, "never eats breakfast" is a fact.
ORDERS = re.compile(
    rf"^\W*(?:please\s+)?(?:from\s+now\s+on,?\s+(?!i\b)|(?:ignore|disregard|pretend)\b(?!\s+my\b)"
    rf"|you\s+(?:must|are|will)\b|(?:always|never)\s+(?:{VERBS})\b)",
    re.IGNORECASE,
)
COMMANDS = re.compile(rf"^\W*(?:please\s+)?(?:{VERBS})\b", re.IGNORECASE)
CARD_NUMBER = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
MAX_CONTEXT = 2_000  # characters


def is_secret(text: str, attribute: str = "", context: str = "") -> bool:
    """Whether the text, with its attribute or the sentence around it, holds a password, key, token or card number."""
    said = (text, f"{attribute}: {text}", context[:MAX_CONTEXT])
    return any(SECRETS.search(part) or any(_passes_luhn(m[0]) for m in CARD_NUMBER.finditer(part)) for part in said)


def holds_secret(text: str) -> bool:
    """Whether a text of any length holds one; it is read in parts that overlap, in time linear in its length."""
    return any(is_secret(text[start : start + MAX_CONTEXT]) for start in range(0, len(text), MAX_CONTEXT // 2))


def is_command(text: str, quote: str = "") -> bool:
    """Whether the text, or the quote it was taken from, tells the agent what to do."""
    # A quote may begin in the middle of a sentence, as in "write Rust at work": only ORDERS count there.
    return bool(ORDERS.match(text) or COMMANDS.match(text) or ORDERS.match(quote))


def _passes_luhn(number: str) -> bool:
    """Whether the check digit is that of a payment card (Luhn, US patent 2,950,048)."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
