#!/usr/bin/env bash
# Usage: bench/run.sh [REGEX]
# Builds the benchmarks (Release, -O2, no -march), runs those whose name matches REGEX, and prints one table: the speed
# of each operation, its ratio to the limit loop of the same run, and the ratios that it must and should reach.
# Then the compile-time record. The full results stay in build/bench/results/*.json.
set -euo pipefail
cd "$(dirname "$0")/.."
filter=${1:-.}
build=build/bench

cmake/need_packages.sh g++ make cmake libeigen3-dev libbenchmark-dev
mkdir -p "$build"
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
    -DTERSOR_BUILD_TESTS=OFF -DTERSOR_BUILD_EXAMPLES=OFF -DTERSOR_BUILD_BENCH=ON >"$build/configure.log" || { cat "$build/configure.log"; exit 1; }
echo "building the benchmarks"
cmake --build "$build" -j "$(nproc)" >"$build/build.log" 2>&1 || { grep -E 'error|Error' -A5 "$build/build.log" | head -40; exit 1; }

rm -rf "$build/results"
mkdir -p "$build/results"
for program in "$build"/bin/bench/*_bench; do
    name=$(basename "$program")
    echo "running $name"
    "$program" --benchmark_filter="$filter" --benchmark_out="$build/results/$name.json" --benchmark_out_format=json >"$build/results/$name.log" 2>&1 ||
        { cat "$build/results/$name.log"; exit 1; }
done

# Google Benchmark writes one field a line; a benchmark ends at its closing brace.
awk '
function size_name(bytes) {
    if (bytes + 0 == 0) return "-"
    return bytes + 0 >= 1048576 ? bytes / 1048576 " MiB" : bytes / 1024 " KiB"
}
function number(x) { return x + 0 == 0 ? "-" : sprintf("%.2f", x) }
function flush_one(    parts, n, i, operation, bytes, threads, mark, reached, must, stretch) {
    if (name == "") return
    n = split(name, parts, "/")
    operation = parts[1]; bytes = ""; threads = ""
    for (i = 2; i <= n; i++) {
        if (parts[i] ~ /^bytes:/) bytes = substr(parts[i], 7)
        else if (parts[i] ~ /^threads:/) threads = substr(parts[i], 9)
        else if (parts[i] !~ /^(iterations:|manual_time|real_time|process_time)/) operation = operation "/" parts[i]
    }
    absolute = ("must_GB/s" in field)
    must = 0 + (absolute ? field["must_GB/s"] : field["must"])
    stretch = 0 + (absolute ? field["stretch_GB/s"] : field["stretch"])
    reached = 0 + (absolute ? field["GB/s"] : field["ratio"])
    mark = must == 0 ? "" : reached >= stretch && stretch > 0 ? "stretch" : reached >= must ? "pass" : "MISSED"
    if (must > 0) { stated++; if (reached < must) missed++ }
    unit = absolute ? " GB/s" : ""
    printf "%-52s %9s %7s %8s %7s %11s %11s  %s\n", operation, size_name(bytes), threads, number(field["GB/s"]),
           number(field["ratio"]), number(must) unit, number(stretch) unit, mark
    name = ""; delete field
}
BEGIN {
    printf "\n%-52s %9s %7s %8s %7s %11s %11s  %s\n", "operation", "size", "threads", "GB/s", "ratio", "must", "stretch", ""
}
/^ *"name": / { name = $0; sub(/^ *"name": "/, "", name); sub(/",?$/, "", name); inside = 1; next }
inside && /^ *}/ { flush_one(); inside = 0; next }
inside && /^ *"[^"]*": / {
    key = $0; sub(/^ *"/, "", key); sub(/".*/, "", key)
    value = $0; sub(/^ *"[^"]*": /, "", value); sub(/,$/, "", value)
    field[key] = value
}
END { printf "\n%d operations have a target; %d miss it\n", stated, missed }' "$build"/results/*.json

echo
bench/compile_time.sh
