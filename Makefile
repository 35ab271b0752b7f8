# Two commands do all the set-up:
#	make demo	the main job on what the repository carries
#	make test	the tests
#
# Everything else:
#	make build	bin/jitnic
#	make beam	bin/jitnic-beam
#	make deps	install the Debian packages that are missing (needs root only for that)
#	make check	gofmt, vet, staticcheck, dead code, generated files, import order, doc comments
#	make bench	speed, as a table, with the peers there are
#	make benchmarks	every benchmark
#	make layers	what each layer of the optimiser saves and costs, as a table (minutes)
#	make tiers	what the tiers of the traces' optimiser cost and leave, as a table (minutes)
#	make pgo	the profile that jitnic is built with, made again
#	make fuzz	every fuzz target for FUZZTIME each
#	make arm64	the tests of native code for arm64, under qemu-user
#	make heavy	the long checks: full cache goldens, full K2 tables
#	make programs	rebuild the sample objects with clang
#	make record	record the sample captures again (needs root)

GO ?= go
FUZZTIME ?= 60s
PKGS = ./...
# A module of its own: Apache Beam's dependencies don't reach the other one.
BEAM = cmd/jitnic-beam
TOOL = $(GO) tool -modfile=.ci/tools/go.mod

# What the tests use where it is there. jitnic itself needs none of it but
# libz3-4, and that only for proving.
DEBS = libz3-4 clang llvm iproute2 bpftool libxdp1 libbpf-dev linux-libc-dev tcpdump tshark chromium qemu-user python3-pandas r-base-core openvswitch-switch

.PHONY: tiers layers man beam all build deps demo test check generated bench benchmarks pgo fuzz arm64 heavy programs record clean

all: build

build:
	$(GO) build -o bin/jitnic ./cmd/jitnic

# A study on Apache Beam.
beam:
	cd $(BEAM) && $(GO) build -o ../../bin/jitnic-beam .

# The manual, made of the commands: man -l bin/man/jitnic-replay.1
man: build
	bin/jitnic man bin/man

# Only what is missing is installed, so that on a prepared machine this needs
# neither root nor network.
deps:
	@missing=; for p in $(DEBS); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		if [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
		else sudo apt-get update -q && sudo DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; fi; \
	fi

# libz3 is all the demo needs beside Go.
demo: build
	@dpkg-query -W -f='$${Status}' libz3-4 2>/dev/null | grep -q 'ok installed' || $(MAKE) --no-print-directory deps DEBS=libz3-4
	@echo "== the firewall on the recorded captures"
	bin/jitnic replay --program sample:firewall --capture sample:lab --policy lru --entries 64 --check
	@echo
	@echo "== the load balancer on the recorded captures"
	bin/jitnic replay --program sample:loadbalancer --capture sample:lab --policy lru --entries 64 --check
	@echo
	@echo "== the firewall again, each trace superoptimized and proved before it is installed"
	bin/jitnic replay --program sample:firewall --capture sample:lab --policy lru --entries 64 --check --superopt
	@echo
	@echo "== why does the telemetry program take so many paths?"
	bin/jitnic explain --program sample:telemetry --capture sample:lab --entries 64
	@echo
	@echo "== would offloading the router pay on these devices?"
	bin/jitnic feasibility --program sample:router --capture sample:lab --nic hxdp,bluefield --rate 5Mpps --quick

# Property tests draw the same cases here on every run; make heavy draws others.
PROPERTIES = $(sort $(dir $(shell grep -rl --include='*_test.go' pgregory.net/rapid .)))
test:
	$(GO) test $(filter-out $(PROPERTIES:./%/=jitnic/%),$(shell $(GO) list $(PKGS)))
	$(GO) test $(PROPERTIES) -rapid.seed=1
	cd $(BEAM) && $(GO) test ./...

check:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi
	$(GO) vet $(PKGS)
	cd $(BEAM) && $(GO) vet ./...
	$(TOOL) staticcheck $(PKGS)
	.ci/deadcode
	@$(MAKE) --no-print-directory generated
	$(GO) test -run 'TestImports|TestDocsNameTheirSymbol|TestPagesNameWhatIs' ./cmd/jitnic

# What is committed and made by a program is what the program makes now. The
# objects need the clang that made them: another one's bytes are its own.
generated:
	$(GO) mod tidy -diff
	cd $(BEAM) && $(GO) mod tidy -diff
	@out=$$(mktemp) && $(GO) run ./cmd/internal/report/fieldsgen . $$out && diff cmd/internal/report/fields.json $$out && rm $$out
	@want=$$(cat host/programs/clang.txt); have=$$(clang --version 2>/dev/null | sed -n 's/.*clang version \([0-9.]*\).*/\1/p'); \
	if [ "$$want" != "$$have" ]; then echo "generated: objects not rebuilt: clang $$want made them, here is $${have:-none}"; else \
		out=$$(mktemp -d) && $(MAKE) -s -C host/programs OUT=$$out $$(cd host/programs && ls *.c | sed "s|\(.*\)\.c|$$out/\1.o|") && \
		for f in host/programs/*.o; do cmp $$f $$out/$$(basename $$f) || exit 1; done && rm -r $$out; fi

# Beside the peers that are there: the kernel where bpf(2) is allowed, hand-written
# C where clang is installed.
bench:
	@GO="$(GO)" .ci/bench
	@echo "== a study: overhead over its cells, two cores, memory by a capture's length"
	@$(GO) test -count 1 -run '^$$' -bench 'Cells|Memory|Costs' -benchtime 1x ./host/study | grep ^Benchmark

layers: build
	.ci/layers

tiers: build
	@GO="$(GO)" .ci/tiers

benchmarks:
	$(GO) test -run '^$$' -bench . -benchtime 1s $(PKGS)

# go build takes the profile from beside the command by itself.
pgo:
	@dir=$$(mktemp -d) && \
	$(GO) test -count 1 -run '^$$' -bench 'Replay/(firewall|loadbalancer)' -benchtime 4s -cpuprofile $$dir/replay.prof -o $$dir/replay.test ./host/run/replay && \
	$(GO) test -count 1 -run '^$$' -bench 'Packet|Bind' -benchtime 0.2s -cpuprofile $$dir/jit.prof -o $$dir/jit.test ./host/run/jit && \
	$(GO) test -count 1 -run '^$$' -bench . -benchtime 0.1s -cpuprofile $$dir/cache.prof -o $$dir/cache.test ./cache && \
	$(GO) tool pprof -proto $$dir/*.prof > cmd/jitnic/default.pgo && ls -l cmd/jitnic/default.pgo && rm -r $$dir

fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

# Pure Go needs no libc of the other machine. qemu keeps caches coherent, so what
# a real processor wants done to them is checked as text (code's tests).
arm64:
	@command -v qemu-aarch64 >/dev/null || { echo "arm64: skipped, qemu-aarch64 is not installed (Debian: qemu-user)"; exit 0; }; \
	mkdir -p bin; for pkg in nic/native/code nic/native; do \
		GOARCH=arm64 $(GO) test -c -o bin/$$(basename $$pkg).arm64 ./$$pkg && (cd $$pkg && qemu-aarch64 $(CURDIR)/bin/$$(basename $$pkg).arm64) || exit 1; \
	done; \
	GOARCH=arm64 $(GO) test -c -o bin/jit.arm64 ./host/run/jit && cd host/run/jit && qemu-aarch64 $(CURDIR)/bin/jit.arm64 -test.run BatchesOfRandom

heavy:
	JITNIC_HEAVY=1 $(GO) test -timeout 60m $(PKGS)

programs:
	$(MAKE) -C host/programs

record:
	pcaps/samples/record.sh

clean:
	rm -rf bin
