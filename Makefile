# What people do with this project. `make run` and `make test` need Rust (rustup), Node 20+ and Python 3 on Debian or
# Ubuntu; everything else they install by themselves, into this folder where possible.

CARGO ?= cargo
PARLOUR = $(or $(CARGO_TARGET_DIR),target)
VENV = .tools/venv

.PHONY: help run build web test lint deny test-rust test-browser test-python test-bandwidth bench paths fuzz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: web ## Build everything, start a server on http://localhost:7880 and print three join links
	$(CARGO) build --profile trial -p parlour-cli
	$(PARLOUR)/trial/parlour serve --config config/development.toml --demo

build: web ## Build the server for use: target/release/parlour
	$(CARGO) build --release -p parlour-cli

web: crates/web/client/dist/index.html ## Build the session page

WEB_SOURCES := $(shell find crates/web/client -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print)
crates/web/client/dist/index.html: $(WEB_SOURCES)
	cd crates/web/client && npm ci --no-fund --no-audit && npm run build
	touch $@

test: lint test-rust test-bandwidth test-python test-browser ## Install what tests need and run every test

lint: web ## Formatting, compiler and clippy warnings
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

test-rust: web ## Unit, property, simulated-network and whole-system tests
	$(CARGO) test --workspace

test-bandwidth: ## A subset of the bandwidth bench; fails when a target that was met is lost
	$(CARGO) run --release -p parlour-benches --no-default-features --features bandwidth --bin bandwidth -- --subset

$(VENV)/installed: tests/python/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt
	touch $@

$(PARLOUR)/debug/parlour: web FORCE
	$(CARGO) build -p parlour-cli
FORCE:

test-python: $(VENV)/installed $(PARLOUR)/debug/parlour ## LiveKit's own Python client against a running server
	PARLOUR_BIN=$(abspath $(PARLOUR)/debug/parlour) $(VENV)/bin/python -m unittest discover -s tests/python

test-browser: $(PARLOUR)/debug/parlour ## Chromium and Firefox against a running server
	tests/browser/setup
	cd tests/browser && PARLOUR_BIN=$(abspath $(PARLOUR)/debug/parlour) npm test

deny: .tools/bin/cargo-deny ## Licences, sources and duplicates of dependencies
	.tools/bin/cargo-deny check bans licenses sources

.tools/bin/cargo-deny:
	$(CARGO) install cargo-deny --locked --root .tools

bench: ## Cost of forwarding beside its floor, as a table and JSON
	$(CARGO) run --release -p parlour-benches --bin forwarding -- --json forwarding.json

paths: $(PARLOUR)/debug/parlour ## Real browsers over bad lines, ours beside Chromium's own call (root, Linux)
	tests/browser/setup
	mkdir -p tests/browser/artifacts
	cd tests/browser && PARLOUR_BIN=$(abspath $(PARLOUR)/debug/parlour) node paths.mjs --json artifacts/paths.json

fuzz: ## Try every parser of outside bytes for a minute each (nightly compiler)
	cd fuzz && ./run.sh

clean: ## Remove what was built and installed
	$(CARGO) clean
	rm -rf .tools crates/web/client/dist crates/web/client/node_modules tests/browser/node_modules
