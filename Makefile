# Every target needs Go and make, nothing else; `make help` lists them.
# The generator and the linter are built from the modules under internal/tools.

.DEFAULT_GOAL := help
.PHONY: help build test tests race lint fmt generate verify bench mutants fuzz cover examples demo demo-webhook clean

ROOT   := $(CURDIR)
TOOL   := go tool '-modfile=$(ROOT)/internal/tools/go.mod'
LINTER := go tool '-modfile=$(ROOT)/internal/tools/lint/go.mod' golangci-lint

# Every module of the tree, the root first; PACKAGED are those with code of ours in them.
MODULES  := $(sort $(patsubst %/,%,$(dir $(shell find . -name go.mod -not -path '*/.*/*' -not -path '*/testdata/*'))))
PACKAGED := $(filter-out ./internal/tools%,$(MODULES))

# What oapi-codegen makes from openapi.yaml, one configuration a package.
API_CONFIGS := internal/api/models.cfg.yaml internal/api/client.cfg.yaml

# Knobs, as in `make test TESTFLAGS='-run Retry -v'`.
TESTFLAGS  ?=
RACECOUNT  ?= 5
BENCH      ?= .
BENCHCOUNT ?= 1
BENCHTIME  ?= 0.5s
BENCHFLAGS ?=
ROWS       ?=
FUZZ       ?= .
FUZZTIME   ?= 5s

# The race detector needs cgo and a C compiler that finds its headers.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && printf '\043include <stdlib.h>\n' | $$(go env CC) -x c -fsyntax-only - >/dev/null 2>&1 && echo -race)

# provide COMMAND,PACKAGE: installs a Debian package where the command is missing and we are root with apt.
provide = { command -v $(1) >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(2); } </dev/null >&2; }; }

define race_check
	@[ -n "$(RACE)" ] || printf '%s\n' \
	  '*******************************************************************' \
	  '** NO C COMPILER, OR CGO IS OFF: TESTING WITHOUT THE RACE DETECTOR' \
	  '** install gcc and the C library headers, and run this again' \
	  '*******************************************************************' >&2
endef

# each_module MODULES,COMMAND: runs COMMAND in every module, and fails in the end if one failed.
define each_module
	@failed=; for m in $(1); do \
	  [ "$(words $(1))" = 1 ] || echo "-- $$m"; \
	  (cd "$$m" && $(2)) || failed="$$failed $$m"; \
	done; [ -z "$$failed" ] || { echo "failed in:$$failed" >&2; exit 1; }
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: ## compile every package; commands land in bin/
	$(call each_module,$(PACKAGED),go build ./...)
	@if [ -d cmd ]; then mkdir -p bin && go build -o bin/ ./cmd/...; fi

test: ## the tests of every module, under the race detector; what they print may tell no key and no user
	@$(call provide,strace,strace) || echo 'strace could not be installed: failing syncs are not tested' >&2
	@$(call provide,redis-server,redis-server) || echo 'Redis could not be installed: what needs it is skipped, and fails under CI=true' >&2
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || $(call provide,initdb,postgresql) || echo 'PostgreSQL could not be installed: what needs it is skipped, and fails under CI=true' >&2
	$(race_check)
	@out=$$(mktemp) && { { $(MAKE) --no-print-directory -s tests; echo $$? >"$$out.code"; } 2>&1 | tee "$$out"; } && \
	  { go run ./internal/canary/scan <"$$out" || echo 1 >"$$out.code"; }; \
	  code=$$(cat "$$out.code"); rm -f "$$out" "$$out.code"; exit $$code
	@[ -z "$(RACE)" ] || { echo '-- what the race detector would distort'; go test -run '^TestTheMemoryOf' ./internal/cli && go test -run '^TestTenProcesses|^TestAThrottleOutlives|^TestAFleetOutlives' ./fleet; }

tests:
	$(call each_module,$(PACKAGED),go test -timeout 20m $(RACE) $(TESTFLAGS) ./...)

race: ## the tests again and again in random order: RACECOUNT=5
	$(race_check)
	$(call each_module,$(PACKAGED),go test $(RACE) -count=$(RACECOUNT) -shuffle=on $(TESTFLAGS) ./...)

lint: ## golangci-lint, formatting included
	$(call each_module,$(PACKAGED),$(LINTER) run --config '$(ROOT)/.golangci.yml' ./...)

fmt: ## format the code and sort its imports
	$(call each_module,$(PACKAGED),$(LINTER) fmt --config '$(ROOT)/.golangci.yml' ./...)

generate: ## make the generated code anew from openapi.yaml
	@if [ ! -f openapi.yaml ]; then echo 'no openapi.yaml: nothing to generate'; exit 0; fi; \
	for cfg in $(API_CONFIGS); do \
	  echo "oapi-codegen -config $$cfg openapi.yaml"; \
	  $(TOOL) oapi-codegen -config "$$cfg" openapi.yaml || exit 1; \
	done

verify: generate ## generated code and go.mod files are what they should be
	@git diff --exit-code -- '*.gen.go' || { echo 'generated code was stale: commit what make generate wrote' >&2; exit 1; }
	@new=$$(git ls-files --others --exclude-standard -- '*.gen.go'); \
	  [ -z "$$new" ] || { echo "generated code is not committed: $$new" >&2; exit 1; }
	$(call each_module,$(MODULES),go mod tidy -diff)

bench: ## run the benchmarks, then measure against peers and baselines: BENCH=regexp BENCHCOUNT=10 BENCHTIME=1s; ROWS=regexp for rows of the tables alone
	$(if $(ROWS),,$(call each_module,$(PACKAGED),go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(BENCHCOUNT) ./...))
	@cd internal/bench && go run ./cmd/calls -rows '$(ROWS)' $(BENCHFLAGS)

mutants: ## break the stores by one line at a time: every break must be caught
	@for store in sqlite postgres mongo; do nice store/mutants.sh $$store || exit 1; done

fuzz: ## run every fuzz target for FUZZTIME=5s; FUZZ=regexp chooses
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func / /' | sort | \
	while read -r file name; do \
	  echo "$$name" | grep -Eq '$(FUZZ)' || continue; \
	  echo "-- $$name in $$(dirname "$$file")"; \
	  (cd "$$(dirname "$$file")" && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) . </dev/null) || exit 1; \
	done

cover: ## test coverage without generated code; the page is cover.html
	@go test -coverpkg=./... -coverprofile=cover.out ./...
	@grep -v '\.gen\.go:' cover.out > cover.own.out
	@go tool cover -html=cover.own.out -o cover.html
	@go tool cover -func=cover.own.out | tail -n 1

examples: ## build, vet and run every example, those in the docs included
	@dirs=$$(grep -rlE --include='*_test.go' --exclude-dir=examples '^func Example' . | xargs -r -n 1 dirname | sort -u); \
	  [ -z "$$dirs" ] || go test -count=1 -run '^Example' $$dirs
	@if [ -d examples ] && [ -n "$$(go list ./examples/... 2>/dev/null)" ]; then \
	  mkdir -p bin/examples && go vet ./examples/... && go build -o bin/examples/ ./examples/... && go test -count=1 ./examples/...; \
	fi

demo: ## start a fake service, fetch 200 users' sessions into demo-out/, print what happened
	@mkdir -p bin && go build -o bin/asleep ./cmd/asleep
	@go run ./examples/demo bin/asleep demo-out

demo-webhook: ## send 1,000 sessions' events to a receiver that is killed in the middle, print what is in the store
	@mkdir -p bin && go build -o bin/asleep ./cmd/asleep
	@go run ./examples/demo-webhook bin/asleep demo-webhook-out

clean: ## remove what the other targets made
	rm -rf bin demo-out demo-webhook-out cover.out cover.own.out cover.html
