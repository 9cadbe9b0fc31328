# What can be done with this checkout: `make help`. Every target installs first what it needs, so any of them can be the first
# command on a fresh machine. One needs make, npm (any Node.js), git and a network.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Node.js 24 comes from npm, pinned by digest, when the one on PATH is older, or 24.21.0, which the daemon refuses; npm itself then
# runs under it too.
node_is_new := $(shell node --version 2>/dev/null | grep -E '^v(2[4-9]|[3-9][0-9])\.' | grep -vxF v24.21.0)
NODE := $(if $(node_is_new),,scripts/node/node_modules/.package-lock.json)
MODULES := node_modules/.package-lock.json
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/scripts/node/node_modules/.bin:$(PATH)
# Colours only where a person looks on.
export NO_COLOR := $(if $(MAKE_TERMOUT),$(NO_COLOR),1)

IMAGE := proto/stint.binpb
# Three folders deep, as in the package: scripts/pack/bundle.ts.
TEST_PROGRAMS := build/test/programs
PYTHON_TOOLS := build/python-tools
PIP := $(PYTHON_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check
NPM_CI := npm ci --ignore-scripts --loglevel=error

##@ Start here

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(MODULES) ## Node.js 24 (if yours is older) and the packages, as locked; runs no install scripts

.PHONY: demo
demo: install ## a broker, a runtime, an agent and a verifier: one step opened, used, closed and refused
	@node scripts/demo.ts

.PHONY: attacks
attacks: install ## eight attacks, each against a key and a role check, and against Stint; writes docs/attacks from the run
	@node scripts/attacks.ts

.PHONY: dev
dev: install console ## a throw-away broker to develop against
	@scripts/stint dev

##@ Change

.PHONY: fmt
fmt: install ## format, sort imports, apply the safe fixes of the linter
	@biome check --write .

.PHONY: generate
generate: install ## src/gen from proto
	@buf generate

.PHONY: generate-python
generate-python: $(PYTHON_TOOLS)/installed ## the messages of clients/python from proto; needs python3
	@$(PYTHON_TOOLS)/bin/python -B clients/python/generate.py

.PHONY: generate-go
generate-go: install ## the messages of clients/go from proto; needs go
	@buf generate --template clients/go/buf.gen.yaml

.PHONY: console
console: install ## dist/console, the operators' web page, for a broker that is run from this checkout
	@vite build --config src/console/vite.config.ts --logLevel warn

.PHONY: chromium
chromium: ## the browser that tests of the console use, from Debian's packages, where it is missing; as root
	@command -v chromium > /dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; }

.PHONY: machines
machines: ## systemd's containers, in which tests boot a machine, from Debian's packages, where they are missing; as root
	@command -v systemd-nspawn > /dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd-container > /dev/null; }

.PHONY: emulator
emulator: ## what runs the executable for arm64 on another machine, from Debian's packages, where it is missing; as root
	@command -v qemu-aarch64-static > /dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross > /dev/null; }

.PHONY: settings
settings: install ## docs/settings.md from the schema that checks stint.yaml
	@node scripts/settings-page.ts

.PHONY: scale
scale: install ## docs/scale.md from measured costs, formulas and simulations
	@node scripts/scale.ts

.PHONY: proto-image
proto-image: install ## accept the contract as it now is: what `make proto` compares later changes with
	@buf build --exclude-source-info -o $(IMAGE)

.PHONY: watch
watch: install ## rerun tests as files change; ONLY=test/domain narrows it, here and in `make test`
	@vitest watch $(ONLY)

##@ Check

# The longest first, two at a time: each of them fills one core. The tests fill all.
STATIC_CHECKS := packages types lint deadcode imports generated format-check proto

.PHONY: check
check: install ## everything that CI checks, each to its end
	@status=0; \
	  $(MAKE) --keep-going --jobs=2 --output-sync=target $(STATIC_CHECKS) || status=$$?; \
	  $(MAKE) test || status=$$?; \
	  exit $$status

.PHONY: format-check
format-check: install ## is everything formatted?
	@biome format .

.PHONY: lint
lint: install ## the linter; a warning is an error
	@biome lint --error-on-warnings .

.PHONY: types
types: install ## the type checker, tests and must-not-compile cases included
	@tsc
	@tsc -p src/console

.PHONY: imports
imports: install ## who may import whom, proven on planted violations
	@node scripts/check-imports.ts

.PHONY: deadcode
deadcode: install ## files, exports and packages that nothing uses
	@knip --no-progress

.PHONY: proto
proto: install ## the contract: its style, and that no change breaks a client
	@buf lint
	@buf breaking --against $(IMAGE)

.PHONY: generated
generated: install ## is src/gen what proto says?
	@rm -rf build/generated
	@buf generate --output build/generated
	@diff -rq src/gen build/generated/src/gen || { echo "src/gen is not what proto says: run \`make generate\`" >&2; exit 1; }

.PHONY: packages
packages: install ## build both packages as tarballs, install them elsewhere, import and run what they promise
	@node scripts/check-packages.ts

.PHONY: image
image: install ## dist/image/stint.oci.tar: the container image, built without a container runtime; needs Debian or its like; ARCHITECTURE=x64|arm64 for another than this
	@node scripts/image.ts dist/image/stint.oci.tar $(ARCHITECTURE)

.PHONY: release
release: install ## dist/release: npm and Debian packages, what is in them, digests; the same bytes from the same checkout; RELEASE_KEY=<OpenSSH private key> signs the digests; ARCHITECTURE=x64|arm64 for one of both
	@node scripts/release.ts $(ARCHITECTURE)

.PHONY: test
test: install ## the tests, with the programs bundled as they are shipped; ONLY=test/domain narrows them. Left to others: the largest of conformance, all of faults, most of release-tests
	@node scripts/bundle-for-tests.ts $(TEST_PROGRAMS)
	@STINT_PROGRAMS=$(TEST_PROGRAMS) $(if $(ONLY),,STINT_TESTS=most) vitest run $(ONLY)

.PHONY: conformance
conformance: install ## the standards: their MUSTs, vectors, foreign libraries as clients and verifiers (Go, Java, Python, Rust, openssl), and the suite of MCP
	@vitest run test/conformance test/e2e/external-policy.test.ts

.PHONY: python
python: install ## the Python package alone: built as a wheel, installed, type-checked and tested
	@vitest run test/clients/python

.PHONY: go
go: install ## the Go module alone: a copy of it vetted and tested, with the race detector, and at a real broker
	@cd clients/go && go test -race ./...
	@vitest run test/clients/go

.PHONY: simulate
simulate: install ## 10,000 random lives of a broker; SEEDS=<n> for another number, FC_SEED=<seed> to replay one
	@FC_RUNS=$(or $(SEEDS),10000) FC_STATS=1 vitest run test/simulation

.PHONY: faults
faults: install ## every fault of docs/faults.md in full: 200 kills, 10,000 connections, …; as root; ONLY=test/faults/daemon-kill.test.ts narrows it
	@STINT_FAULTS=full vitest run --no-file-parallelism $(or $(ONLY),$(shell grep -oE 'test/[a-z0-9/-]+\.test\.ts' docs/faults.md | sort -u))

.PHONY: release-tests
release-tests: machines emulator install ## a release for both processors, twice, the same bytes; what is for arm64 under an emulator; every way of upgrading
	@STINT_RELEASE=whole vitest run test/release test/upgrade

.PHONY: mutants
mutants: install ## a folder's code, broken in every small way: which breaks does no test notice? ONLY=src/decide TESTS=… FRESH=1
	@node scripts/mutants.ts "$(ONLY)" $(TESTS)

.PHONY: bench
bench: install ## how fast it is on this machine; needs go; BASE=<commit> compares with that one, in ROUNDS=5 rounds, ROWS=jwt,open alone; POLICIES=1 or GUARD=1 measures these alone
	@node scripts/bench.ts $(if $(BASE),--base '$(BASE)') $(if $(POLICIES),--policies) $(if $(GUARD),--guard) $(if $(ROWS),--rows '$(ROWS)') $(if $(CALLERS),--callers '$(CALLERS)') $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(OUTPUT),--output '$(OUTPUT)')

.PHONY: bench-history
bench-history: install ## what a page of history costs as a ledger grows, up to EVENTS=1000000
	@node scripts/bench/paging.ts $(if $(EVENTS),--events '$(EVENTS)')

.PHONY: bench-report
bench-report: install ## what a report of a whole ledger takes, of EVENTS=1000000 and a hundredth of it
	@node scripts/bench/reports.ts $(if $(EVENTS),--events '$(EVENTS)')

.PHONY: bench-pruning
bench-pruning: install ## what a snapshot and a pruning take, whom they keep waiting, and what they give back, of EVENTS=300000
	@node scripts/bench/pruning.ts $(if $(EVENTS),--events '$(EVENTS)')

.PHONY: bench-nats
bench-nats: install ## when verifiers on NATS refuse after a close, 100 of them and VERIFIERS=100000, and what a close costs the broker; needs go
	@node scripts/bench/nats.ts $(if $(VERIFIERS),--verifiers '$(VERIFIERS)') $(if $(CLOSES),--closes '$(CLOSES)')

.PHONY: bench-large
bench-large: install ## what a broker is like on a ledger of EVENTS=10000000, next to one on an empty ledger; needs go
	@node scripts/bench/large.ts $(if $(EVENTS),--events '$(EVENTS)') $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench-console
bench-console: install ## how fast the console is in Chromium, and what ten open ones cost the broker
	@node scripts/bench/console.ts $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench-console-large
bench-console-large: install ## what the pages of the console take on a ledger of EVENTS=10000000
	@node scripts/bench/console-large.ts $(if $(EVENTS),--events '$(EVENTS)')

.PHONY: bench-executable
bench-executable: install ## what commands take to start, of the executable next to the package under Node.js; ROUNDS=30
	@node scripts/bench/executable.ts $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench-postgres
bench-postgres: install ## what a log in PostgreSQL costs next to SQLite, and what two replicas of it do; needs go
	@node scripts/bench/postgres.ts $(if $(ROUNDS),--rounds '$(ROUNDS)')

.PHONY: bench-scale
bench-scale: install ## what the model of docs/scale.md is made of, by the broker's own code: STEPS=1000000 open, DENIALS=1300000 in force
	@node --max-old-space-size=12288 scripts/bench/scale.ts $(if $(STEPS),--steps '$(STEPS)') $(if $(DENIALS),--denials '$(DENIALS)')

.PHONY: bench-python
bench-python: $(PYTHON_TOOLS)/installed ## what the Python verifier costs next to PyJWT
	@$(PIP) --no-deps --no-build-isolation --force-reinstall ./clients/python
	@GRPC_VERBOSITY=NONE $(PYTHON_TOOLS)/bin/python -B clients/python/bench.py

##@ Clean

.PHONY: tidy
tidy: ## remove what builds, checks and tests leave behind
	@for base in build/base/*/; do [ ! -d "$$base" ] || git worktree remove --force "$$base" || true; done
	@rm -rf build dist coverage

# npm writes these files last, so they say that an install was completed.
$(MODULES): package-lock.json package.json src/sdk/package.json .npmrc $(NODE)
	@$(NPM_CI)
	@touch $@

$(PYTHON_TOOLS)/installed: clients/python/requirements.txt
	@python3 -m venv $(PYTHON_TOOLS)
	@$(PIP) --only-binary :all: --no-deps --requirement clients/python/requirements.txt
	@touch $@

scripts/node/node_modules/.package-lock.json: scripts/node/package-lock.json scripts/node/package.json
	@cd scripts/node && $(NPM_CI)
	@touch $@
