# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3.11
ENV := .venv
BIN := $(ENV)/bin
INDEX ?= indexes/default
PORT ?= 8000

.PHONY: run test check setup setup-browser eval train clean

run: $(ENV)/.installed
	$(BIN)/samestory ingest seeds --index $(INDEX)
	$(BIN)/samestory clusters --index $(INDEX)
	@echo
	$(BIN)/samestory variants port-strike-01.en --index $(INDEX)
	@echo
	$(BIN)/samestory report --format html -o report.html --index $(INDEX)
	$(BIN)/samestory serve --port $(PORT) --index $(INDEX)

test: $(ENV)/.installed setup-browser check
	$(BIN)/python -m pytest

check: $(ENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(ENV)/.installed

$(ENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[models,training,test]'
	touch $@

# Tests open the pages in Debian's Chromium; the fonts are for looking at Japanese.
setup-browser:
	command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk)

eval: $(ENV)/.installed
	$(BIN)/samestory eval

train: $(ENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[teacher]'
	$(BIN)/python -m training.dictionaries --out training/work/dictionaries
	$(BIN)/python -m training --data ../shared/data/parallel training/work/dictionaries --tokenizer align/models/samestory-static/tokenizer.json

clean:
	rm -rf $(ENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
