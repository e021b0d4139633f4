# Every command a person types. `make` alone lists them.

# Python 3.11 is what CI runs; a newer one does. Where there is none, the doctor says so.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $$p && exit; \
	done; echo python3)

VENV := .venv
INSTALLED := $(VENV)/installed
RUN := $(VENV)/bin/python

# Tests run in this many lanes, each with a Ray of its own; a lab is never split between them.
LANES ?= 2
PYTEST := $(RUN) -m pytest --numprocesses $(LANES) --no-loadscope-reorder

.PHONY: help lab test test-all style bench install clean

help:
	@echo "make lab       install what is missing, start Ray, open the labs in JupyterLab"
	@echo "make test      run what CI runs: style, helpers, every notebook, every exercise; half an hour"
	@echo "make test-all  run every test there is, before a release; LAB=03: only those of that lab"
	@echo "make bench     measure Ray's tasks, the labs' searches, Tune's searchers and the views of Ray"
	@echo "make install   only install, into .venv"
	@echo "make clean     remove .venv and caches; your progress and MNIST stay"

lab: install
	@$(RUN) -m launch

test: style
	$(PYTEST)

test-all: style
	$(PYTEST) -m "" $(if $(LAB),--lab $(LAB))

style: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

bench: install
	$(RUN) -m benchmarks.core
	$(RUN) -m benchmarks.sweep
	$(RUN) -m benchmarks.rl
	$(RUN) -m benchmarks.searchers
	$(RUN) -m benchmarks.ui

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -m launch.doctor --before-install
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m launch.install
	@# It asks for news from the internet before the first cell.
	@$(VENV)/bin/jupyter labextension disable "@jupyterlab/apputils-extension:announcements" 2>/dev/null
	@$(RUN) -m helpers.mnist || true
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .ray-labs/*.log
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +
