# The commands a person needs. Each is a short script in scripts/, readable on its own.
#
#   make run      set up what misses, build, and start Molecule (window, or a link without a display)
#   make test     set up what misses, then everything that has to hold before a change lands
#   make check    format, lints and types, without and with the window
#   make bench    the speed figures of docs/benchmarks.md
#   make fuzz     minutes of searching for input that breaks a reader or the API
#   make proof    changes the program in 40 places and counts how often the tests notice
#   make package  the installable package of this system
#   make ui       the canvas alone
#   make openapi  docs/openapi.json and the canvas's types, after a change of the routes
#   make deny     licences and known weaknesses of all dependencies (needs cargo-deny)

# Arguments for the program: make run ARGS="--port 8090"
ARGS ?=

.PHONY: run test check bench fuzz proof package ui openapi deny help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

run:
	@scripts/run $(ARGS)

test:
	@scripts/test

check:
	@scripts/setup test
	@scripts/check

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz

proof:
	@scripts/proof

package:
	@scripts/package

ui:
	@scripts/setup run
	@scripts/ui

openapi:
	@scripts/openapi

deny:
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --all-features check; \
	else echo "cargo-deny is not installed: cargo install cargo-deny --locked"; fi
