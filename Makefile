# Every command of this project. `make help` lists them; each sets up .venv first, unless it is up to date.
# Only relative paths are used, so that a path with a space in it works.

# The Python of .venv, or the newest one on the PATH that runs (one of pyenv's shims may not). To change it, name another:
# make setup PYTHON=/path/to/python3
PYTHON ?= $(shell for p in .venv/bin/python python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done)
NO_PYTHON := echo "No Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3" >&2; false
# Ctrl-C while Python starts is a traceback: it is ignored until the program's first statement, which changes that.
QUIETLY := trap '' INT; exec
INSTALL = $(if $(PYTHON),$(QUIETLY) $(PYTHON) install.py,$(NO_PYTHON))
BIN := .venv/bin/python
ARGS ?=
PORT ?= 2024
KILLS ?= 60

# langgraph_cli sends a record of each command that it runs, unless it is told not to.
export LANGGRAPH_CLI_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup chat dev test unit fresh torture bench evals lint format add lock upgrade clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup:  ## make .venv with the pinned packages (done by the others when needed)
	@$(INSTALL)

chat: setup  ## talk to the agent in this terminal (make chat ARGS="--user ada")
	@$(QUIETLY) $(BIN) -m agent $(ARGS)

dev: setup  ## serve the graph for LangGraph Studio and the SDK on PORT (2024)
	@$(BIN) -m agent.terminal.dev --no-browser --n-jobs-per-worker 10 --port $(PORT) $(ARGS)

test: setup  ## run every test
	@$(BIN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup  ## run the tests that open no socket
	@$(BIN) -m pytest tests/unit_tests $(ARGS)

fresh: setup  ## set up copies of this project on every kind of machine, and use them (ARGS=--tests: and test them)
	@$(BIN) -m pytest tests/fresh -v -m "" $(ARGS)

torture: setup  ## kill everything at every step and count what was lost (make torture KILLS=200)
	@$(BIN) -m tests.torture --kills $(KILLS) $(ARGS)

bench: setup  ## measure recall, writes, freshness, bytes, start-up, tasks and threads (make bench ARGS=--quick)
	@$(BIN) -m tests.benchmarks $(ARGS)

evals: setup  ## measure how well recall finds labelled answers (make evals ARGS=--json)
	@$(BIN) -m tests.evals $(ARGS)

lint: setup  ## ruff, mypy --strict, langgraph validate
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy
	@$(BIN) -m langgraph_cli validate

format: setup  ## put the code into shape
	@$(BIN) -m ruff check --fix .
	@$(BIN) -m ruff format .

add:  ## add packages, moving no other pin (make add PACKAGE=langchain-anthropic, PACKAGE="httpx>=0.27 rich")
	@$(INSTALL) add "$$PACKAGE"

lock:  ## lock and install what pyproject.toml asks for, moving no pin that need not move
	@$(INSTALL) lock

upgrade:  ## move every pin to the newest version that pyproject.toml allows, and install it
	@$(INSTALL) upgrade

clean:  ## remove .venv and the caches; .data (what the agent remembers) stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .langgraph_api
