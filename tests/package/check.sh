#!/usr/bin/env bash
# Usage: check.sh find_package|add_subdirectory|fetch_content|pkg_config CMAKE COMPILER BUILD_DIR
# Builds and runs the program of this folder, as a user of the library would, in one of the four ways to get it.
# BUILD_DIR is a configured build of tersor: it is installed into a temporary folder, which is then moved elsewhere,
# because an installed tree must not depend on where it lay.
set -euo pipefail
way=$1 cmake=$2 compiler=$3 build=$4
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
version=$(awk '/^#define TERSOR_VERSION_(MAJOR|MINOR|PATCH) /{ printf "%s%s", dot, $3; dot = "." }' "$source/include/tersor/version.hpp")

install_and_move() {
    "$cmake" --install "$build" --prefix "$scratch/first" >"$scratch/log"
    mkdir "$scratch/elsewhere"
    mv "$scratch/first" "$scratch/elsewhere/prefix"
    prefix=$scratch/elsewhere/prefix
    if grep -rlF -e "$scratch/first" -e "$source" "$prefix"; then
        echo "the files above hold a path of the machine that installed them"
        exit 1
    fi
    local missing=0 file
    for file in include/tersor/version.hpp share/doc/tersor/LICENSE share/pkgconfig/tersor.pc share/cmake/tersor/tersor-config.cmake; do
        [[ -e $prefix/$file ]] || { echo "not installed: $file"; missing=1; }
    done
    ((missing == 0)) || exit 1
}

with_cmake() { # extra configure arguments
    "$cmake" -S "$here" -B "$scratch/build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-Werror \
        -DWAY="$way" -DTERSOR_EXPECTED_VERSION="$version" "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
    "$cmake" --build "$scratch/build" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
    "$scratch/build/consumer"
}

case $way in
find_package)
    install_and_move
    with_cmake -DCMAKE_PREFIX_PATH="$prefix"
    ;;
add_subdirectory | fetch_content)
    with_cmake -DTERSOR_SOURCE="$source"
    ;;
pkg_config)
    install_and_move
    export PKG_CONFIG_PATH=$prefix/share/pkgconfig
    [[ $(pkg-config --modversion tersor) == "$version" ]] || { echo "pkg-config gives another version"; exit 1; }
    # The flags are words to be split.
    # shellcheck disable=SC2046
    "$compiler" -std=c++20 $(pkg-config --cflags tersor) "$here/main.cpp" -o "$scratch/consumer" $(pkg-config --libs tersor)
    "$scratch/consumer"
    ;;
*)
    echo "unknown way: $way"
    exit 2
    ;;
esac
echo "tersor $version through $way"
