# Strom. `make` alone lists the verbs.

export CGO_ENABLED ?= 0
GO ?= go
PKG ?= ./...
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Packages whose code runs on many goroutines. Of the simulated clusters, which are five times slower under the race
# detector, it sees one of each shape.
CONCURRENT = $(shell $(GO) list ./internal/... ./stromtest/... | grep -v /internal/simtest)

# Makes the locks of franz-go such that a testing/synctest bubble's time goes on while somebody waits for one.
BUBBLES := -tags synctests

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build bin/strom and start a broker on localhost:9092 with its data under ./strom-data
	@exec bin/strom start

.PHONY: build
build: ## build bin/strom
	@$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/strom ./cmd/strom

.PHONY: test
test: ## run every test that needs nothing but Go
	@$(GO) test $(BUBBLES) $(TESTFLAGS) $(PKG)

.PHONY: race
race: ## run the tests of the concurrent packages under the race detector (needs a C compiler)
	@CGO_ENABLED=1 $(GO) test $(BUBBLES) -race $(TESTFLAGS) $(CONCURRENT)
	@CGO_ENABLED=1 $(GO) test $(BUBBLES) -race $(TESTFLAGS) -run 'TestSimulation$$' ./internal/simtest

.PHONY: lint
lint: ## vet, format, style, and the law of imports in ARCHITECTURE.md
	@$(GO) -C tools build -o ../bin/importlaw ./importlaw
	@bin/importlaw ARCHITECTURE.md
	@$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

.PHONY: interop
interop: build ## test with foreign clients and with Apache Kafka itself, installing what that needs
	@interop/run bin/strom

.PHONY: interop-all
interop-all: build ## the same, with every mixed cluster and Apache Kafka's own tests of several nodes
	@interop/run bin/strom all

.PHONY: kafka-tests
KAFKATESTS ?= @one-broker
kafka-tests: build ## Apache Kafka's own tests against bin/strom, in both layouts (KAFKATESTS='@cluster CLASS ...')
	@LAYOUT=$${LAYOUT:-both} interop/kafka/run bin/strom $(KAFKATESTS)

.PHONY: bench
bench: build ## measure against Apache Kafka, side by side, as ratios
	@$(GO) run ./bench

.PHONY: bench-cluster
bench-cluster: build ## the same with three nodes of each: throughput, latency, and produce after kill -9
	@$(GO) run ./bench -suite cluster

.PHONY: bench-storage
bench-storage: build ## the rows of storage: small batches with fsync over many partitions, compaction, 10,000 partitions
	@$(GO) run ./bench -suite storage

.PHONY: bench-coordinators
bench-coordinators: build ## the rows of groups and transactions: joins and rebalances, commits, transactions
	@$(GO) run ./bench -suite coordinators

.PHONY: torture
TORTURE ?= -time 60s
torture: build ## break a cluster of processes while clients write and read (TORTURE='-time 10m -faults kill')
	@$(GO) run ./torture $(TORTURE)

.PHONY: sim
SEEDS ?= 3
FIRST ?= 1
sim: ## simulate clusters under faults on virtual time, SEEDS of each kind (3), from seed FIRST on (1)
	@$(GO) test $(BUBBLES) ./internal/simtest -run 'TestSimulation|TestThreeNodes' -timeout 1h -args -seeds $(SEEDS) -seed $(FIRST)

.PHONY: gobench
gobench: ## run the Go benchmarks of the hot paths
	@$(GO) test -run '^$$' -bench . -benchmem $(PKG)

.PHONY: fuzz
FUZZTIME ?= 30s
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@tools/fuzz $(FUZZTIME)

.PHONY: mutants
mutants: ## show that the simulation of the quorum finds the mistakes it is for (minutes)
	@$(GO) test -tags mutation -run TestMutations ./internal/kraft

.PHONY: clean
clean: ## remove what was built, never data
	@rm -rf bin
