# The project's commands. Each does its own set-up in .venv; nothing outside this folder is touched but the
# user's cache of compiled programs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# make runs a recipe that names its own variable even in a dry run (make -n), which must train nothing.
AGAIN := $(MAKE)

.PHONY: help demo test lint docs faults format clean
help:
	@echo "make demo     install, run the sweep 'quick', draw figures and a report (about 8 minutes)"
	@echo "make test     every check: format, lint, types, layers, tests (a quarter of an hour on two cores)"
	@echo "make docs     build the documentation site, docs/_build/html/index.html (about 3 minutes)"
	@echo "make faults   kill, damage and starve sweeps 200 times, and count what is lost (an hour on a busy machine)"
	@echo "make format   put the code into the project's form"
	@echo "make clean    remove the environment and caches; results stay"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("modbench needs Python 3.11 or newer, but $(PYTHON) is " + sys.version.split()[0] + ". Choose another: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "creating the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMPS)/run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing modbench into $(VENV), which takes a minute or two the first time"
	@$(PIP) --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing modbench and its development tools into $(VENV)"
	@$(PIP) --editable '.[dev]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/run

$(STAMPS)/docs: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing modbench and what its documentation is built with into $(VENV)"
	@$(PIP) --editable '.[docs]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/run

# Runs that diverged are recorded and counted (exit code 1); what there is gets drawn all the same.
demo: $(STAMPS)/run
	@$(BIN)/modbench run quick --out results/quick; status=$$?; test $$status -le 1 || exit $$status; \
	$(AGAIN) --no-print-directory --silent results/quick/report.html && \
	echo "figures in results/quick/figures, report in results/quick/report.html" && exit $$status

# Publishing a cohort changes this folder: pictures are drawn again when there is something new to draw.
results/quick/report.html: results/quick/cohorts
	@$(BIN)/modbench figures results/quick
	@$(BIN)/modbench report results/quick

results/quick/cohorts: ;

lint: $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --cache-dir .pytest_cache/imports

test: lint
	$(BIN)/pytest --numprocesses 2 --dist worksteal

docs: $(STAMPS)/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "the site is docs/_build/html/index.html"

faults: $(STAMPS)/dev
	PYTHONPATH=tests $(BIN)/python -m faults.storm --count 200

format: $(STAMPS)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) docs/_build docs/made .pytest_cache .ruff_cache .hypothesis src/*.egg-info
