# Every target does all of its own set-up: Python 3.11 or later and make are enough.
# make test PYTHON=python3.12      chooses the interpreter
# make test ARGS="-m 'not slow'"   hands arguments on to the job

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
RUN := $(VENV)/bin/python

# What the fuzz of make nightly is to do
FUZZ ?= --seed 0 --fits 20000 --cvs 1000

.PHONY: help demo test nightly lint docs peers clean
# Two installations into one environment at a time would break it.
.NOTPARALLEL:

help:
	@echo "make demo    compare the estimators with what one would use without them"
	@echo "make test    run the tests"
	@echo "make nightly run what takes longer: scikit-learn's checks, a fuzz"
	@echo "make lint    check style, spelling and types"
	@echo "make docs    build the documentation in docs/_build/html"
	@echo "make peers   a second environment for the peers of benchmarks/board.py"
	@echo "make clean   remove the virtual environment and everything cached"

demo: $(VENV)/.installed
	$(RUN) benchmarks/compare.py $(ARGS)

test: $(VENV)/.installed
	$(RUN) -m pytest -n 2 --dist loadfile $(ARGS)

nightly: $(VENV)/.installed
	$(RUN) -m pytest -m nightly $(ARGS)
	$(RUN) -m tests.fuzz $(FUZZ)

lint: $(VENV)/.installed-lint
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m codespell_lib
	$(RUN) -m mypy

docs: $(VENV)/.installed-docs
	$(RUN) -m sphinx -W --keep-going -q -b html docs docs/_build/html

# adelie needs numpy < 2, the multi-task classes of celer need scikit-learn 1.6
peers: $(PEERS)/.installed

$(PEERS)/.installed: Makefile
	@"$(PYTHON)" -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check \
		"adelie==1.1.52" "celer==0.7.4" "scikit-learn==1.6.1" "numpy<2"
	@touch $@
	@echo "now: python benchmarks/board.py --peer-python $(PEERS)/bin/python"

$(VENV)/.installed: EXTRAS := report,test
$(VENV)/.installed-lint: EXTRAS := dev
$(VENV)/.installed-docs: EXTRAS := docs
$(VENV)/.installed $(VENV)/.installed-lint $(VENV)/.installed-docs: pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "'$(PYTHON)' is not there:" \
		"install Python 3.11 or later, or name it: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"mtlreg needs Python 3.11 or later, '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1):" \
		"name another one: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo \
		"'$(PYTHON)' cannot create virtual environments (no ensurepip or venv): on" \
		"Debian and Ubuntu install python3-venv, or name another Python:" \
		"make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing mtlreg[$(EXTRAS)] into $(VENV) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@$(RUN) -m pip install -q --disable-pip-version-check \
		-c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .coverage
	rm -rf docs/_build docs/gallery docs/generated docs/sg_execution_times.rst
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
