#!/usr/bin/env bash
# The tests, whole: installs what is missing (Debian), builds, and runs everything. Any failure ends it at once with a
# message and a non-zero status. Works from any folder; JOBS=N sets how many compilers run at once.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
unset TERSOR_ISA

steps=6
source cmake/steps.sh

configure_and_build() { # preset, extra arguments of CMake
    cmake --preset "$@" -DCMAKE_CXX_COMPILER=g++ >build/configure.log 2>&1 || { cat build/configure.log; return 1; }
    cmake --build --preset "$1" -j "$jobs" -- --no-print-directory 2>&1 | progress
}

begin "install what is missing"
cmake/need_packages.sh g++ make cmake pkg-config libeigen3-dev libgtest-dev libbenchmark-dev libcli11-dev
mkdir -p build

# Tests of kernels that this machine cannot run would be compiled in vain; the program compiles all of them. The sanitized
# tests leave AVX-512 out, whose kernels are those of AVX2 in wider registers, and take fewer types.
avx512=ON
grep -qw avx512bw /proc/cpuinfo || avx512=OFF

begin "build: gcc, Release, warnings are errors"
configure_and_build release -DTERSOR_BUILD_BENCH=OFF -DTERSOR_TEST_AVX512=$avx512

begin "build: unit tests with AddressSanitizer and UndefinedBehaviorSanitizer"
# Checks as calls and not inline: the kernels compile in half the time.
configure_and_build asan -DTERSOR_TEST_AVX512=OFF -DTERSOR_TEST_FEWER_TYPES=ON -DCMAKE_CXX_FLAGS="--param asan-instrumentation-with-call-threshold=0"

begin "unit tests with the sanitizers"
ctest --preset asan -j "$jobs" --exclude-regex '\.generic$'

begin "every test, native and TERSOR_ISA=generic; structure of the tree; packages"
ctest --preset release -j "$jobs"

begin "count"
# Programs of the Release build name what they ran; the log holds it.
awk '/^\[  PASSED  \] [0-9]+ test/ { cases += $4 } /^Test Passed\.$/ { passed++ } /^Test Failed\.$/ { failed++ }
     END { printf "%d test cases in %d programs and checks\n%d passed, %d failed\n", cases, passed + failed, passed, failed + 0 }' \
    build/release/Testing/Temporary/LastTest.log
echo "total time $(elapsed)"
