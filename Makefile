# Everything that a newcomer, a developer or CI runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE := $(CURDIR)/.cache
PYTHON ?= python3
VENV := $(CACHE)/venv
BIN := $(VENV)/bin
COLLECTION := $(CACHE)/ansible_collections/virtops/kubevirt_ha
INVENTORY := $(CACHE)/lab/inventory.yml

export ANSIBLE_CONFIG := $(CURDIR)/playbooks/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)
export PATH := $(BIN):$(PATH)

.PHONY: help
help: ## Lists these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.made: $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes \
	  -r requirements/py$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
	@touch $@

.PHONY: venv
venv: $(VENV)/.made ## Makes the Python environment under .cache/venv

.PHONY: collection
collection: ## Copies the collection to where Ansible finds it
	@mkdir -p $(COLLECTION) && rm -rf $(CACHE)/collection.new && mkdir $(CACHE)/collection.new
	@git ls-files -z --cached --others --exclude-standard --deduplicate \
	  | tar --create --null --files-from=- --ignore-failed-read --warning=no-failed-read \
	  | tar --extract --directory=$(CACHE)/collection.new
	@rsync --archive --delete --checksum $(CACHE)/collection.new/ $(COLLECTION)/ && rm -rf $(CACHE)/collection.new

.PHONY: lock
lock: ## Writes the lock files of the Python dependencies anew
	@for minor in 3.11 3.12 3.13; do \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version $$minor \
	    --custom-compile-command "make lock" requirements/dev.in -o requirements/py$$minor.txt; done
