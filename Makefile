# Everything that this repository does by command. `make install` needs a package index; the rest works offline.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(wildcard plugins/*/*/pyproject.toml))
KERNELS := kernels/pyproject.toml $(wildcard kernels/src/faceport_kernels/*.c)
PACKAGES := $(notdir $(wildcard core/src/* kernels/src/* plugins/*/*/src/* examples/*/src/*))
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
SOURCES := $(subst $(SPACE),:,$(wildcard core/src kernels/src plugins/*/*/src examples/*/src))
PROCESSORS ?= Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm
ARITHMETIC := $(wildcard tests/plugins/test_saturation.py tests/plugins/test_target_*.py) tests/plugins/test_pipnet.py
STAMP := $(VENV)/.installed

export FACEPORT_CACHE ?= $(CURDIR)/.cache

.PHONY: install demo test quick attack kill lint processors bench clean

install: $(STAMP)

# The core and every plugin with its extras, editable, in one environment; and the weights of the demo, while
# there is a network. Where there is no C compiler, the kernels are installed without what would be compiled.
$(STAMP): constraints.txt requirements-dev.txt tools/requirements.py core/pyproject.toml $(KERNELS) $(PLUGINS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "setuptools>=77" wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement requirements-dev.txt \
		--editable "core[torch,testing]" --editable ./kernels $(shell $(PYTHON) tools/requirements.py)
	-$(BIN)/python tools/demo.py --fetch
	touch $@

demo: install
	$(BIN)/python tools/demo.py

test: install lint
	$(BIN)/python -m pytest tests -n auto
	$(BIN)/python -m pytest --pyargs faceport.testing -p no:cacheprovider -n auto

quick: install
	$(BIN)/python -m pytest tests -m "not slow" -x -n auto

# The readers of files from outside, given a million damaged ones, and a service given 15,000 damaged requests;
# `make test` has some twenty thousand and 300 of them.
attack: install
	FACEPORT_ATTACK=50 $(BIN)/python -m pytest tests/attack/test_readers.py tests/attack/test_service.py -n auto

# Two hundred times kill -9 at random moments over run, sweep, compile, prepare, predict and fetch; some twenty
# minutes. `make test` has six of them.
kill: install
	FACEPORT_KILLS=200 $(BIN)/python -m pytest tests/attack/test_kills.py -n auto

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(SOURCES) $(BIN)/mypy $(addprefix --package=,$(filter-out %.egg-info,$(PACKAGES)))

# What 8 bits and float32 give, once more as processors that this machine is not: Debian's qemu-user emulates
# AVX2 without VNNI. It has no AVX512 and no VNNI: for those, run `make test` on a machine that has them.
processors: install
	for cpu in $(PROCESSORS); do \
		echo "== $$cpu"; \
		qemu-x86_64 -cpu $$cpu $(BIN)/python -m pytest -p no:cacheprovider $(ARITHMETIC) || exit 1; \
	done

# Every benchmark; the table of benchmarks/README.md is made of what they claim.
bench: install
	$(BIN)/python tools/bench.py

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache runs out
