# make demo           opens a sample project in the app on http://127.0.0.1:7860
# make quick          tests for everyday work, under a minute: all but those that drive a browser, start a Ray cluster,
#                     or are slow for a good reason, such as a training or processes of their own
# make test           runs all tests, of Python and of the page's JavaScript
# make check          checks lint, format and types
# make format         fixes lint and format
# make torture        fault injection against every promise, on a Ray cluster and by floods of requests too, which make
#                     test leaves out; half an hour, writes tests/torture/README.md
# make bench          latency against its floor and the usual tools; 40 minutes, 20 GB, writes benchmarks/RESULTS.md
# make bench-labels   labels needed, against other strategies; about 15 minutes, writes benchmarks/RESULTS.md
# make bench-seen     the built-in encoder against other encoders; about 10 minutes, writes benchmarks/RESULTS.md
# make encoder        retrains the built-in encoder; about an hour on two cores, writes imlcull_al/builtin
PYTHON ?= python3
BIN := .venv/bin
PHOTOS ?= ../shared/photos
MODEL ?= ../shared/models/vit-tiny-patch16-224

# pip's output stays visible, because a download may take long. $(1): requirements; $(2): cost with PyTorch's CPU build.
define install
@echo 'Installing $(1) into .venv, once: some $(2), the downloads not counted; more with the CUDA libraries of Linux'
$(BIN)/python -m pip install --requirement $(1)
endef

.PHONY: demo quick test check format torture bench bench-labels bench-seen encoder

demo: .venv/ready
	@echo 'Making 360 sample photos and embedding them, some 20 seconds; then the page opens on http://127.0.0.1:7860'
	$(BIN)/python -m imlcull_al demo demo_project

quick: .venv/ready-tests
	$(BIN)/python -m pytest -m 'not slow and not ray and not browser'

test: .venv/ready-tests
	$(BIN)/python -m pytest

check: .venv/ready-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/oxlint --deny-warnings

format: .venv/ready-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torture: .venv/ready-tests
	$(BIN)/python -m tests.torture

bench: .venv/ready-bench
	$(BIN)/python -m benchmarks.speed --photos $(PHOTOS) --model $(MODEL) $(if $(WORK),--work $(WORK)) $(if $(ONLY),--only $(ONLY))

bench-labels: .venv/ready-bench
	$(BIN)/python -m benchmarks.labels --photos $(PHOTOS) --model $(MODEL)
	$(BIN)/python -m benchmarks.classes --photos $(PHOTOS) --model $(MODEL)

bench-seen: .venv/ready-bench
	$(BIN)/python -m benchmarks.seen --photos $(PHOTOS) --teacher $(MODEL)

encoder: .venv/ready
	$(BIN)/python -m recipe --photos $(PHOTOS) --teacher $(MODEL)

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("imlcull needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo 'Making a virtual environment in .venv, some 10 seconds'
	$(PYTHON) -m venv .venv

.venv/ready: requirements.txt | .venv/bin/python
	$(call install,requirements.txt,2 minutes and 1.7 GB)
	touch $@

.venv/ready-tests: tests/requirements.txt requirements.txt | .venv/bin/python
	$(call install,tests/requirements.txt,3 minutes and 2.6 GB)
	touch .venv/ready $@

.venv/ready-bench: benchmarks/requirements.txt requirements.txt | .venv/bin/python
	$(call install,benchmarks/requirements.txt,minutes and gigabytes)
	touch .venv/ready $@
