# koweld. `make help` lists the targets.

GO ?= go

.PHONY: help build demo demo-nvidia demo-quirk check test corpus test-recipe test-signatures test-dpkg test-divert test-apt test-quirks test-vm test-powercut test-crash-mutations test-call-mutations fuzz bench man dist deb test-deb demo-deb clean
.DEFAULT_GOAL := build

build: ## build ./koweld, static
	CGO_ENABLED=0 $(GO) build ./cmd/koweld

demo: ## the main job from end to end, in a scratch root, in seconds
	@testdata/demo/demo.sh

demo-nvidia: ## the same on NVIDIA's driver from Debian's non-free (minutes the first time)
	@testdata/nvidia/demo.sh

demo-quirk: deb ## LP: #1982534 without koweld and with it, by apt in a throw-away chroot
	@testdata/quirks/demo.sh build/deb

check: ## format, analysis, tests: minutes; no root, no network
	@.ci/tier check

test: ## check, and all that needs root and Debian's packages; what CI runs
	@.ci/tier test

corpus: ## kernel modules of Debian to try recipes on (hours the first time, 20 GB); see testdata/corpus
	@testdata/corpus/build.sh

test-recipe: ## a recipe of each module of the corpus: made, applied, tampered with
	@testdata/corpus/test.sh -ld
	@testdata/corpus/install.sh

test-signatures: ## Debian's own signatures, every one, of five kernels (510 MB the first time)
	@testdata/signatures/run.sh

test-dpkg: ## each call of a maintainer script, made by dpkg of four releases (minutes)
	@KOWELD_TEST=all testdata/dpkg/test.sh

test-divert: ## diversions on each layout of /usr, by dpkg-divert of four releases, broken anywhere (minutes)
	@KOWELD_LIVES=20000 testdata/dpkg/divert.sh

test-apt: deb ## a driver's life by apt in systems of four releases, images, streams under load (half an hour)
	@testdata/apt/test.sh

test-quirks: deb ## LP: #1982534 by apt, /usr split and merged: upgrades that fail, are killed, go back, go on
	@testdata/quirks/test.sh

test-vm: ## modules that koweld placed, on Debian's kernels under Secure Boot, in QEMU (an hour)
	@testdata/vm/test.sh

test-powercut: ## pull the plug while dpkg works, at every write of the record (hours)
	@testdata/vm/powercut.sh install remove
	@testdata/vm/powercut.sh --every upgrade

test-crash-mutations: ## leave out or swap each step of the transaction: the proof must notice (10 minutes)
	@$(GO) run ./tools/mutate transaction

test-call-mutations: ## meet each call of dpkg in another way: the scripts must notice (minutes)
	@$(GO) run ./tools/mutate calls

# FUZZ_CPU is what each target gets in all; what it has had already is in the ledger.
FUZZ_CPU ?= 1h
fuzz: ## each fuzz target for FUZZ_CPU (1h) of processor time, resumable; prints the ledger
	@$(GO) run ./tools/fuzz -cpu $(FUZZ_CPU)

bench: ## speed and memory beside ld, cp, sign-file and sha256sum; see docs/performance.md
	$(GO) test -run '^$$' -bench . -benchmem ./...
	@testdata/bench/bench.sh

man: ## write the man pages of the commands to docs/man anew
	$(GO) test ./cmd/koweld -run '^TestManPagesAreThoseOfTheCommands$$' -update

dist: ## the source tarball, with the Go modules in it, in build/dist
	@testdata/deb/dist.sh build/dist

deb: ## Debian packages in build/deb, without the network; what lintian says of them
	@testdata/deb/build.sh build/deb

test-deb: deb ## dh_koweld in its options; the packages built again elsewhere: the same bytes
	@testdata/deb/dh_koweld.sh
	@testdata/deb/reproducible.sh build/deb

demo-deb: deb ## the example driver: built, installed by apt in a throw-away chroot, upgraded, purged
	@testdata/deb/demo.sh build/deb

clean: ## remove what was built here
	$(RM) -r koweld build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 22
