# Everything a user or a contributor runs. Each target installs what it needs first.
.DELETE_ON_ERROR:
.PHONY: help setup build demo devnet test test-contracts test-rust seeds fuzz model check check-rust check-contracts fmt clean

CONTRACTS := contracts
FORGE     := scripts/forge
CARGO     ?= cargo

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(CONTRACTS)/node_modules/.installed ## install the pinned Ethereum tools (npm ci)

$(CONTRACTS)/node_modules/.installed: $(CONTRACTS)/package-lock.json $(CONTRACTS)/package.json
	scripts/setup

build: ## build the quorate binary, optimised
	$(CARGO) build --release --locked -p quorate

demo: setup build ## run the main job end to end and verify it
	target/release/quorate demo $(ARGS)

devnet: setup build ## keep a local network running until Ctrl-C
	target/release/quorate devnet $(ARGS)

test: test-contracts test-rust ## every test: Solidity, unit, documentation, end to end

test-contracts: setup
	$(FORGE) test

test-rust: setup
	scripts/test-rust

seeds: ## thousands of seeded runs of the consensus core with faults (SEEDS=3000)
	QUORATE_SEEDS=$(or $(SEEDS),3000) $(CARGO) test --locked -p quorate-pbft --test protocol seeds -- --nocapture

fuzz: ## every decoder under libFuzzer (RUNS=1000000 inputs each, TARGETS=… for some)
	scripts/fuzz run $(or $(RUNS),1000000) $(TARGETS)

# stateright keeps every state in memory; the limit keeps a larger STATES from taking the whole machine.
model: ## the consensus core under a model checker, to the depth of minutes (STATES=8000000)
	ulimit -v 8000000; $(CARGO) run --release --locked -p quorate-model -- $(or $(STATES),8000000)

check: check-rust check-contracts ## formatting, lints and documentation, with warnings denied

check-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check bans licenses sources; \
	else echo "cargo-deny is not installed: bans, licences and sources are not checked"; fi

check-contracts: setup
	$(FORGE) fmt --check
	FOUNDRY_PROFILE=lint $(FORGE) lint --deny warnings

fmt: setup ## format everything
	$(CARGO) fmt --all
	$(FORGE) fmt

clean: ## remove what was built and installed
	$(CARGO) clean
	rm -rf $(CONTRACTS)/node_modules $(CONTRACTS)/out $(CONTRACTS)/cache
