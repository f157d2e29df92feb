#!/usr/bin/env bash
# What this disk allows: ways to make objects of 512 KiB durable, by fio. docs/decisions/0010 quotes its table.
# tools/disk.sh [FOLDER] [ROUNDS]
set -euo pipefail
folder=$(mktemp -d -p "${1:-.}" disk.XXXXXX)
trap 'rm -rf "$folder"' EXIT
rounds=${2:-3}
command -v fio >/dev/null || { echo 'fio is needed: apt-get install fio' >&2; exit 1; }

way() {
    local name=$1
    shift
    fio --name=x --directory="$folder" --rw=write --bs=512k --size=256m --output-format=json "$@" 2>/dev/null |
        python3 -c '
import json, sys
jobs = json.load(sys.stdin)["jobs"]
objects = sum(job["write"]["total_ios"] for job in jobs)
seconds = max(job["job_runtime"] for job in jobs) / 1e3
busy = sum((job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] for job in jobs)
print(f"{sys.argv[1]:<46} {objects / seconds:7.0f} objects/s   {busy / objects:.3f} ms of CPU an object")
' "$name"
    rm -f "$folder"/x*
    sleep 0.5 # making files right after deleting some is slow on ext4
}

for ((round = 1; round <= rounds; round++)); do
    way 'append, page cache, fdatasync' --ioengine=psync --fdatasync=1 --fallocate=none
    way 'fallocate, page cache, fdatasync' --ioengine=psync --fdatasync=1 --fallocate=posix
    way 'append, O_DIRECT, fdatasync' --ioengine=psync --direct=1 --fdatasync=1 --fallocate=none
    way 'prepared, page cache, fdatasync' --ioengine=psync --fdatasync=1 --overwrite=1
    way 'prepared, O_DIRECT, fdatasync' --ioengine=psync --direct=1 --fdatasync=1 --overwrite=1
    way 'prepared, O_DIRECT, O_DSYNC' --ioengine=psync --direct=1 --sync=dsync --overwrite=1
    way 'prepared, O_DIRECT, fdatasync, io_uring' --ioengine=io_uring --direct=1 --fdatasync=1 --overwrite=1
    way 'append, page cache, fdatasync each 16' --ioengine=psync --fdatasync=16 --fallocate=none
    way 'prepared, O_DIRECT, fdatasync each 16' --ioengine=psync --direct=1 --fdatasync=16 --overwrite=1
    way 'append, O_DIRECT, fdatasync, 4 files at once' --ioengine=psync --direct=1 --fdatasync=1 --fallocate=none --numjobs=4 --size=64m
    way 'prepared, O_DIRECT, O_DSYNC, 4 files at once' --ioengine=psync --direct=1 --sync=dsync --overwrite=1 --numjobs=4 --size=64m
    echo
done
