# make demo    set everything up and segment the sample scan: in a window, or headless without a display
# make test    set everything up and run the tests: first those that measure time, one by one, then the others in parallel
# make check   ruff, mypy, architecture, manifest, lengths of functions and files
# make bench   seconds and memory of one scan, stage by stage
# make clean   remove what the others made
#
# Everything goes to .venv. The first run takes minutes (torch is large), later ones start at once;
# the environment is made anew when setup.cfg changes.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SYSTEM := .make/system
INSTALLED := $(VENV)/.installed

HAS_DISPLAY := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname -s)))
# Evaluated when a recipe runs, because `setup` may have installed xvfb a moment before.
SCREEN = $(if $(shell command -v xvfb-run),xvfb-run -a -s "-screen 0 1600x1000x24",env QT_QPA_PLATFORM=offscreen)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench setup clean

demo: setup
ifneq ($(HAS_DISPLAY),)
	$(BIN)/napari-kidney-seg demo
else
	$(SCREEN) $(BIN)/napari-kidney-seg demo --output demo_output
endif

test: setup
	$(SCREEN) $(BIN)/python -m pytest -m alone
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/python -m pytest -m "not alone" --numprocesses auto --dist worksteal --durations=10

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/npe2 validate napari_kidney_seg/napari.yaml
	$(BIN)/python scripts/check_style.py
	$(SCREEN) $(BIN)/python -m pytest tests/test_architecture.py tests/test_packaging.py

bench: setup
	$(BIN)/python benchmarks/bench.py

setup: $(INSTALLED)

$(INSTALLED): setup.cfg | $(SYSTEM)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Found Python {v[0]}.{v[1]}; needed 3.11 or newer. Run make PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV): about 6 GB, several minutes the first time."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[all,testing]"
	touch $@

# Not a file while libraries are missing and only root could install them: then it is looked at every time.
$(SYSTEM): scripts/install_system_libraries.sh
	@bash scripts/install_system_libraries.sh $(PYTHON) $@

clean:
	rm -rf $(VENV) .make build dist demo_output .mypy_cache .pytest_cache .ruff_cache *.egg-info
