#!/bin/sh
# BLEU of models on a text, decoded in float32 and in bf16, and how many translations are the same.
#
#     cargo build --release
#     benches/precision/decode.sh SOURCE REFERENCE MODEL ...
set -eu
program=$(dirname "$0")/../../target/release/wdistill
source=$1 reference=$2
shift 2
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for model in "$@"; do
    "$program" translate --model "$model" --sentences line < "$source" > "$work/float32"
    "$program" translate --model "$model" --sentences line --quantize bf16 < "$source" > "$work/bf16"
    different=$(diff --side-by-side --suppress-common-lines "$work/float32" "$work/bf16" | wc -l)
    echo "$model"
    "$program" score "$reference" -w 3 -i "$work/float32" "$work/bf16"
    echo "different: $different of $(wc -l < "$source")"
done
