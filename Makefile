# With Python 3.11 or newer and make, `make demo` and `make test` work in a fresh clone: the first call sets up .venv.
#
# Without a GPU the CPU build of PyTorch is enough, and gigabytes smaller where PyPI's is built for CUDA:
#     make demo TORCH_INDEX=ADDRESS     (the CPU index that PyTorch names on its install page)
# An own PyTorch stays as it is: make the environment, install it there, then call make.

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(VENV)/constraints.txt

.PHONY: help demo test test-slow lint format docs clean

help:  ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 11

demo: $(VENV)/run.stamp  ## phantom X-rays, a plain and a guided classifier, and demo/report.html
	$(BIN)/sightline demo

test: $(VENV)/dev.stamp  ## run the tests, but for those that train for minutes
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not slow"

test-slow: $(VENV)/dev.stamp  ## run the tests that train for minutes
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/dev.stamp  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/dev.stamp  ## mend the style where that can be done by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/docs.stamp  ## build the site, docs/_build/index.html; DOCS="-D plot_gallery=0" runs no examples
	$(BIN)/sphinx-build --quiet --jobs auto --fail-on-warning --keep-going $(DOCS) docs docs/_build

clean:  ## remove the environment and what the tools left behind; runs and the demo stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build docs/gallery docs/reference/generated

$(VENV)/run.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "error: Sightline needs Python 3.11 or newer, got %d.%d; name one, as in: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "setting up $(VENV); this is done once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@own=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true); \
	pinned=$$(sed -n 's/^torch==//p' constraints.txt); \
	case "$$own" in \
	"" | "$$pinned" | "$$pinned"+*) cat constraints.txt ;; \
	*) sed '/^torch/d' constraints.txt; echo "torch==$$own" ;; \
	esac > $(VENV)/constraints.txt
	@$(PIP) 'pip>=25.1'
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	@$(PIP) --group test --group lint
	@$(PIP) --no-deps lxt
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp
	@$(PIP) --group docs
	@touch $@
