# Every verb makes .venv from requirements.lock first when it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV_VERSION := 0.13.9
CLIENTS := $(abspath $(or $(WINDVANE_CLIENTS),var/clients))

# Where this is set, every process compiles every module anew: three times the time to import what a test or Ray needs.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-e2e clients check format bench bench-quick bench-loop bench-loop-quick bench-quality bench-quality-quick bench-patience docs lock clean

help: ## list the verbs
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv from the lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Windvane needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make setup PYTHON=python3.11") if not (3, 11) <= v[:2] < (3, 14) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv (about 2 GB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --requirement requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(READY)

demo: $(READY) ## watch a model drift, retrain, prove itself and take over; MODEL=mortgage: decisions about people
	@$(BIN)/windvane demo $(if $(MODEL),--model $(MODEL))

test: test-unit test-e2e ## all tests

test-unit: $(READY) ## unit tests and doctests of the pure modules: no Ray, no clock
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit windvane

test-e2e: $(READY) clients ## end to end on a real local Ray, MLflow and HTTP
	$(BIN)/python -m pytest tests/e2e

clients: $(CLIENTS)/kserve/.ready $(CLIENTS)/mlserver/.ready ## install other projects' clients of our protocol, for test-e2e

$(CLIENTS)/%/.ready: tests/e2e/clients/%.txt | $(READY)
	@echo "installing $*'s client into $(CLIENTS)/$* (about 300 MB)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS)/$*
	@VIRTUAL_ENV=$(CLIENTS)/$* $(BIN)/uv pip install --quiet --requirement $<
	@touch $@

check: $(READY) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## let ruff put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## the fast path beside its peers: about 30 minutes, wants an idle machine
	@$(BIN)/python -m benchmarks

bench-quick: $(READY) ## the same in brief: floor, Ray Serve, the fastest peer, Windvane; under 3 minutes
	@$(BIN)/python -m benchmarks --quick

bench-loop: $(READY) ## the loop in 39 worlds nobody tuned it to, beside blind schedules and hindsight: about 20 minutes
	@$(BIN)/python -m benchmarks.loop

bench-loop-quick: $(READY) ## the same in nine worlds, under 5 minutes
	@$(BIN)/python -m benchmarks.loop --quick

bench-quality: $(READY) ## trained versions beside careful plain models on some 40 tables: about 10 minutes
	@$(BIN)/python -m benchmarks.quality

bench-quality-quick: $(READY) ## the same on eleven tables: under 5 minutes
	@$(BIN)/python -m benchmarks.quality --quick

bench-patience: $(READY) ## what a person waits for beside the least it could be; wants an idle machine
	@$(BIN)/python -m benchmarks.patience

docs: $(READY) ## write docs/models.md anew from the schema
	$(BIN)/python -m docs.generate

lock: $(READY) ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --all-extras pyproject.toml -o requirements.lock
	@for client in kserve mlserver; do \
		echo $$client | $(BIN)/uv pip compile --quiet --no-emit-index-url --no-header --no-annotate - -o tests/e2e/clients/$$client.txt; \
	done

clean: ## remove .venv, caches and var/ (stop a running Windvane first)
	@test ! -e var/run/head.json || { echo "A Windvane may be running: .venv/bin/windvane down"; exit 1; }
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
