#!/bin/bash
# Mounts a JuiceFS volume in the mount namespace that it was started in, runs a script with the mount point as its first
# argument, and unmounts. Whatever kills it, the mount ends with the namespace.
# usage: unshare -m juicefs-mounted.sh META_URL SCRIPT [ARGUMENT...]
set -eu
url=$1 script=$2
shift 2
at=$(mktemp -d)
juicefs mount --no-usage-report --no-bgjob --cache-dir "$at/cache" "$url" "$at/mnt" >"$at/log" 2>&1 &
client=$!
trap 'umount "$at/mnt" 2>/dev/null || true; wait "$client" 2>/dev/null || true; rm -rf "$at"' EXIT
mkdir -p "$at/mnt"
until mountpoint -q "$at/mnt"; do
  kill -0 "$client" 2>/dev/null || { cat "$at/log" >&2; exit 1; }
  sleep 0.05
done
bash -eu -c "$script" bash "$at/mnt" "$@"
