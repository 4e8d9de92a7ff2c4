# Needs make and Python 3.11 or later; no root, no AWS account. Everything it makes stays in this folder.
#
#   make demo    a local AWS estate, its first discovery, and the dashboard       (ARGS="--port 8600")
#   make dev     the same, and pages reload when a file is saved
#   make test    all tests                                                       (ARGS="-k scan")
#   make test-fast  those without server, browser, killed process or real database
#   make check   lint, format, types
#   make bench   benchmarks
#   make lock    pin requirements.txt and requirements-dev.txt anew
#   make clean   remove .venv and all caches

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-input
COMPILE := $(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --annotation-style=line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

EXTRAS := --extra dashboard --extra lambda --extra sandbox --extra test

TYPED := dashboard.py discovery lambda pages sandbox simulation ssm tests $(wildcard benchmarks/*.py)

# The newest Python that the pinned packages are tested with, best one that can make a virtual
# environment; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for needed in 'sys, ensurepip' sys; do \
	for candidate in python3.13 python3.12 python3.11 python3 python; do \
	$$candidate -c "import $$needed; sys.exit(sys.version_info < (3, 11))" 2>/dev/null \
	&& echo $$candidate && exit; done; done)

.PHONY: help demo dev test test-fast check bench lock clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.runtime
	@$(BIN)/python -m discovery demo $(ARGS)

dev: $(VENV)/.dev
	@$(BIN)/python -m discovery demo --reload --no-browser $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile \
		-m "not (server or browser or kill or zoo or slow)" $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --explicit-package-bases $(TYPED)

bench: $(VENV)/.dev
	@for benchmark in probe discovery reconcile wire; do \
		echo "$$benchmark"; $(BIN)/python -m benchmarks.$$benchmark || exit 1; done

lock: $(VENV)/.dev
	$(COMPILE) $(EXTRAS) --output-file=requirements.txt pyproject.toml
	$(COMPILE) $(EXTRAS) --extra dev --constraint requirements.txt --output-file=requirements-dev.txt pyproject.toml

clean:
	rm -rf "$${TMPDIR:-/tmp}/database-discovery-hosts-$$(id -u)"
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment: a stamp file for each set of requirements ---
# While something is installed there is no stamp .runtime, and without one the environment is made
# anew: so the next `make` recovers from an installation that was interrupted.

ifeq ($(wildcard $(BIN)/python),)
$(shell rm -f $(VENV)/.runtime)
endif

define MAKE_VENV
test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later was found on PATH." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 2; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "error: PYTHON=$(PYTHON) is not Python 3.11 or later." >&2; exit 2; }; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "error: $(PYTHON) cannot make virtual environments: its module venv or ensurepip is missing." >&2; \
	echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }; \
$(PYTHON) -m venv --clear $(VENV)
endef

$(VENV)/.runtime: requirements.txt
	@test -e $@ || { $(MAKE_VENV); }
	@echo "Installing dependencies into $(VENV) (700 MB, once)" >&2
	@rm -f $@
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing test and lint tools into $(VENV) (200 MB, once)" >&2
	@rm -f $(VENV)/.runtime
	@$(PIP) -r requirements-dev.txt
	@touch $(VENV)/.runtime $@
