#!/bin/sh
# One, two and three processes write the same bytes: test.sh MPIRUN MAKE_LAYERS QUANTIZE_LAYERS FOLDER
set -eu
mpirun=$1 make=$2 quantize=$3 folder=$4
mkdir -p "$folder"
cd "$folder"
"$make" layers.safetensors
run() {
    "$mpirun" --allow-run-as-root --oversubscribe -n "$@"
}
for n in 1 2 3; do
    rm -f "quantized_$n.safetensors"
    run $n "$quantize" layers.safetensors "quantized_$n.safetensors"
done
cmp quantized_1.safetensors quantized_2.safetensors
cmp quantized_1.safetensors quantized_3.safetensors
if run 2 "$quantize" absent.safetensors none.safetensors 2> errors.txt; then
    echo "a file that does not exist was read"
    exit 1
fi
grep -q "absent.safetensors" errors.txt
test ! -e none.safetensors
echo "the same bytes from 1, 2 and 3 processes"
