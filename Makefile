# The two commands are `make run` and `make test`; both do all the set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Programs that the tests start find the package compiled, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

# The tests run in as many processes as there are cores; WORKERS=0 runs them in one.
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: run test test-all test-extras test-browser lint format bench fuzz edits clean

run: $(VENV)/.installed
	@mkdir -p build
	$(BIN)/gradcheck run -q --output build/report.html --output build/report.txt
	@echo "The whole reports are in build/report.html and build/report.txt; $(BIN)/gradcheck --help has more."

test: $(VENV)/.test
	$(PYTEST)

# Every sweep in full, of which `make test` tries a sample.
test-all: $(VENV)/.test
	GRADCHECK_TEST_ALL=1 $(PYTEST)

test-extras: $(VENV)/.extras
	$(BIN)/python -m pytest tests/extras

# GRADCHECK_BROWSER names a Chromium that is there already; else playwright fetches its own.
test-browser: $(VENV)/.browser
	$(BIN)/python -m pytest tests/extras/test_browser.py -rs

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

# N checks over all families, one FAMILY, or one KIND; FAMILY and SEED without N show that one run.
fuzz: $(VENV)/.test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz \
		$(if $(N),--checks $(N)) $(if $(SEED),--seed $(SEED)) $(if $(FAMILY),--family $(FAMILY)) \
		$(if $(KIND),--kind "$(KIND)")

# N random edits of right backward passes: how often is the edited line found? NET is one file's.
edits: $(VENV)/.test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.edits --missed \
		$(if $(N),--edits $(N)) $(if $(SEED),--seed $(SEED)) $(if $(NET),--net $(NET))

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing numpy, scipy and what else is needed into $(VENV) ..."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[html]'
	touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

# This version has a CPU build; a plain torch brings gigabytes of GPU libraries along.
TORCH ?= torch==2.13.0

$(VENV)/.extras: pyproject.toml $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,parallel,fast,torch,jax]' distributed $(TORCH)
	touch $@

$(VENV)/.browser: pyproject.toml $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check playwright
	test -n "$$GRADCHECK_BROWSER" || $(BIN)/playwright install chromium || \
		echo "no browser was fetched: install chromium and set GRADCHECK_BROWSER to its path"
	touch $@

$(VENV)/.lint: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[lint]'
	touch $@ $(VENV)/.installed
