#!/usr/bin/env bash
# Usage: readme_snippets.sh COMPILER FLAGS...
# Every ```cpp block of README.md compiles. A block that holds `int main` is a program: it is also run. Any other block
# is compiled inside a function, with <tersor/tersor.hpp> before it and its own #include lines first.
# The kernels of other instruction sets are left out, which halves the time.
set -euo pipefail
readme=$(cd "$(dirname "$0")/../.." && pwd)/README.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[[ -e $readme ]] || { echo "no README.md: nothing to compile"; exit 0; }

awk -v folder="$scratch" '
/^```cpp/ { name = sprintf("%s/line_%04d.cpp", folder, FNR); inside = 1; printf "" > name; next }
/^```/ { if (inside) close(name); inside = 0; next }
inside { print > name }' "$readme"

count=0 status=0
for block in "$scratch"/line_*.cpp; do
    [[ -e $block ]] || break
    count=$((count + 1))
    name=$(basename "$block" .cpp)
    if grep -q 'int main' "$block"; then
        cp "$block" "$scratch/unit.cpp"
    else
        {
            grep '^#include' "$block" || true
            echo '#include <tersor/tersor.hpp>'
            echo '#include <Eigen/Dense>'
            # Definitions stand at namespace scope, statements in a function.
            if grep -qE '^(template|struct|class|namespace)' "$block"; then
                echo 'namespace snippet {'; grep -v '^#include' "$block"; echo '}'
            else
                echo 'void snippet() {'; grep -v '^#include' "$block"; echo '}'
            fi
            echo 'int main() {}'
        } >"$scratch/unit.cpp"
    fi
    if ! "$@" -O0 -DTERSOR_PORTABLE -Wall -Wextra -Wno-unused "$scratch/unit.cpp" -o "$scratch/program" 2>"$scratch/errors"; then
        echo "README.md, block at ${name/_/ }: does not compile"
        head -20 "$scratch/errors"
        status=1
    elif grep -q 'int main' "$block" && ! (cd "$scratch" && ./program >"$scratch/output" 2>&1); then
        echo "README.md, block at ${name/_/ }: fails when run"
        tail -20 "$scratch/output"
        status=1
    fi
done
echo "$count blocks of C++ in README.md"
exit $status
