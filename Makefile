# The front door. Meson and ninja do the work (meson.build); every target here is one line that a person would type.
# `make help` lists the targets.

BUILD  := build
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
DEPS   ?= tools/deps
export JOBS

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

## all           build/reeve and build/libreeve.a (what `make` alone does)
.PHONY: all
all: $(BUILD)/opt/build.ninja
	@ninja -C $(BUILD)/opt -j$(JOBS) --quiet src/cli/reeve libreeve.a
	@cmp -s $(BUILD)/opt/src/cli/reeve $(BUILD)/reeve || install -m 755 $(BUILD)/opt/src/cli/reeve $(BUILD)/reeve
	@cmp -s $(BUILD)/opt/libreeve.a $(BUILD)/libreeve.a || install -m 644 $(BUILD)/opt/libreeve.a $(BUILD)/libreeve.a

# Once it exists, ninja itself configures again when a meson.build has changed.
$(BUILD)/opt/build.ninja:
	@command -v meson >/dev/null && command -v ninja >/dev/null || \
	    { echo "make: meson or ninja is missing: run \`make deps\`" >&2; exit 1; }
	@mkdir -p $(BUILD)
	@meson setup $(BUILD)/opt >$(BUILD)/setup.log 2>&1 || \
	    { cat $(BUILD)/setup.log; echo "make: a library is missing? run \`make deps\`" >&2; exit 1; }

## deps          install the Debian packages that building needs (root or sudo; nothing to do is quick)
.PHONY: deps
deps:
	@$(DEPS) build

## demo          install, build, then watch a real graph being killed and resumed
.PHONY: demo
demo: deps
	@$(MAKE) all
	@tools/demo

## check         install, build, run every fast test; the last line is `N passed, N failed`
.PHONY: check
check:
	@$(DEPS) build check
	@tools/check fast

## check-long    everything of check, the long loops, and the threads under ThreadSanitizer
.PHONY: check-long
check-long:
	@$(DEPS) build check check-long
	@tools/check long

## asan          every fast test, processes too, under AddressSanitizer and UndefinedBehaviorSanitizer
.PHONY: asan
asan:
	@$(DEPS) build check
	@tools/check asan

## tsan          the tests that use threads, under ThreadSanitizer
.PHONY: tsan
tsan:
	@$(DEPS) build check
	@tools/check tsan

## coverage      every branch of src/kernel is taken by its tests, or is excepted with a reason (tools/coverage)
.PHONY: coverage
coverage:
	@$(DEPS) build check coverage
	@tools/coverage

## fuzz          every fuzz target for SECONDS=60 under libFuzzer, or only FUZZ=yaml
.PHONY: fuzz
fuzz:
	@$(DEPS) build check fuzz
	@tools/fuzz $(or $(FUZZ),all) $(or $(SECONDS),60)

## sim           the simulator for a minute; SEED=n: one play, told in full
.PHONY: sim
sim: all
	@$(BUILD)/reeve chaos --made-up $(if $(SEED),--seed $(SEED) --plays 1 --trace,--for 60s)

## sim-long      the simulator for a night (NIGHT=8h), from seeds that nobody has tried; the rate is printed each minute
.PHONY: sim-long
sim-long: all
	@$(BUILD)/reeve chaos --made-up --seed $$(date +%s)000000 --for $(or $(NIGHT),8h)

## mutants       plant the known bugs of tests/mutants one at a time and show which test finds each (tools/mutants)
.PHONY: mutants
mutants:
	@$(DEPS) build check
	@tools/mutants --jobs $(JOBS)

## tidy          layers, the kernel's purity, header contracts, sizes, lines
.PHONY: tidy
tidy: $(BUILD)/opt/build.ninja
	@ninja -C $(BUILD)/opt -j$(JOBS) --quiet src/kernel/librv_kernel.a src/base/librv_base.a
	@tools/tidy --objects $(BUILD)/opt

## bench         Reeve beside ninja, GNU make and the physical floors; writes bench/BASELINE.md
.PHONY: bench
bench:
	@$(DEPS) build bench
	@$(MAKE) all
	@ninja -C $(BUILD)/opt -j$(JOBS) --quiet bench/spawnfloor bench/sqlfloor bench/timed bench/put bench/npm_touch bench/kernel_bench bench/grow_bench
	@command -v npm >/dev/null && mkdir -p $(BUILD)/peers && cp bench/peers/package.json $(BUILD)/peers && \
	    npm install --prefix $(BUILD)/peers --no-audit --no-fund --no-package-lock --silent || echo "make: turbo is left out: npm does not install it"
	@bench/run --reeve $(BUILD)/reeve --floors $(BUILD)/opt/bench

## man           write docs/man from `reeve help --json`
.PHONY: man
man: all
	@tools/man --reeve $(BUILD)/reeve docs/man

## install       binary, library, header, man pages and completions beneath $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	@tools/install $(BUILD) "$(DESTDIR)" "$(PREFIX)"

## clean         remove build/
.PHONY: clean
clean:
	@rm -rf $(BUILD)

## help          this list
.PHONY: help
help:
	@sed -n 's/^## /make /p' Makefile
