#!/usr/bin/env bash
# Usage: bench/compile_time.sh [COMPILER...]
# How long a unit takes to compile (-O2) that includes only Eigen/Core, all of tersor, or one of its headers: processor
# seconds, the median of RUNS (default 5) rounds that take each unit in turn, and the ratio to Eigen/Core.
set -euo pipefail
include=$(cd "$(dirname "$0")/../include" && pwd)
runs=${RUNS:-5}
limit=2.5
if (($# == 0)); then set -- g++; fi
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null | sed 's/-I/-isystem /' || true)
eigen=${eigen:--isystem /usr/include/eigen3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$include"
units=(Eigen/Core)
for header in tersor/{tersor,all,core/error,quantizers/absmax,quantizers/blockwise,quantizers/quantize,quantizers/gguf,calibrators/kl_divergence,solvers/gptq,io/safetensors}.hpp; do
    [[ ! -e $header ]] || units+=("$header")
done

for compiler in "$@"; do
    for ((run = 0; run < runs; run++)); do
        for unit in "${units[@]}"; do
            echo "#include <$unit>" >"$scratch/unit.cpp"
            # shellcheck disable=SC2086
            taken=$( (TIMEFORMAT='%U %S'; time "$compiler" -std=c++20 -O2 -I. $eigen -c "$scratch/unit.cpp" -o "$scratch/unit.o") 2>&1) || { printf '%s\n' "$unit does not compile:" "$taken" >&2; exit 1; }
            echo "$unit $taken"
        done
    done >"$scratch/times"
    printf 'compile time of one unit, %s -O2, median of %d\n' "$("$compiler" --version | head -1)" "$runs"
    awk '{ print $1, $2 + $3 }' "$scratch/times" | sort -k1,1 -k2,2n | awk -v runs="$runs" -v limit=$limit '
        { n[$1]++; if (n[$1] == int((runs + 1) / 2)) median[$1] = $2 }
        END {
            base = median["Eigen/Core"]
            printf "%-36s %8s %7s\n%-36s %8.2f %7.2f\n", "includes only", "seconds", "ratio", "Eigen/Core", base, 1
            for (unit in median) if (unit != "Eigen/Core") {
                note = unit == "tersor/tersor.hpp" ? sprintf("  at most %.1f: %s", limit, median[unit] <= limit * base ? "pass" : "MISSED") : ""
                printf "%-36s %8.2f %7.2f%s\n", unit, median[unit], median[unit] / base, note | "sort"
            }
        }'
done
