#!/usr/bin/env bash
# Usage: need_packages.sh PACKAGE...
# Installs those of the named Debian packages that are missing, through apt-get (with sudo where the user is not root).
# On a system without apt-get it says what is needed and goes on: CMake then names what it does not find.
set -euo pipefail

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "no apt-get here; needed are (Debian's names): $*"
    exit 0
fi

missing=()
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    echo "all there: $*"
    exit 0
fi

as_root=()
if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || { echo "missing: ${missing[*]}. Install them as root: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing: ${missing[*]}"
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ "${as_root[@]}" apt-get -o Acquire::Retries=3 update -qq </dev/null && install; } >"$log" 2>&1 || {
    tail -15 "$log" >&2
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 1
}
