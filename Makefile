# Mote: `make demo` shows it, `make test` proves it. Everything else is `mote --help`.

.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(p) 2>/dev/null)))

# bash has a variable SECONDS of its own: only one given to make counts.
RUN_SECONDS := $(if $(filter command%,$(origin SECONDS)),$(SECONDS))

# The tests mostly wait: three files at a time take two cores, beside the one process that builds
# and tests the backend on Docker. ARGS="-n 0" runs one after the other.
SIDE_BY_SIDE := -n 4 --dist loadfile

# Without whole boards, hubs, browsers and Docker: tests/conftest.py says which files are `slow`.
QUICK := not slow and not netns and not browser and not node and not stack
QUICK_TESTS := tests/house tests/device tests/broker tests/host tests/hub tests/stack/test_engines.py

SOLVE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header

.PHONY: help demo test test-now engines check check-now bench soak pictures commands lock clean

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Broker, store, dashboard and four virtual boards; SECONDS=60 runs unattended
	@exec $(BIN)/mote demo $(if $(RUN_SECONDS),--seconds $(RUN_SECONDS))

test: $(READY) ## Everything that proves the project, installing what it needs
	@$(BIN)/python tests/measure.py time test_s $(MAKE) --no-print-directory test-now

test-now:
	@$(BIN)/python tests/system_packages.py
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python tests/engines.py
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

engines: $(READY) ## What the tests need and cannot make in passing; ONLY=soak for `make soak`
	@$(BIN)/python tests/engines.py --only "$(ONLY)"

check: $(READY) ## In two minutes: lint, types, and the tests of units and of the device's code
	@$(BIN)/python tests/measure.py time check_s $(MAKE) --no-print-directory check-now

check-now:
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)" $(QUICK_TESTS) $(ARGS)

bench: $(READY) ## Figures, beside those of others where there are any; ONLY=<prefix> for a part
	@$(BIN)/python tests/measure.py bench --only "$(ONLY)"

soak: $(READY) ## The long campaigns: fuzzing, power cuts; ONLY=<prefix> for a part
	@$(BIN)/python tests/measure.py soak --only "$(ONLY)"

pictures: $(READY) ## Take the pictures of the README anew from the real pages
	@$(BIN)/python -m pytest -q tests/e2e/test_demo_in_a_browser.py -k set_up
	@mkdir -p tests/pictures && cp build/pictures/*.png tests/pictures/

commands: $(READY) ## Write COMMANDS.md and the table of the README anew out of the commands
	@$(BIN)/python host/command_pages.py

lock: $(READY) ## Solve the versions in pyproject.toml anew into requirements.lock, and the image's
	@$(BIN)/pip -q install uv==0.13.8
	@$(SOLVE) --group dev pyproject.toml -o requirements.lock >/dev/null
	@cd docker/mote && ../../$(SOLVE) --constraint ../../requirements.lock requirements.in \
	    -o requirements.lock >/dev/null

clean: ## Remove the environment and everything built
	@rm -rf $(VENV) build

$(READY): requirements.lock pyproject.toml
	@host/make-environment "$(PYTHON)" $(VENV)
	@touch $@
