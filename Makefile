# Nex: build, check and test. "make help" lists what there is to make.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules
.DEFAULT_GOAL := help

# Knobs, to be set on the command line: make fuzz FUZZTIME=5m
GO        ?= go
PKGS      ?= ./...
PARALLEL  ?= 2
TIMEOUT   ?= 20m
TESTFLAGS ?=
FUZZ      ?= .
FUZZTIME  ?= 30s
BENCH     ?= .

# The version is the last tag v1.2.3 without its v; for a later commit, as build metadata, how many
# there were since and which it is: 1.2.3+4.gabcdef0. Without a tag the one in doc.go holds.
VERSION = $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed -E 's/^v//; s/-([0-9]+)-(g[0-9a-f]+)$$/+\1.\2/')

# The version is in the stamp, so the state of the working tree is left out: the same source gives
# the same program, also without git.
BUILD   := $(GO) build -trimpath -buildvcs=false
LDFLAGS := $(if $(VERSION),-X github.com/nex-engine/nex.Version=$(VERSION))

# V8 is in the agent for linux, which needs cgo and a C++ compiler. It is linked statically, so that
# it runs in any sandbox; for arm64 all but the C library is, whose table of addresses V8 outgrows.
HOST       := $(shell $(GO) env GOOS)-$(shell $(GO) env GOARCH)
AGENT_TAGS := -tags netgo,osusergo
AGENT_LINK-linux-amd64 := -linkmode external -extldflags -static
AGENT_LINK-linux-arm64 := -linkmode external -extldflags "-static-libstdc++ -static-libgcc"

# The program of gVisor's sandboxes runs on linux alone, as the init of virtual machines does.
SANDBOX-linux := bin/runsc bin/nex-init

# Where programs must build: every combination, without cgo.
SYSTEMS   := linux darwin windows
PLATFORMS := $(foreach arch,amd64 arm64,$(addsuffix -$(arch),$(SYSTEMS)))

# What the recipes and tests need besides Go, make, a C compiler and what every Debian has, as
# command:package. A path instead of a command is a file that Debian's package brings: without the
# certificates the go command can download nothing.
NEEDS := git:git g++:g++ /etc/ssl/certs/ca-certificates.crt:ca-certificates

# What only tests need: a Rust that compiles to WebAssembly, for the functions that are written in it.
TEST_NEEDS := rustc:rustc cargo:cargo wasm-ld:lld /usr/lib/rustlib/wasm32-wasi:libstd-rust-dev-wasm32

# Virtual machines are run for real, by emulation where there is no KVM, with the kernel of Debian.
ifeq ($(HOST),linux-amd64)
TEST_NEEDS += qemu-system-x86_64:qemu-system-x86 e2fsck:e2fsprogs
KERNEL     := bin/kernel/vmlinuz
endif

# Container images run in sandboxes with a network, which take root: then one is made of a Debian, and
# debootstrap makes that.
ifeq ($(firstword $(subst -, ,$(HOST)))-$(shell id -u),linux-0)
TEST_NEEDS += debootstrap:debootstrap
DEBIAN     := bin/debian.tar

# Each form of NATS has a network of its own, which takes root as well. JavaScript speaks it over
# WebSocket, in Node.js and in a browser.
TEST_NEEDS += node:nodejs npm:npm chromium:chromium
NPM        := bin/npm/node_modules/.package-lock.json
endif

##@ Build

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: bin/nex bin/nex-agent $(SANDBOX-$(firstword $(subst -, ,$(HOST)))) ## Build bin/nex, bin/nex-agent and, on linux, bin/runsc and bin/nex-init

# The go command knows best what is up to date, so these are always handed to it.
.PHONY: bin/nex bin/nex-agent bin/nex-init bin/echoservice bin/echofunction.wasm
bin/nex:
	CGO_ENABLED=0 $(BUILD) -ldflags '$(LDFLAGS)' -o $@ ./cmd/nex

bin/nex-agent:
	CGO_ENABLED=$(if $(AGENT_LINK-$(HOST)),1,0) $(BUILD) $(AGENT_TAGS) -ldflags '$(LDFLAGS) $(AGENT_LINK-$(HOST))' -o $@ ./cmd/nex-agent

# It is unpacked into memory at each boot, so it is small.
bin/nex-init:
	CGO_ENABLED=0 $(BUILD) -ldflags '-s -w' -o $@ ./cmd/nex-init

# Its version is pinned with the tools, so that what it requires stays out of our own go.mod.
bin/runsc: tools/go.mod tools/go.sum
	CGO_ENABLED=0 $(GO) build -C tools -trimpath -buildvcs=false -o ../$@ gvisor.dev/gvisor/runsc

# On amd64 Debian has the cross compiler for it; elsewhere name yours.
.PHONY: bin/nex-agent-linux-arm64
bin/nex-agent-linux-arm64:
	.ci/deps aarch64-linux-gnu-g++:g++-aarch64-linux-gnu
	GOOS=linux GOARCH=arm64 CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ \
	  $(BUILD) $(AGENT_TAGS) -ldflags '$(LDFLAGS) $(AGENT_LINK-linux-arm64)' -o $@ ./cmd/nex-agent

bin/echoservice:
	CGO_ENABLED=0 $(BUILD) -o $@ ./examples/echoservice

bin/echofunction.wasm:
	GOOS=wasip1 GOARCH=wasm $(BUILD) -o $@ ./examples/wasm-go

.PHONY: demo
demo: deps build bin/echoservice bin/echofunction.wasm bin/tools/nats ## Build, then show a deployment from beginning to end
	./scripts/demo

.PHONY: clean
clean: ## Remove all that was built
	rm -rf bin dist

##@ Verify

.PHONY: check
check: deps format vet lint tidy cross $(if $(filter linux-amd64,$(HOST)),bin/nex-agent-linux-arm64) ## Format, vet, lint, tidy and cross-build checks

.PHONY: format
format: bin/tools/gofumpt ## Fail if a file is not formatted
	@echo "gofumpt -l ."
	@bad="$$(bin/tools/gofumpt -l .)"; \
	if [ -n "$$bad" ]; then printf 'not formatted; run bin/tools/gofumpt -w on:\n%s\n' "$$bad" >&2; exit 1; fi

# Vet compiles the tests too, for each system: a test that builds on one alone is found here.
VETS := $(addprefix vet-,$(SYSTEMS))
.PHONY: vet $(VETS)
vet: $(VETS) ## Run go vet for each system
$(VETS): vet-%:
	GOOS=$* $(GO) vet ./...

.PHONY: lint
lint: bin/tools/staticcheck ## Run staticcheck
	bin/tools/staticcheck ./...

.PHONY: tidy
tidy: ## Fail if go.mod or go.sum is not tidy
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

# With several programs go build links them all and keeps none.
CROSSES := $(addprefix cross-,$(PLATFORMS))
.PHONY: cross $(CROSSES)
cross: $(CROSSES) ## Build the programs for each platform
$(CROSSES): cross-%:
	CGO_ENABLED=0 GOOS=$(firstword $(subst -, ,$*)) GOARCH=$(lastword $(subst -, ,$*)) $(GO) build -buildvcs=false ./cmd/... ./examples/...

# The report shows failures in full, then the skipped tests, of which each must be listed in
# .ci/skips, and ends with the closing lines of go test itself. All events stay in bin/test.json.
.PHONY: test
test: deps test-deps build bin/tools/nats bin/tools/nsc bin/tools/testreport $(NPM) $(DEBIAN) $(KERNEL) ## Run all tests, with the race detector
	$(GO) test -json -race -shuffle=on -timeout $(TIMEOUT) -p $(PARALLEL) $(TESTFLAGS) $(PKGS) \
	  | tee bin/test.json | bin/tools/testreport -skips .ci/skips

# A target lasts FUZZTIME; what it finds is kept below testdata/fuzz of its package.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME, one after the other
	@$(GO) test -list '^Fuzz' $(PKGS) \
	  | awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, name[i]; n = 0 }' \
	  | { grep -E '$(FUZZ)' || { echo "no fuzz target in $(PKGS) matches $(FUZZ)" >&2; exit 1; }; } \
	  | while read -r pkg name; do \
	      echo "$(GO) test -run '^$$' -fuzz '^$$name\$$' -fuzztime $(FUZZTIME) $$pkg"; \
	      $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null; \
	    done

# What goes wrong follows from SEED, which every run prints; 0 takes a new one. With DURATION, such as 1h, there
# are as many faults as happen in that time. Logs of a run that fails are kept below bin.
FAULTS    ?= 500
DURATION  ?=
HOLD      ?= 10s
SEED      ?= 0
FAULTS_IN ?= TestFaults
.PHONY: faults
faults: deps test-deps build ## Let FAULTS faults happen to nodes and NATS, each for up to HOLD
	$(GO) test -count=1 -v -timeout 0 -artifacts -outputdir bin -run '^$(FAULTS_IN)$$' ./internal/faults \
	  -args -seed $(SEED) -faults $(if $(DURATION),0,$(FAULTS)) -duration $(or $(DURATION),0) -hold $(HOLD) -deploys 1000

.PHONY: bench
bench: ## Run the benchmarks that BENCH selects
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./internal/bench/...

.PHONY: clean-tree
clean-tree: ## Fail if a step has left or changed files
	@bad="$$(git status --porcelain)"; \
	if [ -n "$$bad" ]; then printf 'the working tree is not as committed:\n%s\n' "$$bad" >&2; git diff >&2; exit 1; fi

##@ Prepare

# Tools are programs at the versions that tools/go.mod pins. The nats command line is there because
# it is the client that users have: tests call it, and nsc, which makes their accounts.
.PHONY: tools
tools: bin/tools/gofumpt bin/tools/staticcheck bin/tools/nats bin/tools/nsc bin/tools/testreport ## Build the tools that the targets use

bin/tools/gofumpt:     PKG := mvdan.cc/gofumpt
bin/tools/staticcheck: PKG := honnef.co/go/tools/cmd/staticcheck
bin/tools/nats:        PKG := github.com/nats-io/natscli/nats
bin/tools/nsc:         PKG := github.com/nats-io/nsc/v2

bin/tools/gofumpt bin/tools/staticcheck bin/tools/nats bin/tools/nsc: tools/go.mod tools/go.sum
	CGO_ENABLED=0 $(GO) build -C tools -trimpath -buildvcs=false -o ../$@ $(PKG)

.PHONY: bin/tools/testreport
bin/tools/testreport:
	@CGO_ENABLED=0 $(BUILD) -o $@ ./internal/testreport

# The client of NATS for browsers and Node.js, at the versions of its lock.
JAVASCRIPT := internal/natsforms/testdata/javascript
bin/npm/node_modules/.package-lock.json: $(addprefix $(JAVASCRIPT)/,.npmrc package.json package-lock.json) | test-deps
	@mkdir -p bin/npm
	cp $^ bin/npm
	npm ci --prefix bin/npm --ignore-scripts --no-audit --no-fund
	touch $@

bin/debian.tar: scripts/debian | test-deps
	@mkdir -p bin
	scripts/debian $@

bin/kernel/vmlinuz: scripts/kernel | test-deps
	scripts/kernel $(@D)
	touch $@

.PHONY: deps
deps: ## Install what is missing of the system (as root, on Debian), or say how to
	@.ci/deps $(NEEDS)

.PHONY: test-deps
test-deps:
	@.ci/deps $(TEST_NEEDS)
