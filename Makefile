# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The front door. Every target sets up what it needs and is cheap the second time.
# Variables: PYTHON=<interpreter for .venv>  ARGS="<arguments passed on>"  SCENARIO=<one molecule scenario>
#   ANSIBLE_CORE=<series, such as 2.18, or newest: in .venv instead of the locked one>

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
# The parts of `make test` share one machine: ports, containers, .venv.
.NOTPARALLEL:

# Ansible, mypy and pytest know a collection by its place below ansible_collections/, a clone may lie anywhere.
COLLECTION := .build/collections/ansible_collections/microservices/redis

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Only this clone and what .venv brings: another copy in the user's home must not be the one that is tested.
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.build/collections

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

##### Use

.PHONY: quickstart quickstart-down
quickstart: venv-run ## bring up a secured Redis cluster, a cache and a session store on loopback
	@ansible-playbook microservices.redis.quickstart $(ARGS)

quickstart-down: venv-run ## stop and remove what quickstart started
	@ansible-playbook microservices.redis.quickstart -e quickstart_state=absent $(ARGS)

##### Test

.PHONY: test lint sanity unit integration molecule soak bench
test: venv-test ## lint, unit, sanity, integration and molecule with a summary; -k goes on after a failure
	@scripts/run_parts.py $(if $(findstring k,$(firstword -$(MAKEFLAGS))),--keep-going) \
		lint unit sanity integration molecule

# One target each, so that `make -k lint` shows all there is to mend and `make lint-mypy` is quick.
LINTERS := lint-ruff lint-format lint-mypy lint-yaml lint-ansible lint-docs lint-changelog lint-own
.PHONY: $(LINTERS)
$(LINTERS): venv-test
lint: $(LINTERS) ## ruff, mypy, yamllint, ansible-lint, antsibull and this project's own checks; -k shows all
lint-ruff: ; ruff check
lint-format: ; ruff format --check
lint-mypy: ; mypy
lint-yaml: ; yamllint --strict .
lint-ansible: ; ansible-lint
lint-docs: ; antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
lint-changelog: ; antsibull-changelog lint
lint-own: ; pytest tests/lint $(ARGS)

sanity: venv-test ## what ansible-test sanity can run without a container
	scripts/sanity.sh $(ARGS)

unit: venv-test ## the pure core, without Ansible and without a server
	pytest tests/unit $(ARGS)

# What depends on the server runs on a second series, too.
SERVER_TESTS := $(addprefix tests/integration/test_,redis_*.py server_*.py secured_*.py)
OTHER_SERIES := 8.0
integration: venv-test redis-server ## modules and playbooks on real servers (REDIS_SERVER=<program> for that one only)
	pytest tests/integration $(ARGS)
ifndef REDIS_SERVER
	@program=$$(tests/images/redis-server $(OTHER_SERIES)) || { status=$$?; ((status == 3)) || exit $$status; \
		echo 'integration tests on Redis $(OTHER_SERIES): no container engine to build it with' | tee -a "$${SKIPPED:-/dev/null}"; exit 0; }; \
	REDIS_SERVER=$$program pytest $(SERVER_TESTS) $(ARGS)
endif

# The collection's own role installs it, and says what to do where it may not.
.PHONY: redis-server
redis-server: venv-test
	@command -v "$${REDIS_SERVER:-redis-server}" >/dev/null || { echo 'There is no redis-server: role redis_server installs it.'; \
		ansible localhost -m ansible.builtin.include_role -a name=microservices.redis.redis_server \
		-e '{"redis_server_admin_password": "unused", "redis_server_kernel": false, "redis_server_logrotate": false}' \
		> .build/redis-server.log || { cat .build/redis-server.log; exit 1; }; }

molecule: venv-test ## the roles on container hosts with systemd (SCENARIO=x for one)
	scripts/molecule.py $(SCENARIO)

soak: venv-test redis-server ## the long proofs, which `test` leaves out
	pytest -m soak tests $(ARGS)

bench: venv-test redis-server ## side-by-side runs against other ways of doing it (ARGS=--quick proves they work)
	@shopt -s nullglob; for benchmark in benchmarks/[!_]*.py; do echo "== $$benchmark"; \
		PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH) python "$$benchmark" $(ARGS); done

##### Publish

.PHONY: docs build
docs: venv-test lint-docs ## check the documentation and render the reference into .build/docs
	mkdir -p .build/docs
	antsibull-docs collection --use-current --squash-hierarchy --output-format simplified-rst \
		--dest-dir .build/docs microservices.redis

build: venv-run ## the collection tarball, in .build/dist
	ansible-galaxy collection build --force --output-path .build/dist

##### Upkeep

.PHONY: lock clean venv-run venv-test
# --universal: one lock for every Python that is supported; no index address, each machine has its own.
LOCK := .build/uv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade
lock: venv-run ## refresh requirements/*.txt from requirements/*.in
	python -m venv .build/uv && .build/uv/bin/pip install -qq uv
	$(LOCK) requirements/run.in --output-file requirements/run.txt
	$(LOCK) requirements/test.in --output-file requirements/test.txt

clean: ## remove everything made here; refuses while a quickstart is up
	@! test -e .quickstart || { echo "Run 'make quickstart-down' first: .quickstart exists." >&2; exit 1; }
	rm -rf .venv .build .ansible .hypothesis

venv-run venv-test: venv-%: $(COLLECTION)
	@scripts/venv.sh $*

$(COLLECTION):
	@mkdir -p $(@D) && ln -sfn ../../../.. $@
