# Tools are built into BIN in the versions named here, so that everybody, CI
# included, formats and checks alike.
BIN               ?= $(CURDIR)/bin
GOFUMPT_VERSION   := v0.12.0
GOLANGCI_VERSION  := v2.15.0
GOVULN_VERSION    := v1.9.0
GOFUMPT           := $(BIN)/gofumpt-$(GOFUMPT_VERSION)
GOLANGCI          := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
GOVULN            := $(BIN)/govulncheck-$(GOVULN_VERSION)

# Percent of the root package's statements its own tests must reach.
COVER_MIN         ?= 85
# How long each fuzz target runs.
FUZZTIME          ?= 30s
# Which workloads to compare, how often, and for how many operations relative to
# their standard length.
W                 ?= .
ROUNDS            ?= 5
SCALE             ?= 1
# Whether client and server have processors of their own while they are compared.
PIN               ?= true
# Which version of the server test-server tests with, and how.
V                 ?= v2.14.10
SERVER_TESTFLAGS  ?= -timeout 25m
# How long each run of the torture program lasts, and the seeds of the runs; SEED
# is for a single one.
DURATION          ?= 3m
SEEDS             ?= $(if $(SEED),$(SEED),1 2 3 4 5 6 7 8 9 10)

# Where make bench keeps and draws its results, as in KEEP=docs; nowhere by default.
# What W leaves out stays there as it was.
KEEP              ?=

.PHONY: check format tidy fmt vet lint vuln docs race test test-server cover fuzz torture bench bench-allocs growth pictures microbench tools clean

## check: all that must pass before a commit; the tests include those of the documents
check: format tidy vet lint vuln race

## format: fail when a file is not formatted; fmt formats it
format: $(GOFUMPT)
	@unformatted=$$($(GOFUMPT) -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi

fmt: $(GOFUMPT)
	$(GOFUMPT) -l -w .

## tidy: fail when go.mod or go.sum has too much or too little
tidy:
	go mod tidy -diff

vet:
	go vet ./...

lint: $(GOLANGCI)
	$(GOLANGCI) run ./...

## vuln: look for known vulnerabilities, if the list of them can be reached
vuln: $(GOVULN)
	@out=$$($(GOVULN) ./... 2>&1) && echo "no known vulnerabilities" || case "$$out" in \
		*"fetching vulnerabilities"*) echo "vulnerabilities not checked: their list cannot be reached";; \
		*) echo "$$out"; exit 1;; \
	esac

## docs: check the code, commands and links of the documents
docs:
	go test ./docs

# One package at a time: most run servers, clusters among them, and elections and
# heartbeats need a processor.
race:
	go test -race -p 1 -timeout 20m ./...

test:
	go test ./...

## test-server: test the root package with version V of the server
test-server:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp go.mod go.sum "$$dir" && \
	go mod edit -replace github.com/nats-io/nats-server/v2=github.com/nats-io/nats-server/v2@$(V) "$$dir/go.mod" && \
	go test -mod=mod -modfile "$$dir/go.mod" $(SERVER_TESTFLAGS) .

## cover: test the root package and hold its coverage to COVER_MIN
cover:
	go test -coverprofile=cover.out .
	@go tool cover -func=cover.out | awk -v min=$(COVER_MIN) \
		'/^total:/ { sub("%", "", $$3); printf "coverage %s %%, at least %s %% wanted\n", $$3, min; exit !($$3 >= min) }'

## fuzz: run each fuzz target for FUZZTIME
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

## torture: servers that fail, workloads of every kind and checkers, for each of SEEDS
torture:
	@set -e; for seed in $(SEEDS); do \
		go test -run '^TestTorture$$' -count 1 -v -timeout 0 ./internal/torture \
			-torture.duration $(DURATION) -torture.seed $$seed; \
	done

## bench: compare with the reference, workload by workload, and judge by the targets
bench:
	go run ./internal/benchcmp -run '$(W)' -rounds $(ROUNDS) -scale $(SCALE) -pin=$(PIN) $(if $(KEEP),-draw $(KEEP))

## bench-allocs: fail when allocations or bytes are above their targets by more than is known
bench-allocs:
	go run ./internal/benchcmp -run '$(W)' -allocs

## growth: measure how cost grows with the size of the work, and draw it
growth:
	go run ./internal/benchcmp -growth -run '$(W)' -rounds 3 -draw docs

## pictures: draw docs/*.svg again from what was measured last
pictures:
	go run ./internal/benchcmp -rounds 0 -draw docs

## microbench: the same workloads as ordinary Go benchmarks
microbench:
	go test -run '^$$' -bench 'Compare/$(W)' -benchtime 1s -count 3 .

## tools: build the tools the other targets use
tools: $(GOFUMPT) $(GOLANGCI) $(GOVULN)

# A tool's file carries its version, so a new version here builds it anew.
$(GOFUMPT):
	GOBIN=$@.tmp go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv $@.tmp/gofumpt $@ && rmdir $@.tmp

$(GOLANGCI):
	GOBIN=$@.tmp go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $@.tmp/golangci-lint $@ && rmdir $@.tmp

$(GOVULN):
	GOBIN=$@.tmp go install golang.org/x/vuln/cmd/govulncheck@$(GOVULN_VERSION)
	mv $@.tmp/govulncheck $@ && rmdir $@.tmp

clean:
	rm -rf $(BIN) cover.out
