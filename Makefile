# Every command of this project. `make help` lists them; each sets up .venv first, when it is not there yet.
# Only relative paths are used, so that a path with a space in it works.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done)
BIN := .venv/bin/python
READY := .venv/.ready
ARGS ?=
PORT ?= 2024
KILLS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup chat dev test unit fresh torture bench evals lint format lock clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## make .venv with the pinned packages (done by the others when needed)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. Install one, or name it: make chat PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) install.py

chat: $(READY)  ## talk to the agent in this terminal (make chat ARGS="--user ada")
	@$(BIN) -m agent $(ARGS)

dev: $(READY)  ## serve the graph for LangGraph Studio and the SDK on PORT (2024)
	@$(BIN) -m agent.dev --no-browser --n-jobs-per-worker 10 --port $(PORT) $(ARGS)

test: $(READY)  ## run every test
	@$(BIN) -m pytest -n 2 --dist loadfile $(ARGS)

unit: $(READY)  ## run the tests that open no socket
	@$(BIN) -m pytest tests/unit_tests $(ARGS)

fresh: $(READY)  ## set up copies of this project on every kind of machine, and use them (ARGS=--tests: and test them)
	@$(BIN) -m pytest tests/fresh -v -m "" $(ARGS)

torture: $(READY)  ## kill everything at every step and count what was lost (make torture KILLS=200)
	@$(BIN) -m tests.torture --kills $(KILLS) $(ARGS)

bench: $(READY)  ## measure recall, writes, freshness, bytes, start-up, tasks and threads (make bench ARGS=--quick)
	@$(BIN) -m tests.benchmarks $(ARGS)

evals: $(READY)  ## measure how well recall finds labelled answers (make evals ARGS=--json)
	@$(BIN) -m tests.evals $(ARGS)

lint: $(READY)  ## ruff, mypy --strict, langgraph validate
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy
	@$(BIN) -m langgraph_cli validate

format: $(READY)  ## put the code into shape
	@$(BIN) -m ruff check --fix .
	@$(BIN) -m ruff format .

lock: $(READY)  ## resolve requirements.lock again from pyproject.toml
	@$(BIN) -m uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--no-emit-index-url --generate-hashes --upgrade --quiet --output-file requirements.lock

clean:  ## remove .venv and the caches; .data (what the agent remembers) stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .langgraph_api
