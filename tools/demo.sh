#!/usr/bin/env bash
# Builds the node and runs `gantry demo` with the options given.
set -euo pipefail
cd "$(dirname "$0")/.."

. tools/build-tools.sh
tools/onnxruntime.sh
cargo build --release --package gantry "${FEATURES[@]}"
exec target/release/gantry demo "$@"
