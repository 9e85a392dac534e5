"""Which variables of `.env` reach the environment, and the warnings about the others."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.settings import DISABLED, PROJECT, load_env_file, name_warning
from memory.errors import BadInput
from tests.processes import environment

SETTINGS = ["CHAT_MODEL", "POSTGRES_URL", "LOG_LEVEL", "EXTRACT_EVERY"]


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def loaded(env_file: Path, **environment: str) -> dict[str, str]:
    """The environment after the file is loaded."""
    load_env_file(env_file, environment, SETTINGS)
    return environment


def test_its_variables_are_set_unless_the_environment_has_them_even_empty(env_file: Path) -> None:
    env_file.write_text(
        "# mine\nCHAT_MODEL=offline\nexport ANTHROPIC_API_KEY='k'  # a key\nLOG_LEVEL=INFO\nOPENAI_BASE_URL=\n"
    )
    assert loaded(env_file, LOG_LEVEL="") == {"CHAT_MODEL": "offline", "ANTHROPIC_API_KEY": "k", "LOG_LEVEL": ""}


def test_the_name_of_a_setting_may_be_in_any_case(env_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    env_file.write_text("chat_model=offline\nLog_Level=INFO\nCHAT_MODEL=openai:x\nno_proxy=h\n")
    assert loaded(env_file) == {"CHAT_MODEL": "openai:x", "LOG_LEVEL": "INFO", "no_proxy": "h"}
    assert loaded(env_file, CHAT_MODEL="openai:y")["CHAT_MODEL"] == "openai:y"  # the environment wins
    assert "CHAT_MODEL" not in loaded(env_file, chat_model="openai:y")
    assert caplog.messages == []


def test_nothing_is_loaded_without_a_file_or_if_dotenv_is_disabled(env_file: Path) -> None:
    assert loaded(env_file) == {}
    env_file.write_text("CHAT_MODEL=offline")
    assert loaded(env_file, **{DISABLED: "1"}) == {DISABLED: "1"}


def test_an_unknown_name_is_one_warning_without_its_value(env_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    env_file.write_text("CHAT_MODLE=sesame\nCHAT_MODEL=offline\n")
    with caplog.at_level(logging.WARNING):
        loaded(env_file)
    assert caplog.messages == ["CHAT_MODLE in .env is unknown: did you mean CHAT_MODEL?"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CHAT_MODLE", "CHAT_MODEL"),
        ("anthropic_api_key", "ANTHROPIC_API_KEY"),
        ("POSTGRES_URI", "POSTGRES_URL"),
        ("EXTRACT_EVRY", "EXTRACT_EVERY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OLAMA_HOST", "OLLAMA_HOST"),
    ],
)
def test_a_warning_about_a_mistyped_name_suggests_the_nearest_one(name: str, meant: str) -> None:
    assert name_warning(name, SETTINGS) == f"{name} in .env is unknown: did you mean {meant}?"


@pytest.mark.parametrize(
    "name",
    [
        "CHAT_MODEL", "ANTHROPIC_API_KEY", "TAVILY_API_KEY", "OLLAMA_HOST", "LANGSMITH_TRACING", "LANGCHAIN_PROJECT",
        "LANGGRAPH_STRICT_MSGPACK", "HTTPS_PROXY", "no_proxy", "AWS_REGION", "OPENAI_ORG_ID", "MISTRAL_BASE_URL",
    ],
)  # fmt: skip
def test_names_that_libraries_read_cause_no_warning(name: str) -> None:
    assert name_warning(name, SETTINGS) is None


def test_an_unknown_name_is_reported_as_passed_on() -> None:
    assert name_warning("WEATHER_TOKEN", SETTINGS) == (
        "WEATHER_TOKEN in .env is not a setting of this project; other libraries can read it from the environment."
    )


def test_invalid_lines_are_reported_by_number_and_not_quoted(env_file: Path) -> None:
    env_file.write_text("# fine\n\nsesame open\nCHAT_MODEL=offline\n\nLOG_LEVEL\n")
    with pytest.raises(BadInput, match=r"\.env: lines 3, 6 cannot be read: write NAME=value") as error:
        loaded(env_file)
    assert "sesame" not in str(error.value)


def test_a_file_that_is_not_utf_8_or_is_a_directory_is_reported(env_file: Path) -> None:
    env_file.write_bytes(b"CHAT_MODEL=offline\nNAME=caf\xe9\n")
    with pytest.raises(BadInput, match=r"\.env: line 2 is not UTF-8"):
        loaded(env_file)
    env_file.unlink()
    env_file.mkdir()
    with pytest.raises(BadInput, match=r"\.env cannot be read \(Is a directory\)"):
        loaded(env_file)


def test_a_script_run_from_elsewhere_finds_the_projects_settings(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for package in ("agent", "memory"):
        shutil.copytree(PROJECT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere.mkdir()
    (project / ".env").write_text("DATA_DIR=facts\nEXTRACT_EVERY=7\nCHAT_MODLE=x\n")
    (elsewhere / ".env").write_text("EXTRACT_EVERY=3\n")
    program = "from agent.settings import read_settings as r; print(r().data_dir, r().extract_every)"
    variables = environment({"PYTHONPATH": str(project), "DATA_DIR": "", DISABLED: ""})
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=elsewhere,
        env={name: value for name, value in variables.items() if name not in ("DATA_DIR", "EXTRACT_EVERY")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == f"{project / 'facts'} 7\n"
    assert found.stderr == "CHAT_MODLE in .env is unknown: did you mean CHAT_MODEL?\n"
