#!/usr/bin/env bash
# Usage: benchmarks_compile.sh COMPILER FLAGS...
# Every benchmark compiles without warnings, with the kernels of one instruction set; no code is made.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
status=0
for unit in "$root"/bench/*_bench.cpp; do
    "$@" -I"$root" -Wall -Wextra -Wconversion -Werror -fsyntax-only -DTERSOR_PORTABLE "$unit" || { echo "does not compile: $(basename "$unit")"; status=1; }
done
exit $status
