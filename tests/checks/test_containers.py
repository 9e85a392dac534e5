"""compose.yaml is valid, and it and the Dockerfile agree with the rest of the project. Docker itself is not needed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.settings import Settings, name_warning
from tests.checks.report import check
from tests.documents import ROOT

COMPOSE, DOCKERFILE = ROOT / "compose.yaml", ROOT / "Dockerfile"
OF_AEGRA = {"DATABASE_URL", "REDIS_BROKER_ENABLED", "ENV_MODE"}
OF_COMPOSE = {"POSTGRES_PASSWORD"}

if not (COMPOSE.exists() and DOCKERFILE.exists()):
    pytest.skip("this project has no containers", allow_module_level=True)


def compose(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Validate a copy of compose.yaml with these variables in server.env, and print it in full as JSON."""
    (directory / COMPOSE.name).write_text(COMPOSE.read_text())
    (directory / "server.env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    command = [
        str(Path(sys.executable).with_name("docker-compose")),
        "--env-file",
        "server.env",
        "config",
        "--format=json",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def services(tmp_path: Path) -> Mapping[str, Any]:
    outcome = compose(tmp_path, POSTGRES_PASSWORD="zanzibar")
    check([f"compose.yaml is refused: {outcome.stderr}"] if outcome.returncode else [])
    found: Mapping[str, Any] = json.loads(outcome.stdout)["services"]
    return found


def test_compose_sets_only_what_is_read(services: Mapping[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields} | OF_AEGRA | OF_COMPOSE
    warnings = [name_warning(name, known) for name in services["server"]["environment"]]
    check(f"compose.yaml: {warning}" for warning in warnings if warning)


def test_compose_runs_the_chroma_that_the_client_is_made_for(services: Mapping[str, Any]) -> None:
    (version,) = re.findall(r"^chromadb==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    image = services.get("chroma", {}).get("image", "")
    problem = f"compose.yaml runs {image}, and requirements.lock has the client {version}: make them the same."
    check([problem] if image and not image.endswith(f":{version}") else [])


def test_compose_says_which_password_is_missing(tmp_path: Path) -> None:
    outcome = compose(tmp_path)
    assert outcome.returncode
    assert "POSTGRES_PASSWORD" in outcome.stderr
    assert "set it in server.env" in outcome.stderr


def test_compose_opens_one_port_and_only_to_this_machine(services: Mapping[str, Any]) -> None:
    ports = {
        name: [port["host_ip"] for port in service["ports"]] for name, service in services.items() if "ports" in service
    }
    assert {name: hosts for name, hosts in ports.items() if hosts} == {"server": ["127.0.0.1"]}


def test_the_dockerfile_copies_what_exists_and_no_secrets() -> None:
    copied = [
        name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE.read_text(), re.MULTILINE) for name in line.split()
    ]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    private = (".env", "server.env", "**/*.dump")
    assert copied
    check(
        [f"The Dockerfile copies {name}, which does not exist." for name in copied if not (ROOT / name).exists()]
        + [f"The Dockerfile copies {name}, which .dockerignore leaves out." for name in copied if name in ignored]
        + [f"Add {name} to .dockerignore: it is private." for name in private if name not in ignored]
    )
