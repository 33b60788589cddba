.PHONY: setup test test-all lint bench docs

setup:
	python -m pip install -e ".[dev]"

test:
	python -m pytest -m "not long"

test-all:
	python -m pytest

lint:
	ruff check .
	ruff format --check .
	mypy
	python docs/reference.py --check

bench:
	python -m pytest benchmarks

docs:
	python docs/reference.py
