# The commands of this project. `make help` lists them. Each sets up .venv first if it is not up to date.
# All paths are relative, so that it works in a folder with a space in its path.

# The Python of .venv, or the newest one on the PATH that runs (a shim of pyenv may not). To use another one:
# make setup PYTHON=/path/to/python3
PYTHON ?= $(shell for p in .venv/bin/python python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done)
NO_PYTHON := echo "No Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3" >&2; false
# Ignore Ctrl-C while Python starts, which would print a traceback. The program's first statement restores it.
QUIETLY := trap '' INT; exec
INSTALL = $(if $(PYTHON),$(QUIETLY) $(PYTHON) install.py,$(NO_PYTHON))
BIN := .venv/bin/python
ARGS ?=
PORT ?= 2024
KILLS ?= 60

# Turn off the analytics of langgraph_cli.
export LANGGRAPH_CLI_NO_ANALYTICS := 1
# Without compiled modules each process compiles 2,500 files again, which takes five seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup chat dev token test unit test-aegra fresh torture bench erase-scan evals safety lint format add lock upgrade clean

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## create .venv with the pinned packages (the other commands do this when needed)
	@$(INSTALL)

chat: setup  ## talk to the agent in this terminal (make chat ARGS="--user ada")
	@$(QUIETLY) $(BIN) -m agent $(ARGS)

dev: setup  ## serve the graph for LangGraph Studio and the SDK on PORT (2024)
	@$(BIN) -m agent.terminal.dev --no-browser --n-jobs-per-worker 10 --port $(PORT) $(ARGS)

token: setup  ## print a token that names a user, for a server with AUTH=jwt (make token USER=ana)
	@$(BIN) -m agent token "$$USER"

test: setup  ## run the unit tests, the integration tests and a few set-up tests
	@$(BIN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

unit: setup  ## run the tests that open no socket
	@$(BIN) -m pytest tests/unit_tests -n 2 $(ARGS)

test-aegra: setup  ## test two Aegra servers, installed in .venv/aegra (needs a Python 3.12 or newer)
	@$(BIN) -m pytest tests/aegra -v $(ARGS)

fresh: setup  ## test the set-up as different users and with each Python (ARGS=--tests also runs the tests of each copy)
	@$(BIN) -m pytest tests/fresh -v -m "" $(ARGS)

torture: setup  ## kill processes at every step of a turn, and check that nothing is lost (make torture KILLS=200)
	@$(BIN) -m tests.torture --kills $(KILLS) $(ARGS)

bench: setup  ## measure recall, writes, freshness, bytes, start-up, tasks, threads and load (make bench ARGS=--quick)
	@$(BIN) -m tests.benchmarks $(ARGS)

erase-scan: setup  ## look in all files and tables for what was forgotten (make erase-scan ARGS=--json)
	@$(BIN) -m tests.erasure $(ARGS)

safety: setup  ## measure what is not kept: attacks, secrets and harmless messages (make safety ARGS=--wrong lists errors)
	@$(BIN) -m tests.evals.safety $(ARGS)

evals: setup  ## measure how well recall finds labelled answers (make evals ARGS=--json)
	@$(BIN) -m tests.evals $(ARGS)

lint: setup  ## run ruff, mypy --strict, langgraph validate, and the checks of README, docs and layout
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy
	@$(BIN) -m langgraph_cli validate
	@$(BIN) -m pytest tests/checks -q

format: setup  ## sort the imports and format the code
	@$(BIN) -m ruff check --fix .
	@$(BIN) -m ruff format .

add:  ## add packages without changing other pins (make add PACKAGE=langchain-anthropic, PACKAGE="httpx>=0.27 rich")
	@$(INSTALL) add "$$PACKAGE"

lock:  ## lock and install the dependencies in pyproject.toml, changing as few pins as possible
	@$(INSTALL) lock

upgrade:  ## update every pin to the newest version that pyproject.toml allows, and install
	@$(INSTALL) upgrade

clean:  ## remove .venv and the caches, but not .data, which holds the agent's memory
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .langgraph_api
