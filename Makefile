# Every target makes or renews .venv first when it has to.

PORT ?= 4566
PYTHON := .venv/bin/python
BIN := .venv/bin
# Any Python 3 can make the virtual environment; a name on PATH may be a shim that leads nowhere.
BOOTSTRAP := $(firstword $(foreach name,python3.13 python3 python,$(if $(shell $(name) -c 'print(1)' 2>/dev/null),$(name))))

.PHONY: help venv up down run test test-unit test-integration test-contract test-e2e
.PHONY: lint openapi bench clean
.DEFAULT_GOAL := help

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-18s %s\n", $$1, $$2}'

venv:
	@$(if $(BOOTSTRAP),$(BOOTSTRAP) local/venv.py,echo "Baton needs Python 3.13: install it and try again." >&2; exit 1)

up: venv ## Start the local stack, or redeploy to it (PORT=4566)
	@$(PYTHON) -m local.up --port $(PORT)

down: venv ## Stop the local stack; its data is kept
	@$(PYTHON) -m local.down

# LLM=model, the default, is a small real model on this machine; LLM=simulated is none at all. LLM_BASE_URL and LLM_MODEL,
# and LLM_API_KEY if it takes one, name any OpenAI-compatible server instead.
run: venv ## Start the local stack and watch an example workflow run on a small real model (LLM=simulated: on none)
	@$(PYTHON) -m local.run --port $(PORT)

test: venv ## All tests
	@$(BIN)/pytest

test-unit: venv ## The tests that need nothing, in seconds
	@$(BIN)/pytest tests/unit

test-integration: venv ## Handlers, adapters and the state machine on moto
	@$(BIN)/pytest tests/integration

test-contract: venv ## What template, functions and state machine owe to each other
	@$(BIN)/pytest tests/contract

test-e2e: venv ## A local stack of its own, on a free port, and the model beside it
	@$(BIN)/pytest tests/e2e

lint: venv ## Everything that reads the code without running it
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=.:layers/baton $(BIN)/lint-imports
	$(PYTHON) -m local.check_state_machine
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=local $(BIN)/sam validate
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=local $(BIN)/sam validate --lint

openapi: venv ## Write down what the HTTP handlers say: the document behind /openapi.json and /docs
	@PYTHONPATH=layers/baton $(PYTHON) -m local.openapi

bench: venv ## How long each function takes to import, cold, and what memory the largest runs take
	@$(PYTHON) -m local.bench

clean: ## Stop the local stack and remove everything that make has made
	@test ! -x $(PYTHON) || $(PYTHON) -m local.down
	rm -rf .venv .local .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
