# The commands of this project. `make help` lists them. Each sets up .venv first if it is not up to date.
# Only relative paths are used, so that a path with a space in it works.

# The Python of .venv, or the newest one on the PATH that runs (one of pyenv's shims may not). To change it, name another:
# make setup PYTHON=/path/to/python3
PYTHON ?= $(shell for p in .venv/bin/python python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done)
NO_PYTHON := echo "No Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3" >&2; false
# Ignore Ctrl-C while Python starts, when it would print a traceback. The program's first statement handles it again.
QUIETLY := trap '' INT; exec
INSTALL = $(if $(PYTHON),$(QUIETLY) $(PYTHON) install.py,$(NO_PYTHON))
BIN := .venv/bin/python
ARGS ?=
PORT ?= 2024
KILLS ?= 60

# Stop langgraph_cli from reporting each command that it runs.
export LANGGRAPH_CLI_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup chat dev test unit fresh torture bench evals lint format add lock upgrade clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup:  ## make .venv with the pinned packages (the other commands do it when needed)
	@$(INSTALL)

chat: setup  ## talk to the agent in this terminal (make chat ARGS="--user ada")
	@$(QUIETLY) $(BIN) -m agent $(ARGS)

dev: setup  ## serve the graph for LangGraph Studio and the SDK on PORT (2024)
	@$(BIN) -m agent.terminal.dev --no-browser --n-jobs-per-worker 10 --port $(PORT) $(ARGS)

test: setup  ## run the unit tests, the integration tests and a few set-ups
	@$(BIN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup  ## run the tests that open no socket
	@$(BIN) -m pytest tests/unit_tests $(ARGS)

fresh: setup  ## set up copies of this project as different users and machines do (ARGS=--tests runs their tests, too)
	@$(BIN) -m pytest tests/fresh -v -m "" $(ARGS)

torture: setup  ## kill processes at every step of a turn and check that nothing is lost (make torture KILLS=200)
	@$(BIN) -m tests.torture --kills $(KILLS) $(ARGS)

bench: setup  ## measure recall, writes, freshness, bytes, start-up, tasks and threads (make bench ARGS=--quick)
	@$(BIN) -m tests.benchmarks $(ARGS)

evals: setup  ## measure how well recall finds labelled answers (make evals ARGS=--json)
	@$(BIN) -m tests.evals $(ARGS)

lint: setup  ## ruff, mypy --strict, langgraph validate, and the checks on README, docs and layout
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy
	@$(BIN) -m langgraph_cli validate
	@$(BIN) -m pytest tests/checks -q

format: setup  ## sort the imports and format the code
	@$(BIN) -m ruff check --fix .
	@$(BIN) -m ruff format .

add:  ## add packages, moving no other pin (make add PACKAGE=langchain-anthropic, PACKAGE="httpx>=0.27 rich")
	@$(INSTALL) add "$$PACKAGE"

lock:  ## lock and install the dependencies in pyproject.toml, moving as few pins as possible
	@$(INSTALL) lock

upgrade:  ## move every pin to the newest version that pyproject.toml allows, and install
	@$(INSTALL) upgrade

clean:  ## remove .venv and the caches, but not .data, where the agent's memory is
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .langgraph_api
