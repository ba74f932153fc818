# Everything runs in a virtual environment that is made on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip install -qq --disable-pip-version-check

heading = @printf '\n== %s\n' '$(1)'

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test lint check wheel bench samples clean distclean

help:
	@echo 'make demo       compile a sample network, run it, compare it with ONNX Runtime'
	@echo 'make test       lint, tests, and a check of the installed wheel'
	@echo 'make lint       ruff, mypy and the import contracts only'
	@echo 'make bench      run the benchmarks that need no other files'
	@echo 'make samples    train the sample networks again (installs PyTorch)'
	@echo 'make clean      remove what building and testing left behind'
	@echo 'make distclean  the same, and the virtual environment'

setup: $(READY)

# Twice, because a long download may break once.
$(READY): pyproject.toml
	$(call heading,Setting up $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'elsac needs Python 3.11 or newer; name one: make PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev]' || $(PIP) -e '.[dev]'
	@touch $@

demo: $(READY)
	@mkdir -p build
	$(call heading,Compile a network of handwritten digits)
	$(BIN)/elsac compile samples/digits_cnn.onnx -o build/digits_cnn.bin
	$(call heading,Run it on images that it was not trained on)
	$(BIN)/elsac run build/digits_cnn.bin --input samples/digits.npz --labels label
	$(call heading,Compare its integers with the quantized network)
	$(BIN)/elsac verify samples/digits_cnn.onnx --input samples/digits.npz --labels label \
		--engine fast

test: lint check wheel
	$(call heading,All passed)

lint: $(READY)
	$(call heading,Style)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(call heading,Types)
	$(BIN)/mypy
	$(call heading,Import contracts)
	$(BIN)/lint-imports --no-logo

check: $(READY)
	$(call heading,Tests)
	$(BIN)/python -m pytest -q -n 2

wheel: $(READY)
	$(call heading,Wheel)
	PYTHON=$(BIN)/python tests/wheel/check.sh

bench: $(READY)
	$(call heading,Benchmarks)
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/alphabets.py
	$(BIN)/python benchmarks/schedules.py
	$(BIN)/python benchmarks/routing.py
	$(BIN)/python benchmarks/mesh.py
	$(BIN)/python benchmarks/networks.py

samples: $(READY)
	$(call heading,Sample networks)
	$(PIP) -e '.[samples]' || $(PIP) -e '.[samples]'
	$(BIN)/python -m samples.train
	$(BIN)/python -m samples.train_detection
	$(BIN)/python -m samples.train_vit
	$(BIN)/python -m samples.train_text

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find elsac samples tests benchmarks -depth \( -name __pycache__ -o -name Output \) \
		-exec rm -rf {} + 2>/dev/null || true
	find tests -name .lit_test_times.txt -delete

distclean: clean
	rm -rf $(VENV)
