"""The file .env.example explains every setting and shows its default."""

import re

import pytest

from agent.settings import Settings
from tests.checks.report import check
from tests.documents import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
SHOWN = dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", EXAMPLE, re.MULTILINE))
NAMES = [name.upper() for name in Settings.model_fields]


def test_env_example_names_every_setting() -> None:
    check(
        [f"Add {name} to .env.example, with its default and a comment." for name in NAMES if name not in SHOWN]
        + [f"Remove {name} from .env.example: it is not a setting." for name in SHOWN if name not in NAMES]
    )


def test_env_example_explains_every_setting() -> None:
    check(
        f"Explain {name} in .env.example, in a comment above it."
        for section in EXAMPLE.split("\n\n")
        for name in re.findall(r"^([A-Z_0-9]+)=", section, re.MULTILINE)
        if not section.startswith("#")
    )


def test_env_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    defaults = Settings().model_dump()
    for name, value in SHOWN.items():
        monkeypatch.setenv(name, value)
    shown = Settings().model_dump()
    check(
        f"{name} is {SHOWN[name]!r} in .env.example, and its default is {defaults[name.lower()]}: make them agree."
        for name in NAMES
        if name in SHOWN and shown[name.lower()] != defaults[name.lower()]
    )
