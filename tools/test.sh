#!/usr/bin/env bash
# Runs every check of the project. With GANTRY_TESTS=all a test that skips is a failure,
# except for those that need ../shared where that folder is not there, those that mount a small disk, and those that
# need a CUDA device.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .tools

. tools/build-tools.sh
tools/onnxruntime.sh
. tools/test-tools.sh
if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    libraries=("$PWD"/.onnxruntime/libonnxruntime.so*)
    ORT_DYLIB_PATH=${libraries[0]}
fi
ORT_DYLIB_PATH=$(realpath "$ORT_DYLIB_PATH") # each test runs in the folder of its crate
export ORT_DYLIB_PATH
# DCMTK waits for delayed acknowledgements without it, some 45 ms for each image.
export TCP_NODELAY=1

failed=()
step() {
    printf '\n== %s\n' "$*"
    "$@" || failed+=("$*")
}

lint() {
    if cargo "$1" --version >/dev/null 2>&1; then
        step cargo "$@"
    else
        echo "skipped: cargo $1 is not installed (rustup component add ${1/fmt/rustfmt})" | tee -a .tools/lint.log
    fi
}

: >.tools/lint.log
lint fmt --all --check
lint clippy --workspace --all-targets "${FEATURES[@]}" -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc --no-deps --workspace "${FEATURES[@]}"

# A skipping test passes and prints `skipped: why`; --show-output brings that out.
# The scenarios run the program that is built here for the tests of its package: one that each of them builds by itself
# has fewer features, and with it half of the workspace would be compiled twice.
tests() {
    cargo test --workspace --no-run "${FEATURES[@]}" || return
    local target
    target=$(cargo metadata --format-version 1 --no-deps |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    GANTRY_PROGRAM=$target/debug/gantry \
        cargo test --workspace --no-fail-fast "${FEATURES[@]}" -- --show-output 2>&1 | tee .tools/test.log
}
step tests

printf '\n== What was said at the end\n'
grep -E '^test result:|^test .*FAILED|^error' .tools/test.log || true
skipped=$(
    cat .tools/lint.log
    awk '/^---- .* stdout ----$/ { name = $2 } /^skipped:/ { print $0 " (" name ")" }' .tools/test.log
)
if [ -n "$skipped" ]; then
    printf 'Not checked here:\n%s\n' "$skipped"
    # A reason that speaks of the shared data is a good one where they are not.
    [ -d ../shared ] || skipped=$(grep -v 'shared' <<<"$skipped" || true)
    # Containers may not mount a small disk, whoever asks.
    skipped=$(grep -v 'mount' <<<"$skipped" || true)
    # Few machines have a CUDA device; a stand-in for its driver runs the same tests.
    skipped=$(grep -v 'no CUDA device' <<<"$skipped" || true)
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "${failed[@]}"
    exit 1
fi
if [ "${GANTRY_TESTS:-}" = all ] && [ -n "$skipped" ]; then
    echo 'Nothing may be skipped here (GANTRY_TESTS=all).'
    exit 1
fi
echo 'All checks passed.'
