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
	$(BIN)/python -m training.contextual --base training/work/model --out training/work/first
	$(BIN)/python -m training.contextual --base training/work/model --start training/work/first --out training/work/teacher --far 256 --hidden 512 --share 0.4 --teaching 3 --steps 4000 --rate 0.0015
	$(BIN)/python -m training.bigrams --base training/work/model --teacher training/work/teacher --out training/work/bigrams
	$(BIN)/python -m training.name_bigrams --base training/work/bigrams --lists training/work/dictionaries/jmnedict_surname.en-ja.tsv.xz training/work/dictionaries/jmnedict_person.en-ja.tsv.xz --out training/work/samestory-static
	$(BIN)/python -m training.contextual --base training/work/samestory-static --out training/work/samestory-contextual --far 256 --hidden 512 --share 0.4 --teaching 3 --rate 0.0015

clean:
	rm -rf $(ENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
