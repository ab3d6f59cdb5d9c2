#!/usr/bin/env bash
# Bergamot's own engine, in node, takes what `wdistill export --format bergamot` writes: students that this script trains in
# some seconds on the demo's text, one of whose sizes must be filled up, and one with an SSRU. What is missing is installed
# where Debian's packages and npm can be.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
here=crates/wdistill-cli/tests/bergamot

if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
    command -v apt-get > /dev/null || { echo "bergamot/run.sh: the test needs node and npm" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet --no-install-recommends nodejs npm > /dev/null
fi
cargo build --release --package wdistill-cli
program=$PWD/target/release/wdistill
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --prefix "$work" @browsermt/bergamot-translator@0.4.9 > /dev/null
engine=$work/node_modules/@browsermt/bergamot-translator

for name in train validation test; do
    xz --decompress --stdout "crates/wdistill-demo/data/$name.tsv.xz" | sed --quiet 1,4000p > "$work/$name.tsv"
    cut -f 1 "$work/$name.tsv" > "$work/$name.en"
    cut -f 2 "$work/$name.tsv" > "$work/$name.de"
done
head -n 200 "$work/test.en" > "$work/lines.en"
head -n 200 "$work/test.de" > "$work/lines.de"

train() {
    local name=$1
    shift
    "$program" train --train "$work/train.en" "$work/train.de" --quiet --languages en de \
        --validation "$work/validation.en" "$work/validation.de" --preset transformer-nano \
        --set architecture.encoder.width=64 --set architecture.decoder.width=64 --set training.updates=400 \
        --set training.optimiser=muon --set training.learning_rate=5e-3 --set training.warm_up=20 \
        --set training.max_tokens=2000 --set training.validate_every=200 "$@" --out "$work/$name"
    student=$work/$name/teacher/model
    "$program" shortlist --quiet --model "$student" --source "$work/train.en" --target "$work/train.de" \
        --out "$work/$name.lex"
    "$program" quantize "$student" --out "$work/$name.int8"
}

# Takes the folder, translates 200 lines, and says how near the translations are to our own in int8.
check() {
    local name=$1 folder=$2
    node "$here/engine.cjs" "$engine" "$folder" text < "$work/lines.en" > "$work/$name.bergamot"
    "$program" translate --model "$work/$name.int8" --beam-size 1 --quiet --shortlist "$work/$name.lex" \
        < "$work/lines.en" > "$work/$name.ours"
    local near
    near=$("$program" score "$work/$name.ours" --input "$work/$name.bergamot" --metrics chrf --score-only)
    echo "$name: chrF of Bergamot's translations against ours in int8: $near"
    awk -v near="$near" 'BEGIN { exit !(near >= 85) }'
    [ "$(wc -l < "$work/$name.bergamot")" -eq 200 ]
    echo '<p>Hello <b>world</b>!</p>' | node "$here/engine.cjs" "$engine" "$folder" html > "$work/html"
    grep --quiet '<p>.*<b>.*</b>.*</p>' "$work/html"
}

train attention --vocabulary-size 1003 --set architecture.encoder.feed_forward=160 --set architecture.decoder.feed_forward=96
"$program" export "$work/attention/teacher/model" --format bergamot --source "$work/validation.en" \
    --shortlist "$work/attention.lex" --out "$work/attention.bergamot-folder"
check attention "$work/attention.bergamot-folder"

train ssru --vocabulary-size 1000 --set architecture.autoregression=ssru \
    --set architecture.encoder.feed_forward=128 --set architecture.decoder.feed_forward=128
"$program" export "$work/ssru/teacher/model" --format bergamot --source "$work/validation.en" \
    --shortlist "$work/ssru.lex" --out "$work/ssru.bergamot-folder"
check ssru "$work/ssru.bergamot-folder"

# Without factors of activations the engine measures them in every product.
"$program" export "$work/ssru/teacher/model" --format bergamot --shortlist "$work/ssru.lex" \
    --out "$work/measured" 2> /dev/null
check ssru "$work/measured"
