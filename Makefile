# Tollgate's commands. Each makes what it needs first; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run edge test nightly bench bench-edge check fix lock clean environment environment-dev
BIN := .venv/bin
export PYTHON

# More words: make test ARGS="tests/portal -k echo", make edge ARGS="--name edge-2"
ARGS ?=

help: ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings come from the environment or the command line, for example: make run PORT=9000"

run: environment ## Start the portal, its worker and its edge; Ctrl-C stops them.
	@exec $(BIN)/python manage.py run

edge: environment ## Start an edge alone.
	@exec $(BIN)/python manage.py edge $(ARGS)

test: environment-dev ## Run all tests, on SQLite or on the DATABASE_URL given.
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

nightly: environment-dev ## Run the tests that take long, on SQLite or on the DATABASE_URL given.
	$(BIN)/python -m pytest -m nightly $(ARGS)

bench: environment-dev ## Measure what must be fast.
	$(BIN)/python -m bench $(ARGS)

bench-edge: environment-dev ## Measure the edge beside HAProxy and nginx.
	$(BIN)/python -m bench.edge $(ARGS)

check: environment-dev ## Check format, lint, types, imports, templates, migrations, settings.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/djlint --quiet --check --lint templates
	$(BIN)/djlint --quiet --check --lint --profile html portal/echo_page
	$(BIN)/mypy .
	.ci/check-settings

fix: environment-dev ## Mend format and what lint can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --quiet --reformat templates || true # it also says so when it changed something
	$(BIN)/djlint --quiet --reformat --profile html portal/echo_page || true

lock: ## Write both lock files anew from pyproject.toml; needs uv.
	@command -v uv >/dev/null || { echo "uv is missing; it comes with: pip install uv" >&2; exit 1; }
	.ci/lock requirements.txt
	.ci/lock requirements-dev.txt --extra dev

clean: ## Delete .venv and the tools' caches; var/ stays.
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@.ci/environment requirements.txt

environment-dev:
	@.ci/environment requirements-dev.txt
