#!/usr/bin/env bash
# Usage: check.sh COMPILER FLAGS...
# Each *.cpp beside this script holds a right use and, under MISUSE, a wrong one. The right one compiles; the wrong one
# must fail, and its errors must hold the sentence after "// says: " in the file: a person reads it, so it is whole.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

count=0 status=0
for unit in "$here"/*.cpp; do
    [[ -e $unit ]] || break
    count=$((count + 1))
    name=$(basename "$unit")
    says=$(sed -n 's|^// says: ||p' "$unit")
    [[ -n $says ]] || { echo "$name: has no line \"// says: ...\""; status=1; continue; }
    if ! "$@" -fsyntax-only "$unit" 2>"$scratch/errors"; then
        echo "$name: the right use does not compile"
        head -20 "$scratch/errors"
        status=1
    elif "$@" -fsyntax-only -DMISUSE "$unit" 2>"$scratch/errors"; then
        echo "$name: the misuse compiles"
        status=1
    elif ! grep -qF "$says" "$scratch/errors"; then
        echo "$name: the errors do not say \"$says\":"
        grep -E 'error' "$scratch/errors" | head -8
        status=1
    fi
done
echo "$count misuses"
exit $status
