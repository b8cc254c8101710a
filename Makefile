# Both commands set themselves up: only Python >= 3.11, make and the package registry are needed.
#   make demo    a whole small corpus with the embedded model
#   make test    the tests
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint schemas clean

demo: $(VENV)/.installed
	$(BIN)/plugdata demo

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schemas: $(VENV)/.installed
	for name in recipe rows manifest; do $(BIN)/plugdata schema $$name > schemas/$$name.schema.json; done

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "plugdata needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,local]'
	@touch $@

clean:
	rm -rf $(VENV) build corpora/demo
