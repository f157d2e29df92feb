# Sourced, from the root of the checkout: makes sure of what the build needs and sets FEATURES.
# JPEG-LS is decoded by a C++ library that cmake builds; without a C++ compiler it is left out.

command -v cargo >/dev/null || {
    echo 'cargo is missing: install Rust 1.94 or newer (rustup, or your distribution).' >&2
    exit 1
}
command -v "${CC:-cc}" >/dev/null || {
    echo 'A C compiler is missing (SQLite and TLS need it): install gcc or clang (Debian: build-essential).' >&2
    exit 1
}

FEATURES=()
if ! command -v "${CXX:-c++}" >/dev/null; then
    echo 'No C++ compiler: JPEG-LS images will be kept and forwarded, but models cannot read them (Debian: build-essential).'
    FEATURES=(--no-default-features)
elif ! command -v cmake >/dev/null; then
    # Pinned: a later major version may drop what the C++ library's build files ask for.
    [ -x .tools/venv/bin/cmake ] || tools/private-python.sh cmake==4.0.3
    mkdir -p .tools/bin
    ln -sf ../venv/bin/cmake .tools/bin/cmake
    PATH=$PWD/.tools/bin:$PATH
    export PATH
fi
