# Sourced, from the root of the checkout: installs what the tests ask for a second opinion, where this
# user may, and tells the tests where it is. What cannot be had is said; the tests that need it say `skipped:`.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# Debian packages, only those that are missing.
missing=()
command -v storescp >/dev/null && command -v dcmsend >/dev/null && command -v dsrdump >/dev/null || missing+=(dcmtk)
command -v dcentvfy >/dev/null || missing+=(dicom3tools)
command -v strace >/dev/null || missing+=(strace)
command -v dnsmasq >/dev/null || missing+=(dnsmasq-base)
command -v Orthanc >/dev/null || missing+=(orthanc)
if [ ${#missing[@]} -gt 0 ]; then
    if may_install; then
        echo "Installing ${missing[*]} ..."
        { as_root apt-get install -y --no-install-recommends "${missing[@]}" ||
            { as_root apt-get update && as_root apt-get install -y --no-install-recommends "${missing[@]}"; }; } \
            >.tools/apt.log 2>&1 || { echo "apt-get could not install ${missing[*]}:" && tail -n 3 .tools/apt.log; }
        # Its package starts a service, which the tests do not want: they start programs of their own.
        if [[ " ${missing[*]} " == *' orthanc '* ]] && [ -d /run/systemd/system ]; then
            as_root systemctl disable --now orthanc >>.tools/apt.log 2>&1 || true
        fi
    else
        echo "Not installed: ${missing[*]} (needs root, or sudo without a password, and apt-get). Tests that send and receive with it will be skipped."
    fi
fi

# The collector of the audit trail; never in the place of another program for the system's log.
if ! ls /usr/lib/*/rsyslog/lmnsd_ossl.so >/dev/null 2>&1 || [ ! -x /usr/sbin/rsyslogd ]; then
    logged=$([ -x /usr/sbin/rsyslogd ] && echo yes || true)
    if ! may_install; then
        echo "Not installed: rsyslog, rsyslog-openssl (needs root, or sudo without a password, and apt-get). Tests that collect with it will be skipped."
    elif ! { as_root apt-get install -y --no-install-recommends --no-remove rsyslog rsyslog-openssl ||
        { as_root apt-get update && as_root apt-get install -y --no-install-recommends --no-remove rsyslog rsyslog-openssl; }; } \
        >.tools/apt.log 2>&1; then
        echo "apt-get could not install rsyslog, rsyslog-openssl:" && tail -n 3 .tools/apt.log
    elif [ -z "$logged" ] && [ -d /run/systemd/system ]; then
        # The tests start one of their own.
        as_root systemctl disable --now rsyslog >>.tools/apt.log 2>&1 || true
    fi
fi

# Python packages, once for each text of the list.
stamp=.tools/venv/requirements-$(sha256sum tools/test-requirements.txt | cut -c1-16)
if ! "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Not installed: dicom3tools, highdicom and the other Python validators (they need Python 3.11 or newer). Tests that ask them will be skipped."
elif [ ! -e "$stamp" ]; then
    echo 'Installing the Python validators into .tools/venv ...'
    if tools/private-python.sh -r tools/test-requirements.txt; then
        touch "$stamp"
    else
        echo 'Not installed: the Python validators. Tests that ask them will be skipped.'
    fi
fi
if [ -e "$stamp" ]; then
    # By full path: the environment has programs named like DCMTK's, with other options.
    export GANTRY_PYTHON=$PWD/.tools/venv/bin/python
    export GANTRY_DCIODVFY=$PWD/.tools/venv/bin/dciodvfy
fi
