# `make` alone prints the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BENCH := .venv-bench
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help install run test long check format generate bench bench-quick soak soak-long clean faults

help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.developed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.installed $@

# The rivals want other versions of libraries than we do: an environment of their own.
$(BENCH)/.measured: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

install: $(VENV)/.installed ## set up .venv with the runner in it

run: $(VENV)/.installed ## run the jobs of examples/jobs.yaml in the foreground
	$(BIN)/runner serve -f examples/jobs.yaml

.PHONY: services services-stop
services: $(VENV)/.developed ## install (Debian, as root) and start the servers that tests use; they stay until services-stop
	tests/jobstores/services.sh
	$(BIN)/python -m tests.jobstores.standing_servers start

services-stop: ## end the servers that `make services` started
	@[ ! -e .services ] || $(BIN)/python -m tests.jobstores.standing_servers stop

test: $(VENV)/.developed ## run the tests
	$(BIN)/python -m pytest -rs -n 4 --dist worksteal

long: $(VENV)/.developed ## run the tests in their long forms: every zone, more histories, Debian's cron over more changes
	RUNNER_LONG=1 $(BIN)/python -m pytest -rs -n 4 --dist worksteal

check: $(VENV)/.developed ## format, lint, types, imports, generated files fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m runner.config.schema --check
	$(BIN)/python docs/generate.py --check

format: $(VENV)/.developed ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(VENV)/.developed ## write the files that are derived from the code
	$(BIN)/python -m runner.config.schema
	$(BIN)/python docs/generate.py

faults: $(VENV)/.developed ## kill, freeze and cut off real runners as often as promised, and write docs/reliability.md (hours)
	RUNNER_FAULTS=$${RUNNER_FAULTS:-long} $(BIN)/python -m tests.faults --page docs/reliability.md

bench: $(BENCH)/.measured ## measure everything beside the rivals, and write docs/performance.md
	$(BENCH)/bin/python -m benchmarks --page docs/performance.md

bench-quick: $(BENCH)/.measured ## the same with smaller numbers, under two minutes
	$(BENCH)/bin/python -m benchmarks --quick

soak: $(VENV)/.developed ## five minutes of 1,000 jobs a second: all that must stay flat is looked at
	$(BIN)/python -m benchmarks.soak --seconds 300

soak-long: $(VENV)/.developed ## the same for an hour
	$(BIN)/python -m benchmarks.soak --seconds 3600

clean: services-stop ## remove what was set up
	rm -rf .services $(VENV) $(BENCH) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
