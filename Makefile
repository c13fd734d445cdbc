# Commands of the project. Every target sets up what it needs; nothing has to be installed by hand but Python and make.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8080
SIZE ?= ci
VENV := .venv
PY := $(VENV)/bin/python
export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONPATH := $(CURDIR)

# Recipes share the environment and the ports: one after the other, whatever -j says.
.NOTPARALLEL:
# Make looks at a stamp before it makes the environment: one without its interpreter has to go earlier.
$(shell [ -x $(PY) ] || rm -f $(VENV)/.runtime $(VENV)/.dev)

.DEFAULT_GOAL := help
.PHONY: help run test install setup dev fmt lint unit integration e2e faults bench js js-test extension docs deps check system clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.runtime js ## start the demo (PORT=8080 moves it); Ctrl-C stops it and keeps the data
	@YCLICK_PORT=$(PORT) exec $(PY) -m server demo

test: check ## everything CI runs: lint, types, unit, integration, contract, faults, browser stories

install: $(VENV)/.runtime js ## what a server needs: packages, scripts, the command .venv/bin/yclick

setup: $(VENV)/.dev js ## install everything for development
	@bash deploy/system-packages.sh check

dev: $(VENV)/.dev js ## the demo, for working on it (log on)
	@YCLICK_PORT=$(PORT) YCLICK_LOG_LEVEL=info $(PY) -m server demo

system: ## install packages of the system that tests need (root), or say which are missing
	@bash deploy/system-packages.sh install

# --- environments

$(VENV)/bin/python:
	@bash deploy/make-venv.sh $(PYTHON) $(VENV)

$(VENV)/.runtime: requirements/runtime.txt requirements/embedded.txt | $(VENV)/bin/python
	@echo "installing the server's packages …"
	@$(PY) -m pip install -qq --require-hashes -r requirements/runtime.txt
	@$(PY) -m pip install -qq --require-hashes -r requirements/embedded.txt
	@bash deploy/make-command.sh $(VENV)
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/bin/python
	@echo "installing the packages for development …"
	@$(PY) -m pip install -qq --require-hashes -r requirements/dev.txt
	@bash deploy/make-command.sh $(VENV)
	@touch $@ $(VENV)/.runtime

node_modules/.installed: package.json package-lock.json
	@bash deploy/node.sh npm ci --no-update-notifier --no-audit --no-fund --loglevel=error
	@touch $@

snippets/dist/meta.json: node_modules/.installed $(wildcard snippets/src/*.ts) snippets/build.mjs snippets/budget.json snippets/version.json
	@bash deploy/node.sh node snippets/build.mjs

widget/dist/meta.json: node_modules/.installed $(wildcard widget/src/*.ts widget/src/*.tsx widget/src/*.css widget/src/view/*.tsx) widget/build.mjs widget/budget.json
	@bash deploy/node.sh node widget/build.mjs

js: snippets/dist/meta.json widget/dist/meta.json widget/dist/extension/manifest.json ## build the browser scripts, the workplace and the extension, and check their budgets

widget/dist/extension/manifest.json: node_modules/.installed $(wildcard widget/extension/src/*.ts widget/extension/static/* widget/extension/static/_locales/*/*) widget/extension/build.mjs widget/extension/manifest.json
	@bash deploy/node.sh node widget/extension/build.mjs

extension: $(VENV)/.runtime widget/dist/extension/manifest.json ## pack the browser's extension for a server (SERVER=https://yclick.example)
	@$(if $(SERVER),YCLICK_PUBLIC_URL=$(SERVER)) $(PY) -m server extension

# --- checks, fastest first

fmt: $(VENV)/.dev node_modules/.installed ## format the code
	$(VENV)/bin/ruff format server tests e2e
	$(VENV)/bin/ruff check --fix server tests e2e
	bash deploy/node.sh npx biome check --write snippets widget

lint: $(VENV)/.dev node_modules/.installed ## lint, strict types, import rules
	$(VENV)/bin/ruff format --check server tests e2e
	$(VENV)/bin/ruff check server tests e2e
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	bash deploy/node.sh npx tsc --noEmit -p tsconfig.json
	bash deploy/node.sh npx biome check snippets widget

js-test: js ## tests of the scripts' pure parts
	bash deploy/node.sh npx vitest run --root snippets
	bash deploy/node.sh npx vitest run --root widget
	bash deploy/node.sh npx vitest run --root widget/extension

unit: $(VENV)/.dev ## pure tests
	$(PY) -m pytest tests/unit

integration: $(VENV)/.dev js ## with real PostgreSQL, Redis and fake vendors
	$(PY) -m pytest tests/integration tests/contract

faults: $(VENV)/.dev js ## kill -9, lost database, full spool: what was lost (SIZE=release: thousands of bookings, half an hour)
	FAULTS_SIZE=$(SIZE) $(PY) -m pytest tests/faults $(if $(filter release,$(SIZE)),-s)

e2e: $(VENV)/.dev js ## browser stories in Chromium, in a process of their own
	$(PY) -m pytest e2e

bench: $(VENV)/.dev js ## speed, as ratios to a baseline of the same run
	$(PY) -m tests.bench

docs: $(VENV)/.dev ## generated documents: .env.example
	@$(PY) -m server check --env-example > .env.example.new || { rm -f .env.example.new; exit 1; }
	@mv .env.example.new .env.example

deps: $(VENV)/.dev ## lock the requirements anew, with hashes
	$(PY) -m pip install -qq pip-tools
	for name in runtime embedded dev; do $(PY) -m piptools compile -q --generate-hashes --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements/$$name.txt requirements/$$name.in; done

check: system lint js-test ## what `make test` is
	$(PY) -m pytest tests
	$(PY) -m pytest e2e

clean: ## remove what was built; the data stays
	rm -rf $(VENV) node_modules snippets/dist widget/dist
