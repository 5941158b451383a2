#!/usr/bin/env bash
# Checks that a folder of include/tersor includes only folders above it, and that headers do not include what costs
# every user (streams, regex) or belongs to programs.
#
#   core <- simd <- formats <- quantizers <- {calibrators, linalg <- solvers, matmul, training, metrics} <- io
set -euo pipefail
cd "$(dirname "$0")/../../include/tersor"

find . -name '*.hpp' | LC_ALL=C sort | xargs awk '
BEGIN {
    # allowed[folder] lists what that folder may include beside itself.
    below = "core"
    n = split("simd formats quantizers", chain)
    allowed["core"] = ""
    for (i = 1; i <= n; i++) { allowed[chain[i]] = below; below = below " " chain[i] }
    m = split("calibrators linalg matmul training metrics", siblings)
    for (i = 1; i <= m; i++) allowed[siblings[i]] = below
    allowed["solvers"] = below " linalg"
    allowed["io"] = below " calibrators linalg solvers matmul training metrics"
}
FNR == 1 {
    files++
    folder = FILENAME; sub(/^\.\//, "", folder)
    top = folder !~ /\//
    sub(/\/.*/, "", folder)
    if (!top && !(folder in allowed)) report("the folder " folder " has no place in the order of folders")
}
# TERSOR_KERNELS names a file for for_each_isa.hpp to include.
/^[ \t]*#[ \t]*(include [<"]|define TERSOR_KERNELS )/ {
    name = $0; sub(/^[^"<]*["<]/, "", name); sub(/[">].*/, "", name)
    if (name ~ /^(iostream|cstdio|stdio.h|cassert|assert.h|regex|gtest\/.*)$/) report("headers of the library do not include <" name ">")
    if ($0 !~ /"/) { if (name ~ /^tersor\//) report("write #include \"" name "\""); next }
    if (name !~ /^tersor\//) { report("\"" name "\" is not written from tersor/"); next }
    target = name; sub(/^tersor\//, "", target)
    if (target !~ /\//) { if (!top && target != "version.hpp") report("only tersor.hpp and all.hpp stand above the folders; " folder " includes \"" name "\""); next }
    sub(/\/.*/, "", target)
    if (!top && target != folder && (" " allowed[folder] " ") !~ (" " target " ")) report(folder " may not include " target " (\"" name "\")")
}
function report(what) { print "include/tersor/" substr(FILENAME, 3) ":" FNR ": " what; bad++ }
END { print files " headers, " bad + 0 " wrong includes"; exit bad > 0 }'

# all.hpp includes every public header, by itself or through others.
if [[ -e all.hpp ]]; then
    roots=(all.hpp)
    reachable() { # every header that they reach
        local queue=("${roots[@]}") seen=" ${roots[*]} " next
        while ((${#queue[@]})); do
            next=${queue[0]}; queue=("${queue[@]:1}")
            echo "$next"
            while read -r name; do
                [[ $seen == *" $name "* ]] || { seen+="$name "; queue+=("$name"); }
            done < <(sed -nE 's/^[ \t]*#[ \t]*(include|define TERSOR_KERNELS) "tersor\/([^"]*)".*/\2/p' "$next" 2>/dev/null)
        done
    }
    missing=$(comm -23 <(find . -name '*.hpp' | sed 's|^\./||' | LC_ALL=C sort) <(reachable | LC_ALL=C sort))
    if [[ -n $missing ]]; then
        echo "none of ${roots[*]} reaches:" $missing
        exit 1
    fi
fi
