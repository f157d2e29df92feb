#!/usr/bin/env bash
# Runs the fuzz targets, each for so many seconds. What they found lies in fuzz/artifacts then.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ! "${1:-}" =~ ^[0-9]+$ ]]; then
    cat <<'HELP'
tools/fuzz.sh SECONDS [TARGET...]   build the targets (all: fuzz/fuzz_targets) and run each so long

It needs cargo-fuzz (cargo install cargo-fuzz --version 0.13.2 --locked). With a nightly toolchain
AddressSanitizer is on; without one the targets run on the toolchain at hand, without it.
They begin with fuzz/seeds, fuzz/found, the files in ../shared/data/odd where these are, and what
earlier runs came upon (fuzz/corpus). A target may hold 1 GiB and take 120 s for one input:
what takes 0.1 s otherwise takes half a minute under AddressSanitizer.
If something is found, the input's path is named and the exit status is 1. Once it is mended, the
input belongs into fuzz/found/TARGET, where `cargo test` replays it.
HELP
    [ "${1:-}" = --help ] && exit 0 || exit 2
fi
seconds=$1
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

cargo_fuzz() { cargo "${toolchain[@]}" fuzz "$1" --fuzz-dir fuzz "${sanitizer[@]}" "${@:2}"; }
toolchain=() sanitizer=(--sanitizer address)
if cargo +nightly --version >/dev/null 2>&1; then
    toolchain=(+nightly)
else
    # What cargo-fuzz asks of the compiler beside a sanitizer is not stable either.
    export RUSTC_BOOTSTRAP=1
    sanitizer=(--sanitizer none)
    echo 'There is no nightly toolchain: without AddressSanitizer.'
fi
# Its search for leaks needs rights that containers lack; memory has a limit instead.
export ASAN_OPTIONS="detect_leaks=0:quarantine_size_mb=64${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
cargo_fuzz build

real=(../shared/data/odd/*/*.dcm)
[ -e "${real[0]}" ] && python3 fuzz/corpus.py real fuzz/corpus "${real[@]}"

failed=()
for target in "${targets[@]}"; do
    printf '\n== %s\n' "$target"
    mkdir -p fuzz/{corpus,seeds,found,artifacts}/"$target"
    begun=$(mktemp)
    # Inputs are short: what is wrong with a long one is wrong with a short one, too.
    log=fuzz/artifacts/$target.log
    if ! cargo_fuzz run "$target" fuzz/{corpus,seeds,found}/"$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=120 -rss_limit_mb=1024 \
        -dict=fuzz/dicom.dict -detect_leaks=0 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        failed+=("$target: $(find "fuzz/artifacts/$target" -type f -newer "$begun" | paste -sd ' ')")
    fi
    grep -E '^stat::number_of_executed_units|^stat::peak_rss_mb|DONE' "$log" || true
    rm -f "$begun"
done

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nFound:\n'
    printf '%s\n' "${failed[@]}"
    exit 1
fi
printf '\nNothing was found in %s s for each of: %s\n' "$seconds" "${targets[*]}"
