"""Everything that README.md and docs/ refer to exists: files, links, settings, commands and options."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
import typer

from agent.__main__ import app
from memory.environment import NO_TELEMETRY
from memory.recall.render import render
from tests.checks.report import check
from tests.documents import IS_TEMPLATE, PACKAGES, PAGES, ROOT, Block, DoesNotApply, blocks, change, prose
from tests.facts import make_fact
from tests.integration_tests.test_store_contract import DIFFERENCES

FOLDERS = "|".join((*PACKAGES, "tests", "docs"))
SOURCE = "\n".join(
    path.read_text()
    for folder in (*PACKAGES, "tests", "Makefile", ".env.example", "install.py")
    for path in ((ROOT / folder).rglob("*.py") if (ROOT / folder).is_dir() else [ROOT / folder])
)

OF_OTHERS = {
    "DATABASE_URI", "REDIS_URI", "LANGGRAPH_CLOUD_LICENSE_KEY", "ENABLE_PROMETHEUS_METRICS",
    "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT", "LANGSMITH_HIDE_INPUTS", "LANGSMITH_HIDE_METADATA",
    "LANGSMITH_HIDE_OUTPUTS", "LANGSMITH_OTEL_ENABLED", "LANGSMITH_OTEL_ONLY", "OTEL_EXPORTER_OTLP_ENDPOINT",
}  # fmt: skip
"""Settings of servers and of LangSmith's client that the pages explain."""


def code(page: Path) -> list[str]:
    """The inline code of a page's text, without its blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(page: Path) -> Iterator[str]:
    """Commands on a page: inline code, and the lines of its shell and console blocks."""
    yield from code(page)
    for block in blocks(page, "sh", "console"):
        yield from (line.removeprefix("$ ") for line in block.text.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = [text for text in code(page) if re.fullmatch(rf"(?:{FOLDERS})/[\w/.]*", text)]
    check(
        f"{page.name} names {name}, which does not exist: correct the page."
        for name in named
        if not (ROOT / name).exists()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    problems = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            problems.append(f"{page.name} links to {target}, which does not exist: correct the link.")
    check(problems)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_capitals_on_a_page_exists(page: Path) -> None:
    names = {name for text in code(page) for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text)}
    check(
        f"{page.name} names {name}, which the source does not contain: correct the page."
        for name in sorted(names - OF_OTHERS)
        if not re.search(rf"\b{name}\b", SOURCE)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    problems = []
    for line in shell_lines(page):
        if made := re.match(r"make ((?:[a-z-]+ ?)+)", line):
            missing = [name for name in made[1].split() if name not in targets]
            problems += [f"{page.name} names `make {name}`, which the Makefile does not have." for name in missing]
        if ran := re.match(r"python -m agent ([a-z-].*)", line):
            problems += [f"{page.name} names {part}, which does not exist." for part in unknown(ran[1].split("#")[0])]
    check(problems)


def unknown(arguments: str) -> Iterator[str]:
    """The commands and options in these arguments that the terminal program does not have."""
    command: object = typer.main.get_command(app)
    for word in arguments.split():
        name, below = word.partition("=")[0], getattr(command, "commands", {})
        if name in below:
            command = below[name]
        elif name.startswith("--"):
            options = {option for parameter in getattr(command, "params", []) for option in parameter.opts}
            if name not in {*options, "--help"}:
                yield f"the option {name} of `{arguments.strip()}`"
        elif below and word.islower():
            yield f"the command `{word}` of `python -m agent`"


def test_the_names_in_langgraph_json_exist() -> None:
    named = re.findall(rf'"((?:{"|".join(PACKAGES)})\.[\w.]+[:.]\w+)"', (ROOT / "langgraph.json").read_text())
    assert named
    problems = []
    for path in named:
        module, _, name = path.replace(":", ".").rpartition(".")
        try:
            getattr(import_module(module), name)
        except (ImportError, AttributeError):
            problems.append(f"langgraph.json names {path}, which does not exist: correct it.")
    check(problems)


def test_aegra_json_names_the_same_things() -> None:
    """Aegra takes files in place of modules, and has no use for our checkpointer and store."""
    langgraph, aegra = (json.loads((ROOT / name).read_text()) for name in ("langgraph.json", "aegra.json"))
    problems = []
    for name, graph in aegra["graphs"].items():
        path, _, attribute = graph["path"].removeprefix("./").partition(":")
        module = path.removesuffix(".py").replace("/", ".")
        if {**graph, "path": f"{module}:{attribute}"} != langgraph["graphs"].get(name) or not (ROOT / path).exists():
            problems.append(f"The graph {name} in aegra.json is not the one in langgraph.json: correct it.")
    if (aegra["auth"], aegra["http"]["app"]) != (langgraph["auth"], langgraph["http"]["app"]):
        problems.append("`auth` and `http.app` in aegra.json are not those in langgraph.json: correct them.")
    check(problems)


def test_langgraph_json_turns_telemetry_off_before_anything_is_imported() -> None:
    assert json.loads((ROOT / "langgraph.json").read_text())["env"] == NO_TELEMETRY


@pytest.mark.skipif(not IS_TEMPLATE, reason="a project made from the template has already changed these files")
@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page, "diff")], ids=str)
def test_the_changes_that_a_page_describes_can_be_applied(block: Block, tmp_path: Path) -> None:
    described = change(block)
    copy = tmp_path / described.path
    copy.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / described.path).exists():
        copy.write_text((ROOT / described.path).read_text())
    problem = ""
    try:
        described.apply(tmp_path)
    except DoesNotApply as error:
        advice = 'Correct the page; or, if this is your own project, see "Make it yours" in docs/customising.md.'
        problem = f"{error}\n{advice}"
    check([problem] if problem else [])


def test_the_memory_block_on_a_page_is_what_a_model_sees() -> None:
    facts = [
        make_fact("Is allergic to shellfish"),
        make_fact("Lives in Austin", valid_from=datetime(2026, 10, 22, tzinfo=UTC)),
    ]
    check(
        f"{block} differs from the memory block that memory.recall.render returns:\n{render(facts, 1_000)}"
        for page in PAGES
        for block in blocks(page, "text")
        if block.text.startswith("<memory>") and block.text.strip() != render(facts, 1_000)
    )


def test_the_docs_name_each_difference_from_langgraphs_stores() -> None:
    text = " ".join((ROOT / "docs" / "python-api.md").read_text().split())
    check(
        f"docs/python-api.md lacks {words!r}, a difference that tests/integration_tests/test_store_contract.py names."
        for words in DIFFERENCES.values()
        if words not in text
    )
