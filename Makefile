# Both commands set themselves up: only Python >= 3.11, make and the package registry are needed.
#   make demo    a whole small corpus with the embedded model
#   make test    the tests
# And for those who change an export: each trainer, in an environment of its own, reads what is written for it.
#   make test-exports                   all that install; some GB
#   make test-exports TRAINERS=trl      one
# And for those who train on a corpus: train_ref's scripts, in an environment of their own that has no plugdata.
#   make test-train                     their tests
#   make train-demo                     a small real model on the demo's corpus, before and after: train_ref/RESULTS.md
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TRAINERS ?= trl llama_factory torchtune

.PHONY: demo test test-exports exports test-train train-demo lint schemas clean

demo: $(VENV)/.installed
	$(BIN)/plugdata demo

test: lint
	$(BIN)/python -m pytest

test-exports: $(TRAINERS:%=test-exports-%)

test-exports-%: build/%/.installed exports
	HF_HUB_OFFLINE=1 HF_HOME=build/hf build/$*/bin/python -m tests.exports.with_$* build/exports

exports: $(VENV)/.installed
	$(BIN)/python -m tests.exports.made build/exports

TRAIN = HF_HUB_OFFLINE=1 HF_HOME=build/hf build/train/bin/python

test-train: build/train/.installed $(VENV)/.installed
	$(BIN)/python -m tests.exports.lessons build/lessons
	TRAIN_DIST=build/lessons $(TRAIN) -m pytest -c train_ref/pytest.ini train_ref/tests

train-demo: build/train/.installed demo
	build/train/bin/python -m pip install --quiet gguf sentencepiece protobuf
	gguf=$$($(BIN)/python -c 'from plugdata import assets; print(assets.fetch(assets.QWEN_SMALL))') && \
		$(TRAIN) train_ref/demo.py "$$gguf" corpora/demo/dist build/train-demo train_ref/RESULTS.md train.max_steps=40

build/train/.installed: train_ref/requirements.txt
	$(PYTHON) -m venv build/train
	build/train/bin/python -m pip install --quiet torch==2.13.0
	build/train/bin/python -m pip install --quiet --requirement $<
	@touch $@

# a torchvision that does not fit torch (its CPU build has none in the registry) breaks transformers; none is fine
build/%/.installed: tests/exports/%.txt
	$(PYTHON) -m venv build/$*
	build/$*/bin/python -m pip install --quiet torch==2.13.0
	build/$*/bin/python -m pip install --quiet --requirement $<
	build/$*/bin/python -c 'import torchvision' 2>/dev/null || \
		build/$*/bin/python -m pip uninstall --quiet --yes torchvision torchaudio
	@touch $@

.PRECIOUS: build/%/.installed

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schemas: $(VENV)/.installed
	for name in recipe rows manifest; do $(BIN)/plugdata schema $$name > schemas/$$name.schema.json; done

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "plugdata needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,local]'
	@touch $@

clean:
	rm -rf $(VENV) build corpora/demo
