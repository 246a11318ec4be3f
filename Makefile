# Every target sets up what it needs: a virtual environment in .venv, filled again only when pyproject.toml or the pins change.
# A Python >= 3.11 is looked for; name another with `make PYTHON=/path/to/python3 test`.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTHON ?=
PYTEST := $(BIN)/pytest -n auto --maxprocesses=4

.DELETE_ON_ERROR:
.PHONY: help test lint demo bench fuzz docs clean

help:
	@echo 'make demo    set up, and show the command line on a small made-up game'
	@echo 'make test    set up, and check everything: style, types, imports, tests, the built wheel'
	@echo 'make lint    the part of it that takes seconds: style, types, imports'
	@echo 'make bench   measure against what one would use instead'
	@echo 'make fuzz    the tests of hostile input, with many more examples'
	@echo 'make docs    build the documentation into site/'
	@echo 'make clean   remove everything that make made'

test: lint
	$(PYTEST) --hypothesis-profile=ci
	$(BIN)/python tests/smoke_wheel.py

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

demo: $(VENV)/.run
	$(BIN)/oboromi demo

bench: $(VENV)/.test
	@set -e; for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

fuzz: $(VENV)/.test
	$(PYTEST) --hypothesis-profile=fuzz -m fuzz

docs: $(VENV)/.docs
	$(BIN)/python tools/gen_format_docs.py
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find oboromi_fs formats tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems split ensurepip off; there the host's pip brings one in.
$(BIN)/python:
	@set -e; \
	for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    echo "setting up $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV) >/dev/null 2>&1 && exit 0; \
	    "$$python" -m venv --clear --without-pip $(VENV); \
	    "$$python" -m pip --python $@ install --quiet pip; \
	    exit 0; \
	done; \
	echo 'Python 3.11 or later is needed; name it with `make PYTHON=/path/to/python3`' >&2; exit 1

# .run: what the package itself needs.  .test, .docs: that, and the extra of the same name.
$(VENV)/.run: pyproject.toml constraints-dev.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints-dev.txt --editable .
	@touch $@

$(VENV)/.test $(VENV)/.docs: $(VENV)/.%: pyproject.toml constraints-dev.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints-dev.txt --editable '.[$*]'
	@touch $@
