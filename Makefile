# The two commands that a new checkout needs, and what they are made of.
.PHONY: help demo test build

help:
	@echo 'make demo    build, then send a chest CT through the whole node and show each station'
	@echo '             make demo OPTIONS="--series DIR"           a real series'
	@echo '             make demo OPTIONS="--pacs AET@HOST:PORT"   to a real PACS'
	@echo 'make test    install what the tests need where that is allowed, and run every check'
	@echo 'make build   the release binary, target/release/gantry'

demo:
	@tools/demo.sh $(OPTIONS)

test:
	@tools/test.sh

build:
	@bash -c 'set -euo pipefail; . tools/build-tools.sh; tools/onnxruntime.sh; cargo build --release --package gantry "$${FEATURES[@]}"'
