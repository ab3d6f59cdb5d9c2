#!/usr/bin/env bash
# BLEU of Bergamot's engine, in node, against ours in int8, for the same students: both greedy, with the same shortlist.
#
# usage: benches/export/bergamot.sh ENGINE DATA MODEL...
#
# ENGINE is the folder of the npm package @browsermt/bergamot-translator 0.4.9; DATA has train, valid and test2016 in .en and
# .de; each MODEL is a model folder with float32 weights. Prints a table, with a paired bootstrap on each difference.
set -euo pipefail
engine=$(realpath "$1") data=$(realpath "$2")
shift 2
models=()
for model in "$@"; do
    models+=("$(realpath "$model")")
done
cd "$(dirname "$0")/../.."
program=$PWD/target/release/wdistill
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT


echo "| model | ours in float32 | ours in int8 | Bergamot | Bergamot, no shortlist | same lines | paired bootstrap |"
echo "|---|---|---|---|---|---|---|"
for number in "${!models[@]}"; do
    model=${models[$number]} here=$work/$number
    mkdir "$here"
    "$program" shortlist --quiet --model "$model" --source "$data/train.en" --target "$data/train.de" --out "$here/lex" \
        > /dev/null
    "$program" export "$model" --format bergamot --languages en de --source "$data/valid.en" --shortlist "$here/lex" \
        --out "$here/full" > /dev/null 2>&1
    "$program" export "$model" --format bergamot --languages en de --source "$data/valid.en" --out "$here/plain" \
        > /dev/null 2>&1
    "$program" quantize "$model" --out "$here/int8" > /dev/null 2>&1
    ours=(translate --quiet --beam-size 1 --shortlist "$here/lex")
    "$program" "${ours[@]}" --model "$model" < "$data/test2016.en" > "$here/float32.de" 2> /dev/null
    "$program" "${ours[@]}" --model "$here/int8" < "$data/test2016.en" > "$here/int8.de" 2> /dev/null
    for kind in full plain; do
        node crates/wdistill-cli/tests/bergamot/engine.cjs "$engine" "$here/$kind" text < "$data/test2016.en" \
            > "$here/$kind.de"
    done
    same=$(paste -d '\n' "$here/int8.de" "$here/full.de" | awk 'NR % 2 { line = $0; next } line == $0' | wc -l)
    scores=$(for system in float32 int8 full plain; do
        "$program" score "$data/test2016.de" --input "$here/$system.de" --score-only --width 2
    done | tr '\n' ' ' | sed 's/ / | /g')
    paired=$("$program" score "$data/test2016.de" --input "$here/int8.de" "$here/full.de" --paired-bs --width 2 \
        --format json | tr -d '\n ' | grep -o '"p_value":[0-9.]*' | tail -n 1)
    echo "| $((number + 1)) | $scores$same | ${paired:-none} |"
done
