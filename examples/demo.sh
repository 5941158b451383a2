#!/usr/bin/env bash
# The main job on a small trained language model: quantizes it in four ways, writes the files, reads them back and
# compares what is in them with what was reported. Installs what is missing (Debian) and builds the program first.
#
# Usage: demo.sh [FOLDER]      where the files go; default: build/demo/out. JOBS=N sets how many compilers run at once.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../build/demo/out}")
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
build=build/demo
model=examples/models/demo
specs=(int8/row uint4/64 nf4/64+dq mxfp4)
unset TERSOR_ISA

steps=$((3 + ${#specs[@]})) step=0 name="start"
elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
begin() {
    step=$((step + 1)) name=$1
    printf '\n[%d/%d] %s  (%s)\n' "$step" "$steps" "$name" "$(elapsed)"
}
trap 'status=$?; ((status == 0)) || printf "\nFAILED at step %d of %d (%s) after %s\n" "$step" "$steps" "$name" "$(elapsed)" >&2' EXIT

# Make prints one line per file; on a terminal they share one line. Anything else is shown.
progress() {
    awk -v terminal="$([[ -t 1 ]] && echo 1 || echo 0)" '
        /^\[ *[0-9]+%\] Building/ { if (terminal) printf "\r\033[K%.110s", $0; else print; fflush(); next }
        /^\[ *[0-9]+%\]|^Consolidate|^Scanning/ { next }
        { if (terminal) printf "\r\033[K"; print; fflush() }
        END { if (terminal) printf "\r\033[K" }'
}

# The figures of a JSON report, a line per quantized tensor: name, mse, SQNR, largest error, cosine.
figures() {
    awk '{ sub(/,$/, "") }
        $1 == "\"name\":" { tensor = $2; spec = "" }
        $1 == "\"spec\":" { spec = $2 }
        $1 == "\"mse\":" { mse = $2 }
        $1 == "\"sqnr_db\":" { sqnr = $2 }
        $1 == "\"max_abs_error\":" { largest = $2 }
        $1 == "\"cosine\":" && spec != "" { print tensor, mse, sqnr, largest, $2; spec = "" }' "$1" | sort
}

# Every figure of the first report stands in the second, bit for bit.
verify() { # what reported found
    local missing
    missing=$(comm -23 <(figures "$2") <(figures "$3"))
    [[ -s $2 && -n $(figures "$2") && -z $missing ]] || {
        printf '%s differs from what was reported:\n%s\n' "$1" "$missing" >&2
        return 1
    }
    echo "verified: $1, $(figures "$2" | wc -l) tensors"
}

begin "install what is missing"
cmake/need_packages.sh g++ make cmake libeigen3-dev libcli11-dev

begin "build the program"
mkdir -p "$build" "$out"
# Four files are compiled as one: their kernels are compiled once, in two thirds of the time.
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DTERSOR_BUILD_TESTS=OFF \
    -DTERSOR_BUILD_BENCH=OFF -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=4 \
    >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
cmake --build "$build" --target tersor_cli -j "$jobs" -- --no-print-directory 2>&1 | progress
tersor=$build/bin/tersor
"$tersor" --version

begin "the model"
"$tersor" inspect "$model"

for spec in "${specs[@]}"; do
    begin "quantize to $spec"
    target=$out/demo-${spec//[\/+]/-}
    rm -f "$target".*
    "$tersor" quantize "$model" -o "$target" --force --to "$spec" --json "$target.json" --html "$target.html"
    # what is in the files, and what their plain copy holds
    "$tersor" compare "$model" "$target" --quiet --json "$target.found.json"
    verify "$target" "$target.json" "$target.found.json"
    "$tersor" dequantize "$target" -o "$target.safetensors" --quiet
    "$tersor" compare "$model" "$target.safetensors" --quiet --json "$target.found.json"
    verify "$target.safetensors (dequantized)" "$target.json" "$target.found.json"
    rm "$target.found.json"
done

printf '\nAll verified in %s. The files, with a page of pictures each (*.html), are in %s\n' "$(elapsed)" "$out"
