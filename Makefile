# Every target first creates or updates .venv if necessary.

PORT ?= 4566
PYTHON := .venv/bin/python
BIN := .venv/bin
# Any Python 3 can create the virtual environment. Each name is tried, since a name on PATH may be a broken shim.
BOOTSTRAP := $(firstword $(foreach name,python3.13 python3 python,$(if $(shell $(name) -c 'print(1)' 2>/dev/null),$(name))))

.PHONY: help venv up down run test test-unit test-integration test-contract test-e2e
.PHONY: lint openapi bench clean
.DEFAULT_GOAL := help

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-18s %s\n", $$1, $$2}'

venv:
	@$(if $(BOOTSTRAP),$(BOOTSTRAP) local/venv.py,echo "Baton needs Python 3.13: install it and try again." >&2; exit 1)

up: venv ## Start the local stack, or redeploy to a running one (PORT=4566)
	@$(PYTHON) -m local.up --port $(PORT)

down: venv ## Stop the local stack; its data is retained (DISCARD=1: what was stored in the last minute is not)
	@$(PYTHON) -m local.down $(if $(DISCARD),--discard)

# LLM=model, the default, uses a small real model on this machine; LLM=simulated uses no model. To use an
# OpenAI-compatible server, set LLM_BASE_URL and LLM_MODEL, and LLM_API_KEY if the server needs a key.
run: venv ## Start the local stack and run an example workflow with a small real model (LLM=simulated: with none)
	@$(PYTHON) -m local.run --port $(PORT)

test: venv ## Run all tests
	@$(BIN)/pytest

test-unit: venv ## Run the unit tests, in seconds
	@$(BIN)/pytest tests/unit

test-integration: venv ## Test handlers, adapters and the state machine with moto
	@$(BIN)/pytest tests/integration

test-contract: venv ## Test that template, functions, state machine and documents agree
	@$(BIN)/pytest tests/contract

test-e2e: venv ## Test a separate local stack, on a free port, with the model
	@$(BIN)/pytest tests/e2e

lint: venv ## Run all static checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=.:layers/baton $(BIN)/lint-imports
	$(PYTHON) -m local.check_state_machine
	env -u AWS_REGION -u AWS_DEFAULT_REGION $(BIN)/cfn-lint template.yaml
	$(PYTHON) -m local.check_template
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=local $(BIN)/sam validate
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=local $(BIN)/sam validate --lint

openapi: venv ## Generate the OpenAPI document of /openapi.json and /docs
	@PYTHONPATH=layers/baton $(PYTHON) -m local.openapi

bench: venv ## Measure speed, memory and cost on this machine, in minutes (ONLY="overhead lag": some of it)
	@$(PYTHON) -m local.bench $(ONLY)

clean: ## Stop the local stack and delete everything that make has created
	@test ! -x $(PYTHON) || $(PYTHON) -m local.down --discard
	rm -rf .venv .local .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
