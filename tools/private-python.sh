#!/usr/bin/env bash
# Installs Python packages into .tools/venv, a private environment that touches nothing outside this checkout:
# tools/private-python.sh PIP-INSTALL-ARGUMENTS...
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
venv=.tools/venv

stop() {
    printf 'private Python: %s\n' "$1" >&2
    exit 1
}

command -v "$python" >/dev/null || stop "$python is missing; install Python 3 with pip (Debian: python3-pip)."

if ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    mkdir -p .tools
    # Debian keeps ensurepip in a package of its own (python3-venv). Without it the environment
    # is made empty, and the pip outside installs into it.
    "$python" -m venv "$venv" >/dev/null 2>&1 || {
        rm -rf "$venv"
        "$python" -m venv --without-pip "$venv" ||
            stop "$python cannot make an environment; install its venv module (Debian: python3-venv)."
    }
fi

if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    pip=("$venv/bin/python" -m pip)
elif "$python" -m pip --python "$venv/bin/python" --version >/dev/null 2>&1; then
    pip=("$python" -m pip --python "$venv/bin/python")
else
    stop "neither ensurepip nor pip 22.3 or newer is there; install one (Debian: python3-venv or python3-pip)."
fi
PIP_USER=0 "${pip[@]}" install --quiet --disable-pip-version-check "$@" ||
    stop 'pip could not install (its message stands above). Behind a mirror or a proxy set PIP_INDEX_URL, PIP_CERT or pip.conf.'
