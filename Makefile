.PHONY: setup test test-all lint bench story peers docs

setup:
	python -m pip install -e ".[dev]"

test:
	python -m pytest -m "not long" -n 2 --dist loadfile

test-all:
	python -m pytest

lint:
	ruff check .
	ruff format --check .
	mypy
	python docs/reference.py --check

bench:
	python -m pytest benchmarks

story:
	python -m pytest benchmarks --story docs/performance.md

peers:
	python -m venv .venv-peers
	.venv-peers/bin/python -m pip install -r benchmarks/peers.txt

docs:
	python docs/reference.py
