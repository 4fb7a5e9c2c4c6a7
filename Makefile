# Two commands set everything up on a machine with Python >= 3.11 and make: `make demo` and `make test`.

PYTHON ?= python3
# Any requirement that pip understands, for example TORCH='torch==2.13.0'.
TORCH ?= torch>=2.11
BIN := .venv/bin

.PHONY: demo test clean
.NOTPARALLEL:

demo: .venv/.ready
	$(BIN)/hdac demo --out demo

test: .venv/.ready
	$(BIN)/ruff check hdac tests experiments
	$(BIN)/ruff format --check hdac tests experiments
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf .venv demo
