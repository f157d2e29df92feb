#!/usr/bin/env bash
# Puts ONNX Runtime's library into .onnxruntime/, once: the pinned wheel, fetched by pip with pip's own
# settings (mirror, proxy, certificates), checked against tools/onnxruntime.txt, and unpacked.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.onnxruntime
python=${PYTHON:-python3}

stop() {
    printf 'ONNX Runtime: %s\n' "$1" >&2
    printf 'Or set ORT_DYLIB_PATH to a libonnxruntime.so of version 1.24 or newer that you have.\n' >&2
    exit 1
}

if [ -n "${ORT_DYLIB_PATH:-}" ]; then
    [ -f "$ORT_DYLIB_PATH" ] || stop "ORT_DYLIB_PATH names no file: $ORT_DYLIB_PATH"
    exit 0
fi
compgen -G "$folder/libonnxruntime.so*" >/dev/null && exit 0

[ "$(uname -s)" = Linux ] || stop "no library is pinned for $(uname -s)."
machine=$(uname -m)
case $machine in
x86_64 | aarch64) ;;
*) stop "no library is pinned for $machine." ;;
esac
if ldd --version 2>&1 | grep -qi musl; then stop 'the pinned library needs glibc; this system has musl.'; fi
command -v "$python" >/dev/null || stop "$python is missing; install Python 3 with pip (Debian: python3-pip)."
"$python" -m pip --version >/dev/null 2>&1 || stop "$python has no pip; install it (Debian: python3-pip)."

# Everything happens beside the folder, and one rename makes it appear whole.
mkdir -p .tools
work=$(mktemp -d .tools/onnxruntime.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo 'Fetching ONNX Runtime 1.31.1 (about 23 MB, once) ...'
PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip download --quiet --no-deps --only-binary=:all: \
    --platform "manylinux_2_28_$machine" --python-version 311 --implementation cp --abi cp311 \
    --require-hashes --requirement tools/onnxruntime.txt --dest "$work" ||
    stop 'pip could not fetch the pinned wheel (its message stands above). Behind a mirror or a proxy set PIP_INDEX_URL, PIP_CERT or pip.conf.'

"$python" - "$work" <<'PYTHON' || stop 'the wheel could not be unpacked.'
import pathlib, sys, zipfile

work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("*.whl")
library = work / "library"
library.mkdir()
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        last = name.rsplit("/", 1)[-1]
        if last.startswith("libonnxruntime") or last in ("LICENSE", "ThirdPartyNotices.txt"):
            (library / last).write_bytes(archive.read(name))
(versioned,) = library.glob("libonnxruntime.so.*")
(library / "libonnxruntime.so").symlink_to(versioned.name)
PYTHON

rm -rf "$folder"
chmod 755 "$work/library"
mv "$work/library" "$folder"
echo "ONNX Runtime 1.31.1 is in $folder/"
