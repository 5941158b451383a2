#!/usr/bin/env bash
# Usage: benchmarks_compile.sh COMPILER FLAGS...
# Every benchmark compiles without warnings; no code is made, which takes most of the time.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
status=0
for unit in "$root"/bench/*_bench.cpp; do
    "$@" -I"$root" -Wall -Wextra -Wconversion -Werror -fsyntax-only "$unit" || { echo "does not compile: $(basename "$unit")"; status=1; }
done
exit $status
