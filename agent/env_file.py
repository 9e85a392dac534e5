"""The project's `.env`, loaded into the environment, where the libraries that read their own keys find them too."""

import logging
from collections.abc import Collection, MutableMapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from agent.providers import PROVIDERS
from memory.errors import BadInput

log = logging.getLogger(__name__)

DISABLED = "PYTHON_DOTENV_DISABLED"
"""python-dotenv's own switch: where it is set, no `.env` is read, as in tests."""

PROVIDER_VARIABLES = {name for provider in PROVIDERS.values() for name in (*provider.keys, provider.address) if name}
LIBRARY_SUFFIXES = ("_API_KEY", "_API_BASE", "_BASE_URL", "_PROXY")
LIBRARY_PREFIXES = (
    "ANTHROPIC_", "AWS_", "AZURE_", "GOOGLE_", "HF_", "LANGCHAIN_", "LANGGRAPH_", "LANGSMITH_", "LC_", "OLLAMA_",
    "OPENAI_", "OTEL_", "SSL_CERT_",
)  # fmt: skip
"""Of variables that libraries read."""


def load_env_file(path: Path, environment: MutableMapping[str, str], settings: Collection[str]) -> None:
    """Put the variables of `path` into the environment, unless they are there, be it empty. Raises BadInput.

    An empty value stands for the default and is left out. The names of settings may be in any case. A name that is none
    of `settings` and of no library known here is a warning in the log; no value ever is.
    """
    if environment.get(DISABLED):
        return
    text = _read(path)
    if bad := _unreadable_lines(text):
        lines = f"line{'s' * (len(bad) > 1)} {', '.join(map(str, bad))}"
        raise BadInput(f"{path}: {lines} cannot be read: write NAME=value, one to a line.")
    there = {setting_name(name, settings) for name in environment}
    found = {}
    for name, value in dotenv_values(stream=StringIO(text)).items():
        if warning := name_warning(name, settings):
            log.warning(warning)
        found[setting_name(name, settings)] = value
    environment.update({name: value for name, value in found.items() if value and name not in there})


def setting_name(name: str, settings: Collection[str]) -> str:
    """The name of a variable; a setting's is in capitals, although it may be written in any case."""
    return name.upper() if name.upper() in settings else name


def name_warning(name: str, settings: Collection[str]) -> str | None:
    """What to say of a name in `.env`: that it is unknown, and which was meant; None where there is nothing to say."""
    known = {*settings, *PROVIDER_VARIABLES}
    upper = name.upper()
    if name in known or upper in settings or (upper not in known and upper.endswith(LIBRARY_SUFFIXES)):
        return None
    if near := get_close_matches(upper, sorted(known), n=1, cutoff=0.8):
        return f"{name} in .env is unknown: did you mean {near[0]}?"
    if upper.startswith(LIBRARY_PREFIXES):
        return None
    return f"{name} in .env is no setting of this project; it is in the environment, for whatever else reads it."


def _read(path: Path) -> str:
    """The file's text; "" where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadInput(f"{path}: line {line} is not UTF-8: save the file as UTF-8.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): make it a readable file, or remove it.") from error


def _unreadable_lines(text: str) -> list[int]:
    """The numbers of the lines, from 1, that set nothing."""
    lines = []
    for binding in parse_stream(StringIO(text)):
        source = binding.original.string
        if binding.error or (binding.key is not None and binding.value is None) or "\0" in source:
            blank = source[: len(source) - len(source.lstrip())].count("\n")
            lines.append(binding.original.line + blank)
    return lines
