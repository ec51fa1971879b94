# Everything that a user or contributor runs. `make help` lists it.
#
# Build products go to a cache outside the checkout, so that a fresh clone does not compile RocksDB again.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/assent/target

CARGO  := cargo
# One profile for the program, the tests and the measurements: RocksDB is compiled once.
FLAGS  := --release --locked
ASSENT := $(CARGO_TARGET_DIR)/release/assent
SECONDS_PER_RUN ?= 10

.DEFAULT_GOAL := help
.PHONY: help setup build demo orders waitlist word-count message-soak test test-long canaries simulate lab campaign history lint deny verify fix bench real-data doc

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## Check for what the build needs, and install it where that is possible
	@sh scripts/setup.sh

build: setup ## Build the program
	$(CARGO) build $(FLAGS) -p assent

demo: build ## Watch a university enrol while nodes are killed, and have everything verified
	$(ASSENT) demo

ORDERS ?= 3000
orders: build ## Process $ORDERS orders of widgets while every process is killed, and account for every widget and cent
	$(CARGO) build $(FLAGS) -p assent-client --example orders
	$(CARGO_TARGET_DIR)/release/examples/orders --assent $(ASSENT) --orders $(ORDERS) $(ORDERS_OPTIONS)

test: setup ## Run all tests
	$(CARGO) test $(FLAGS) --workspace

test-long: setup ## Run what takes long: 100,000 simulated clusters, the deep model, and the kill tests with 50 rounds each
	ASSENT_SEEDS=100000 $(CARGO) test $(FLAGS) -p assent-lab --test simulator -- --nocapture
	ASSENT_DEEP=1 $(CARGO) test $(FLAGS) -p assent-lab --test model -- --nocapture further_states
	ASSENT_ROUNDS=50 $(CARGO) test $(FLAGS) -p assent --test kills -- --nocapture --test-threads 1

canaries: setup ## Break each rule of the protocol on purpose, and see what notices it
	$(CARGO) test $(FLAGS) -p assent-lab --features canaries --test canaries -- --nocapture

SEEDS ?= 10000
simulate: setup ## Simulate clusters under every fault, one for each of $SEEDS, as 1000 or 5000..6000
	$(CARGO) build $(FLAGS) -p assent-lab
	$(CARGO_TARGET_DIR)/release/assent-lab simulate --seeds $(SEEDS)

lab: setup ## Build the fault lab, and list what it can do
	$(CARGO) build $(FLAGS) -p assent -p assent-lab
	$(CARGO_TARGET_DIR)/release/assent-lab --help

CAMPAIGN ?= runs/campaign
campaign: setup ## Attack real clusters with every fault for an hour and a half, or go on with that; the table is $CAMPAIGN/table.md
	$(CARGO) build $(FLAGS) -p assent -p assent-lab -p assent-lab-shim
	$(CARGO_TARGET_DIR)/release/assent-lab campaign --out $(CAMPAIGN) $(CAMPAIGN_OPTIONS)

OPERATIONS ?= 100000
HISTORY ?= runs/history-$(OPERATIONS)
history: setup ## Write a history of $OPERATIONS operations under all faults, for Elle: $HISTORY/history.edn
	$(CARGO) build $(FLAGS) -p assent -p assent-lab -p assent-lab-shim
	$(CARGO_TARGET_DIR)/release/assent-lab attack --workload list_append --nemesis passing --operations $(OPERATIONS) \
		--seconds 7200 --processes 32 --clients 4 --pause-ms 0 --out $(HISTORY)

lint: setup ## Check format, lints and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(FLAGS) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(FLAGS) --workspace --no-deps

deny: ## Check the licences, advisories and sources of all dependencies; needs cargo-deny and the network
	$(CARGO) deny --locked check

verify: lint test ## Read everything and change nothing: lint and test

fix: ## Write what can be written: format, lint suggestions
	$(CARGO) clippy $(FLAGS) --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

bench: build ## Measure enrolments per second with 1, 16, 64 and 256 clients, and on one hot course
	@for clients in 1 16 64 256; do $(ASSENT) bench --clients $$clients --seconds $(SECONDS_PER_RUN); done
	@echo "one hot course:"
	@$(ASSENT) bench --clients 64 --courses 1 --seconds $(SECONDS_PER_RUN)

DATA ?= ../shared/data
real-data: build ## Import real enrolment data from $DATA, calm and under kills, and compare every count
	@sh scripts/real-data.sh $(ASSENT) $(DATA)

# Tests that are whole programs; as tests they are small.
ROUNDS ?= 3
waitlist: setup ## Have students wait for full courses while everything is killed $ROUNDS times, and check every place and notice
	ROUNDS=$(ROUNDS) $(CARGO) test $(FLAGS) -p assent --test waitlist

WORDS ?= 200000
word-count: setup ## Count $WORDS words, or those of the file $TEXT, by map and reduce while everything is killed, and compare
	WORDS=$(WORDS) TEXT='$(abspath $(TEXT))' $(CARGO) test $(FLAGS) -p assent --test word_count

MESSAGES ?= 100000
BATCH ?= 128
PAUSE_MS ?= 500
message-soak: setup ## Send $MESSAGES over two hops while everything is killed, and count each; $BATCH of them in one transaction
	MESSAGES=$(MESSAGES) BATCH=$(BATCH) PASS_BATCH=$(BATCH) PAUSE_MS=$(PAUSE_MS) \
		$(CARGO) test $(FLAGS) -p assent --test message_soak

doc: setup ## Build the documentation of all crates
	$(CARGO) doc $(FLAGS) --workspace --no-deps
