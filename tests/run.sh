#!/usr/bin/env bash
# The tests, whole: installs what is missing (Debian), builds, and runs everything. Any failure ends it at once with a
# message and a non-zero status. Works from any folder; JOBS=N sets how many compilers run at once.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
unset TERSOR_ISA

steps=6
source cmake/steps.sh

configure_and_build() { # compiler, preset, extra arguments of CMake
    cmake --preset "${@:2}" -DCMAKE_CXX_COMPILER="$1" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=6 >build/configure.log 2>&1 || { cat build/configure.log; return 1; }
    cmake --build --preset "$2" -j "$jobs" -- --no-print-directory 2>&1 | progress
}

begin "install what is missing"
cmake/need_packages.sh g++ clang libclang-rt-14-dev make cmake pkg-config libeigen3-dev libgtest-dev libbenchmark-dev libcli11-dev libopenmpi-dev openmpi-bin
mkdir -p build

# Tests of kernels that this machine cannot run would be compiled in vain; the program compiles all of them. The sanitized
# tests leave AVX-512 out, whose kernels are those of AVX2 in wider registers, and take fewer types. The tests of files,
# which hold no kernels, run there only. The program, whose kernels are tested by themselves, is not optimized here;
# examples/demo.sh builds it as users do. Six files are compiled as one, which saves a third of the time.
avx512=ON
grep -qw avx512bw /proc/cpuinfo || avx512=OFF

begin "build: gcc, Release, warnings are errors"
configure_and_build g++ release -DTERSOR_BUILD_BENCH=OFF -DTERSOR_TEST_AVX512=$avx512 -DTERSOR_TEST_LEAVE_OUT=io -DTERSOR_PROGRAM_OPTIONS=-O0

begin "build: clang, unit tests with AddressSanitizer and UndefinedBehaviorSanitizer, warnings are errors"
configure_and_build clang++ asan -DTERSOR_TEST_AVX512=OFF -DTERSOR_TEST_FEWER_TYPES=ON

begin "unit tests with the sanitizers"
ctest --preset asan -j "$jobs" --exclude-regex '\.generic$'

begin "every other test, native and TERSOR_ISA=generic; structure of the tree; packages"
ctest --preset release -j "$jobs"

begin "count"
# The programs name what they ran; the logs hold it.
awk '/^\[  PASSED  \] [0-9]+ test/ { cases += $4 } /^Test Passed\.$/ { passed++ } /^Test Failed\.$/ { failed++ }
     END { printf "%d test cases in %d programs and checks\n%d passed, %d failed\n", cases, passed + failed, passed, failed + 0 }' \
    build/{asan,release}/Testing/Temporary/LastTest.log
echo "total time $(elapsed)"
