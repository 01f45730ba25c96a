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
PROGRESS := $(CACHE)/lab/run/progress.log

export ANSIBLE_CONFIG := $(CURDIR)/playbooks/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)
export PATH := $(BIN):$(PATH)

.PHONY: help
help: ## Lists these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.made: $(wildcard requirements/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/it")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends python3-venv; \
	  else echo "Python's venv module is missing: install the package python3-venv, or set PYTHON=/path/to/a/python" >&2; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
	  -r requirements/py$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
	@touch $@

.PHONY: venv
venv: $(VENV)/.made ## Makes the Python environment under .cache/venv

.PHONY: collection
collection: ## Copies the collection to where Ansible finds it
	@mkdir -p $(dir $(COLLECTION)) && new=$$(mktemp -d $(CACHE)/collection.XXXXXX) && chmod 755 $$new \
	  && git ls-files -z --cached --others --exclude-standard --deduplicate \
	     | tar --create --null --files-from=- --ignore-failed-read --warning=no-failed-read \
	     | tar --extract --directory=$$new \
	  && mkdir $$new.old && { mv $(COLLECTION) $$new.old/ 2>/dev/null || true; } \
	  && mv $$new $(COLLECTION) && rm -rf $$new.old

.PHONY: lab
lab: venv collection ## Boots the lab: nodes, BMCs, registry; KUBEVIRT_ARCHIVE=/path gives a KubeVirt other than the stand-in, MONITORING=true a Prometheus a node
	@install -d $(CACHE)/lab && install -d -m 700 $(dir $(PROGRESS)) && : >$(PROGRESS) && { tail -n 0 -F $(PROGRESS) 2>/dev/null & } && trap "kill $$!" EXIT && set -x \
	&& ansible-playbook playbooks/lab.yml $(if $(KUBEVIRT_ARCHIVE),-e lab_kubevirt_archive=$(abspath $(KUBEVIRT_ARCHIVE))) $(if $(MONITORING),-e lab_monitoring=$(MONITORING))

.PHONY: demo
demo: lab ## The whole product on this machine: a platform, virtual machines, a power loss, a report
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/site.yml
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/readmit_nodes.yml
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/demo_vms.yml
	@# What was laid out a moment ago may still falter once: it is waited for, where a drill would refuse.
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/failover_drill.yml -e '{"failover_drill_times": {"whole_wait": 120}}'
	@cat reports/latest/summary.txt

RUNS ?= 5
.PHONY: drill
drill: venv collection ## Repeats the drill on the running lab, RUNS times; medians go to reports/drills.json
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/failover_drill.yml -e failover_drill_runs=$(RUNS)

.PHONY: drill-nodes
drill-nodes: venv collection ## Takes each node of the running lab in turn; the worst figures go to reports/platform.json
	$(BIN)/ansible-playbook -i $(INVENTORY) playbooks/failover_drill.yml -e failover_drill_each_node=true \
	  -e '{"failover_drill_budget": {"api_gap_seconds": 1.5, "vip_gap_seconds": 1.5, "write_stall_seconds": 10, "requests_failed_beyond_gap": 0}}'

.PHONY: lab-destroy
lab-destroy: venv collection ## Ends the lab; what was built or downloaded stays under .cache
	$(BIN)/ansible-playbook playbooks/lab.yml -e lab_state=absent

.PHONY: clean-cache
clean-cache: lab-destroy ## Ends the lab and empties .cache
	rm -rf $(CACHE)

.PHONY: test
test: venv collection ## Every check that this machine allows, linters first; says what it left out and why
	@$(BIN)/python tests/run.py

.PHONY: test-long
test-long: venv collection ## What takes too long for every run, on what `make lab` and `make demo` lay out; writes docs/test-long.md
	@$(BIN)/python tests/run.py long

.PHONY: lint sanity unit integration scenario e2e
lint: venv collection ## Style, types, YAML, ansible-lint, documentation, build
	@$(BIN)/python tests/run.py lint
sanity: venv collection ## ansible-test sanity
	@$(BIN)/python tests/run.py sanity
unit: venv collection ## Planners, parsers, timelines, with plain data
	@$(BIN)/python tests/run.py unit
integration: venv collection ## Modules and the stand-in on a real kube-apiserver; `make lab` builds it
	@$(BIN)/python tests/run.py integration
scenario: venv collection ## Molecule on the nodes of the running lab
	@$(BIN)/python tests/run.py scenario
e2e: venv collection ## The demo from nothing to the report, and the lab's end
	@$(BIN)/python tests/run.py e2e

.PHONY: docs
docs: venv ## Writes docs/reference.md, the variables of all roles, from their argument specs
	@$(BIN)/python docs/reference.py

.PHONY: bench
bench: venv collection ## Measures the modules and the inventory beside their peers; figures go to reports/bench.json
	@PYTHONPATH=tests/benchmarks:tests/integration/contract:$(CACHE) $(BIN)/python -m kubevirt_bench

.PHONY: lock
lock: ## Writes the lock files of the Python dependencies anew
	@for minor in 3.11 3.12 3.13; do \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --python-version $$minor \
	    --custom-compile-command "make lock" requirements/dev.in -o requirements/py$$minor.txt; done
