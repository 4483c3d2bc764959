# What is started by hand. `make` alone lists it; everything is installed into .venv on first use.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
TESTS_AT_ONCE ?= 2
# The checks import the settings; they get secrets and a database of their own.
CHECKED := RAINYMODEL_ENV=development RAINYMODEL_STATE_DIR=build/checks DATABASE_URL=

.DEFAULT_GOAL := help
.PHONY: help run test check style types imports migrations lengths locks fmt bench reliability chaos soak lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: $(INSTALLED) ## start the gateway on this machine: http://localhost:8080 (PORT=... for another port)
	@exec $(PYTHON) -m rainymodel_site.launch

test: $(INSTALLED_DEV) ## the whole test suite (ARGS="-k words" for a part)
	@$(PYTHON) bin/suite.py -q -n $(TESTS_AT_ONCE) --dist loadfile $(ARGS)

check: style types imports migrations lengths locks ## style, types, import rules, migrations, file lengths, locks

style: $(INSTALLED_DEV)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

types: $(INSTALLED_DEV)
	@$(CHECKED) $(PYTHON) -m mypy

imports: $(INSTALLED_DEV)
	@$(VENV)/bin/lint-imports

migrations: $(INSTALLED_DEV)
	@$(CHECKED) $(PYTHON) manage.py makemigrations --check --dry-run

lengths: $(INSTALLED_DEV)
	@$(PYTHON) bin/lengths.py

locks: $(INSTALLED_DEV)
	@$(PYTHON) bin/locks.py check

fmt: $(INSTALLED_DEV) ## put the code into the project's form
	@$(PYTHON) -m ruff check --fix-only --quiet .
	@$(PYTHON) -m ruff format .

bench: $(INSTALLED) ## measure the gateway against a fake upstream on this machine
	@$(PYTHON) -m bench $(ARGS)

reliability: $(INSTALLED_DEV) ## try what is promised when things go wrong, about an hour; writes docs/reliability.md
	@$(PYTHON) -m bench.reliability --write $(ARGS)

chaos: $(INSTALLED) ## 100,000 requests while workers are killed and Postgres is frozen
	@$(PYTHON) -m bench.reliability --only chaos $(ARGS)

soak: $(INSTALLED) ## half an hour of mixed load: does memory grow, is anything left open
	@$(PYTHON) -m bench.reliability --only soak $(ARGS)

lock: $(INSTALLED_DEV) ## write requirements*.txt anew from pyproject.toml (ARGS="--upgrade" for newer versions)
	@$(PYTHON) bin/locks.py write $(ARGS)

$(INSTALLED): requirements.txt bin/install
	@bin/install $(VENV) requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt requirements.txt bin/install
	@bin/install $(VENV) requirements-dev.txt
	@touch $@ $(INSTALLED)
