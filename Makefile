# make demo    a sample project, embedded, in the app on http://127.0.0.1:7860
# make test    the same environment, all tests
# make check   lint, format and types
# make torture tries to break every promise, half an hour; writes tests/torture/README.md
# make bench   every wait against the floor and the usual tools; 40 minutes, 20 GB, writes benchmarks/RESULTS.md
# make bench-labels   how many answers it takes, against other strategies; some 15 minutes, writes benchmarks/RESULTS.md
# make bench-seen     what the built-in encoder sees, beside other encoders; some 10 minutes, writes benchmarks/RESULTS.md
# make encoder        trains the built-in encoder anew; about an hour on two cores, writes imlcull_al/builtin
PYTHON ?= python3
BIN := .venv/bin
PHOTOS ?= ../shared/photos
MODEL ?= ../shared/models/vit-tiny-patch16-224

.PHONY: demo test check format torture bench bench-labels bench-seen encoder

demo: .venv/ready
	$(BIN)/python -m imlcull_al demo demo_project

test: .venv/ready-tests
	$(BIN)/python -m pytest

check: .venv/ready-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torture: .venv/ready-tests
	$(BIN)/python -m tests.torture

bench: .venv/ready-bench
	$(BIN)/python -m benchmarks.speed --photos $(PHOTOS) --model $(MODEL) $(if $(WORK),--work $(WORK)) $(if $(ONLY),--only $(ONLY))

bench-labels: .venv/ready-bench
	$(BIN)/python -m benchmarks.labels --photos $(PHOTOS) --model $(MODEL)

bench-seen: .venv/ready-bench
	$(BIN)/python -m benchmarks.seen --photos $(PHOTOS) --teacher $(MODEL)

encoder: .venv/ready
	$(BIN)/python -m recipe --photos $(PHOTOS) --teacher $(MODEL)

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("imlcull needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

.venv/ready-tests: tests/requirements.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch .venv/ready $@

.venv/ready-bench: benchmarks/requirements.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement benchmarks/requirements.txt
	touch .venv/ready $@
