#!/usr/bin/env bash
# Usage: headers_alone.sh COMPILER FLAGS...
# Every header compiles alone and twice in one unit, without warnings; the whole library also with -fno-exceptions.
# Left out are *-inl.hpp, bodies that another header includes once per instruction set (it covers them), and
# for_each_isa.hpp, which does that.
# Kernels are compiled for one instruction set: what a header lacks does not depend on it.
# Headers that include one another share a unit, the innermost first: "a" and then "b", which includes a, is what b alone
# sees, and shows that a needs nothing of what else b includes.
# Where clang++ is installed and COMPILER is another one, clang++ compiles the whole library.
set -euo pipefail
include=$(cd "$(dirname "$0")/../../include" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

export TERSOR_FLAGS="${*:2} -Wall -Wextra -Wconversion -Werror -fsyntax-only -DTERSOR_PORTABLE"
compilers=("$1")
if [[ $1 != *clang* ]] && command -v clang++ >/dev/null; then
    compilers+=(clang++)
fi

mapfile -t headers < <(cd "$include" && find tersor -name '*.hpp' ! -name '*-inl.hpp' ! -name for_each_isa.hpp | LC_ALL=C sort)

# The headers, each chain of inclusions on a line. A header joins the longest chain whose last header it includes.
chains() {
    (cd "$include" && awk '
    function visit(header,   list, n, i, k) {
        if (header in seen) return
        seen[header] = 1
        n = split(direct[header], list, " ")
        for (i = 1; i <= n; i++) {
            visit(list[i])
            includes[header, list[i]] = 1
            for (k = 1; k <= count; k++) if ((list[i], name[k]) in includes) includes[header, name[k]] = 1
        }
        name[++count] = header # after all that it includes
    }
    /^#include "tersor/ { split($0, part, "\""); direct[FILENAME] = direct[FILENAME] " " part[2] }
    END {
        for (i = 1; i < ARGC; i++) { visit(ARGV[i]); wanted[ARGV[i]] = 1 }
        for (i = 1; i <= count; i++) {
            if (!(name[i] in wanted)) continue
            best = chains + 1
            for (c = 1; c <= chains; c++) if ((name[i], last[c]) in includes && length_of[c] > length_of[best]) best = c
            if (best > chains) chains = best
            last[best] = name[i]; length_of[best]++; chain[best] = chain[best] " " name[i]
        }
        for (c = 1; c <= chains; c++) print chain[c]
    }' "$@")
}

job() { # compiler, what, included headers...
    local name=${1##*/}
    local unit=$scratch/${name// /_}.${2//\//.}.cpp
    printf '#include "%s"\n' "${@:3}" >"$unit"
    printf '%s\n' "$1 $TERSOR_FLAGS $unit"
}
{
    while read -ra chain; do
        job "$1" "${chain[-1]}" "${chain[@]}" "${chain[@]}"
    done < <(chains "${headers[@]}")
    for compiler in "${compilers[@]}"; do
        job "$compiler" all tersor/all.hpp tersor/all.hpp
        job "$compiler -fno-exceptions" all tersor/all.hpp
    done
} >"$scratch/jobs"

status=0
xargs -P "$(nproc)" -I{} sh -c '{} || { echo "failed: {}"; exit 1; }' <"$scratch/jobs" 2>&1 || status=1
echo "${#headers[@]} headers alone; all together by ${compilers[*]}"
exit $status
