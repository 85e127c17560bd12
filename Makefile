# Everything that a newcomer, an operator or CI calls. Each target does the set-up that it needs.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# What the tests need of Debian, and what the benchmarks need besides.
TEST_PACKAGES  := gcc libc6-dev postgresql redis-server prometheus pocl-opencl-icd clpeak
BENCH_PACKAGES := golang-go golang-google-grpc-dev golang-github-grpc-ecosystem-go-grpc-prometheus-dev \
                  golang-github-prometheus-client-golang-dev golang-goprotobuf-dev protobuf-compiler nghttp2-client

# What builds images.
ENGINE ?= podman

INSTALLED := node_modules/.package-lock.json

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

.PHONY: run
run: build ## Run agent and broker here, joined; with simulated GPUs where there are none
	bin/gpubroker up

$(INSTALLED): package.json package-lock.json
	npm ci
	@touch $@

.PHONY: build
build: $(INSTALLED) ## Build dist/, which bin/gpubroker runs
	npm run --silent build

.PHONY: test
test: build ## Run every test with coverage
	npm test

.PHONY: soak
soak: build ## Run the tests with their full counts; keeps what they print under docs/measurements
	npm run --silent soak

.PHONY: check
check: $(INSTALLED) ## Lint, types, contracts, freshness of generated code
	npm run --silent check

.PHONY: audit
audit: $(INSTALLED) ## Look up known vulnerabilities of the dependencies (needs a registry that answers)
	npm audit --audit-level=low

.PHONY: images
images: ## Build the images gpubroker-node and gpubroker (needs podman, or ENGINE=docker)
	$(ENGINE) build --file deploy/Containerfile --target node --tag gpubroker-node .
	$(ENGINE) build --file deploy/Containerfile --target broker --tag gpubroker .

.PHONY: sbom
sbom: $(INSTALLED) ## List what the program is made of: dist/sbom.cdx.json, in CycloneDX
	npm run --silent sbom

.PHONY: bench
bench: build ## Measure the budgets against their peers (needs bench-system-deps)
	npm run --silent bench

.PHONY: bench-broker
bench-broker: build ## Measure the broker: search, telemetry, a fleet's events, node streams
	npm run --silent bench:broker

.PHONY: bench-market
bench-market: build ## Measure the market: matching, durable trades, orders through the API, restart
	npm run --silent bench:market

.PHONY: gpu-check
gpu-check: $(INSTALLED) ## Run the CUDA kernels on the GPUs of this machine, and report
	@node scripts/gpu-check.ts

.PHONY: kernels
kernels: $(INSTALLED) ## Make the PTX of the CUDA kernels again (needs nvcc)
	node scripts/kernels.ts

.PHONY: generate
generate: $(INSTALLED) ## Generate src/wire from proto/, and the options that the chart takes
	npm run --silent generate

.PHONY: format
format: $(INSTALLED) ## Format the code
	npm run --silent format

.PHONY: system-deps
system-deps: ## Install what the tests need of Debian (as root)
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES)

.PHONY: bench-system-deps
bench-system-deps: ## Install what the benchmarks need of Debian (as root)
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $(BENCH_PACKAGES)

.PHONY: clean
clean: ## Remove what was built
	rm -rf dist coverage .cache
