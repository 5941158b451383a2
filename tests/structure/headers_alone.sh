#!/usr/bin/env bash
# Usage: headers_alone.sh COMPILER FLAGS...
# Every header compiles alone and twice in one unit, without warnings; the whole library also with -fno-exceptions.
# Left out are *-inl.hpp, bodies that another header includes once per instruction set (it covers them), and
# for_each_isa.hpp, which does that.
# Kernels are compiled for one instruction set: what a header lacks does not depend on it.
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

job() { # compiler, what, included headers...
    local name=${1##*/}
    local unit=$scratch/${name// /_}.${2//\//.}.cpp
    printf '#include "%s"\n' "${@:3}" >"$unit"
    printf '%s\n' "$1 $TERSOR_FLAGS $unit"
}
{
    for header in "${headers[@]}"; do
        job "$1" "$header" "$header" "$header"
    done
    for compiler in "${compilers[@]}"; do
        job "$compiler" all tersor/all.hpp tersor/all.hpp
        job "$compiler -fno-exceptions" all tersor/all.hpp
    done
} >"$scratch/jobs"

status=0
xargs -P "$(nproc)" -I{} sh -c '{} || { echo "failed: {}"; exit 1; }' <"$scratch/jobs" 2>&1 || status=1
echo "${#headers[@]} headers alone; all together by ${compilers[*]}"
exit $status
