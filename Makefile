# Everything a user or a contributor runs. Each target installs what it needs first.
.DELETE_ON_ERROR:
.PHONY: help setup build demo devnet chaos iproute2 test test-contracts test-rust seeds sim mutants fuzz model \
	check check-rust check-contracts contracts-audit gas fmt clean

CONTRACTS := contracts
FORGE     := scripts/forge
CARGO     ?= cargo

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(CONTRACTS)/node_modules/.installed ## install the pinned tools of Ethereum and TypeScript (npm ci)

$(CONTRACTS)/node_modules/.installed: $(wildcard $(CONTRACTS)/package*.json tests/openapi/package*.json)
	scripts/setup

build: ## build the quorate binary, optimised
	$(CARGO) build --release --locked -p quorate

demo: setup build ## run the main job end to end and verify it
	target/release/quorate demo $(ARGS)

devnet: setup build ## keep a local network running until Ctrl-C
	target/release/quorate devnet $(ARGS)

# MINUTES is how long; ARGS takes the command's other options.
chaos: setup build iproute2 ## a network under load and faults, judged (MINUTES=60 ARGS="--seed 7 --report chaos.json")
	target/release/quorate chaos --minutes $(or $(MINUTES),3) $(ARGS)

# Faults of links need root and iproute2. Without them the others are injected, and the report says what was left out.
iproute2:
	@if command -v ip >/dev/null && command -v tc >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -qq --no-install-recommends iproute2; \
	else echo "iproute2 is not installed: faults of links are left out"; fi

test: test-contracts test-rust ## every test: Solidity, unit, documentation, end to end

# The tests run on the committed bytecode, so they may themselves be compiled in seconds. What costs other gas than
# contracts/snapshots say, fails.
test-contracts: setup
	FOUNDRY_PROFILE=quick FORGE_SNAPSHOT_CHECK=true $(FORGE) test

test-rust: setup
	scripts/test-rust

# A seed that fails prints the command that replays it: make sim SEED=…
sim: ## whole groups in a seeded simulator, checked from outside (SEEDS=2000, or SEED=… for one with its trace)
	$(CARGO) run --release --locked -p quorate-sim --bin quorate-sim -- \
		$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000)) $(ARGS)

seeds: ## thousands of seeded runs of the consensus core with faults (SEEDS=3000)
	QUORATE_SEEDS=$(or $(SEEDS),3000) $(CARGO) test --locked -p quorate-pbft --test protocol seeds -- --nocapture

fuzz: ## every decoder under libFuzzer (RUNS=1000000 inputs each, TARGETS=… for some)
	scripts/fuzz run $(or $(RUNS),1000000) $(TARGETS)

mutants: ## one deliberate fault at a time in the simulator, until a checker finds it (SEEDS=2000)
	ulimit -v 8000000; $(CARGO) run --release --locked -p quorate-sim --features faults --bin mutants -- \
		--seeds $(or $(SEEDS),2000) $(ARGS)

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

gas: setup ## what a payment costs: by the log, on-chain, by a Safe, by a bare vote
	scripts/gas

contracts-audit: setup $(CONTRACTS)/.audit-venv/.installed ## slither and halmos on the contracts: findings explained, proofs hold
	scripts/audit

$(CONTRACTS)/.audit-venv/.installed: $(CONTRACTS)/audit/requirements.txt
	scripts/audit-setup

fmt: setup ## format everything
	$(CARGO) fmt --all
	$(FORGE) fmt

clean: ## remove what was built and installed
	$(CARGO) clean
	rm -rf $(CONTRACTS)/node_modules $(CONTRACTS)/.audit-venv $(CONTRACTS)/out $(CONTRACTS)/cache
