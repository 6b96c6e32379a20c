# The plain go commands work on a fresh clone; these targets add what they need around them. CI runs `make check test`.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

ADDR     ?= :8080
FUZZTIME ?= 20s

# The one place with the versions of the tools.
GOLANGCI_LINT_VERSION := v2.15.0
STATICCHECK_VERSION   := v0.8.2
NFPM_VERSION          := v2.43.4

GOLANGCI_LINT := .cache/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
STATICCHECK   := .cache/staticcheck-$(STATICCHECK_VERSION)/staticcheck
NFPM          := .cache/nfpm-$(NFPM_VERSION)/nfpm

.PHONY: build program workers loader run test check format vet lint cross headers layers tidy dist dist-check deb-check docker-check bench bench-compare bench-floor bench-bulk bench-wine bench-snoop fuzz soak asan packages clean

build: program workers ## build bin/isapid and, beside it, the programs that run Windows libraries under Wine

program:
	go build -o bin/isapid ./cmd/isapid

workers:
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -trimpath -ldflags=-s -o bin/isapid-worker-amd64.exe ./cmd/isapid-worker
	CGO_ENABLED=0 GOOS=windows GOARCH=386 go build -trimpath -ldflags=-s -o bin/isapid-worker-386.exe ./cmd/isapid-worker

loader: ## build the loader for other ISAPI hosts: build/isapiloader.so, and DLLs for Windows
	hack/loader.sh build

run: program ## build, then serve the counter example on ADDR (default :8080)
	bin/isapid run examples/counter/counter.c --addr '$(ADDR)'

test: packages ## run all tests with the race detector and count them
	hack/test.sh

check: packages format tidy vet lint layers headers cross loader ## everything that can be said without running the tests

format:
	@out=$$(gofmt -l .); test -z "$$out" || { echo "not formatted, run gofmt -w:"; echo "$$out"; exit 1; }

tidy:
	go mod tidy -diff

vet:
	go vet ./...

lint: $(STATICCHECK) $(GOLANGCI_LINT)
	$(STATICCHECK) ./...
	$(GOLANGCI_LINT) run ./...

layers: ## who may import whom
	go test ./internal/deptest

headers: ## the SDK headers compile alone and without a warning, for every system they are for
	hack/headers.sh

cross: ## the other systems build
	CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=386 go build ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet ./... # the tests for Windows compile, too
	CGO_ENABLED=0 GOOS=windows GOARCH=386 go vet ./...

dist: $(NFPM) ## what is given to users, in dist: archives for Linux and Windows, Debian packages, sums
	NFPM='$(CURDIR)/$(NFPM)' hack/dist.sh

dist-check: $(NFPM) ## build that twice, by two users in two places, and compare; takes some minutes
	NFPM='$(CURDIR)/$(NFPM)' hack/dist.sh check

deb-check: ## install the package in dist into a Debian of its own, use it, remove it; needs root, debootstrap, systemd-nspawn
	hack/deb-check.sh

docker-check: ## build the container with Wine from the package in dist, and have it serve a DLL; needs root, buildah, debootstrap
	hack/docker-check.sh

bench: bench-compare ## run the benchmarks: single functions, then whole servers against each other
	go test -run '^$$' -bench . -benchmem ./...

bench-compare: ## compare with nginx, FastCGI and Apache; see bench/RESULTS.md
	go run ./bench/compare -rounds 5 -seconds 1 -markdown

bench-floor: ## the least that a second process costs, beside isapid isolated and nginx with FastCGI
	go run ./bench/compare -floor -connections 1 -rounds 7 -seconds 2 -markdown

bench-bulk: ## 1 GiB in one request, in-process and isolated
	go run ./bench/compare -bulk 1024 -rounds 11 -markdown

fuzz: ## run every fuzz target for FUZZTIME
	hack/fuzz.sh '$(FUZZTIME)'

bench-wine: ## a library of Windows under Wine, beside one of Linux
	go run ./bench/compare -wine -connections 1,32 -rounds 7 -seconds 1 -markdown

bench-snoop: ## what it costs to be looked at
	go run ./bench/compare -snoop -rounds 12 -seconds 1 -markdown

soak: packages ## run all tests with the long runs in them: thousands where there are usually dozens
	ISAPID_SOAK=1 hack/test.sh -count=1 -timeout 2h $$(go list ./... | grep -vE '/e2e(/filters)?$$')
	ISAPID_SOAK=1 go test -v -count=1 -timeout 12h ./e2e ./e2e/filters # the race detector would make days of it

asan: ## run the tests of the native boundary with the address sanitizer
	go test -asan ./internal/native

packages: ## install what tests and checks need (Debian); nothing to do the second time
	hack/packages.sh

clean:
	rm -rf bin build dist .cache

$(GOLANGCI_LINT):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(STATICCHECK):
	GOBIN='$(CURDIR)/$(@D)' go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

$(NFPM):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
