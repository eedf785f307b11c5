# Tollgate's commands. Each one first installs what it needs; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run edge test nightly coverage bench bench-edge check fix lock sbom clean environment environment-dev
BIN := .venv/bin
export PYTHON

# More arguments: make test ARGS="tests/portal -k echo", make edge ARGS="--name edge-2"
ARGS ?=

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings come from the environment or the command line, for example: make run PORT=9000"

run: environment ## Start the portal, its worker and its edge; Ctrl-C stops them.
	@exec $(BIN)/python manage.py run

edge: environment ## Start only an edge.
	@exec $(BIN)/python manage.py edge $(ARGS)

test: environment-dev ## Run all tests, on SQLite or on the given DATABASE_URL.
	@.ci/fastly-cli || true # a test that needs it is then not run, and fails in CI
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

nightly: environment-dev ## Run the slow tests, on SQLite or on the given DATABASE_URL.
	$(BIN)/python -m pytest -m nightly -o faulthandler_timeout=7200 $(ARGS)
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -o faulthandler_timeout=7200 tests/accounts/audit/test_tampering.py tests/products/billing tests/products/metering $(ARGS)

coverage: environment-dev ## Measure which code the tests run, also in other processes.
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

bench: environment-dev ## Run the benchmarks.
	$(BIN)/python -m bench $(ARGS)

bench-edge: environment-dev ## Compare the edge with HAProxy and nginx.
	$(BIN)/python -m bench.edge $(ARGS)

check: environment-dev ## Check format, lint, types, imports, templates, migrations and settings.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint templates
	$(BIN)/djlint --check --lint --profile html portal/echo_page
	$(BIN)/mypy
	.ci/check-settings

fix: environment-dev ## Fix the format and what lint can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --quiet --reformat templates || true # its status is 1 after a change
	$(BIN)/djlint --quiet --reformat --profile html portal/echo_page || true

lock: ## Write the lock files from pyproject.toml; needs uv.
	@command -v uv >/dev/null || { echo "uv is missing. Install it with: pip install uv" >&2; exit 1; }
	.ci/lock requirements.txt
	.ci/lock requirements-tracing.txt --extra tracing
	.ci/lock requirements-dev.txt --extra dev --extra tracing

sbom: ## Print a bill of materials (CycloneDX) of the portal's packages.
	@.ci/sbom requirements.txt

clean: ## Delete .venv and the tools' caches, but not var/.
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@.ci/environment requirements.txt

environment-dev:
	@.ci/environment requirements-dev.txt
