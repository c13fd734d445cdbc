#!/usr/bin/env bash
# Packages of the system that the tests need: Chromium, Redis, PostgreSQL. As root they are installed, else named.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v redis-server >/dev/null || missing+=(redis-server)
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
fc-list 2>/dev/null | grep -qi dejavu || missing+=(fonts-dejavu-core)
[ ${#missing[@]} = 0 ] && exit 0
if [ "${1:-check}" = install ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]} …"
  # No package may start a service of its own here: tests start what they need, and end it.
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.yclick && chmod +x /usr/sbin/policy-rc.d.yclick
  [ -e /usr/sbin/policy-rc.d ] || { mv /usr/sbin/policy-rc.d.yclick /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
  rm -f /usr/sbin/policy-rc.d.yclick
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" fontconfig >/dev/null
  exit 0
fi
echo "missing for the tests: ${missing[*]}" >&2
echo "install them: apt-get install ${missing[*]}" >&2
[ "${1:-check}" = check ]
