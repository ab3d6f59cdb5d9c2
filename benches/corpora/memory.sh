#!/usr/bin/env bash
# Peak memory and speed of preparing and training, from small texts to large ones.
#
#     benches/corpora/memory.sh BASE.SOURCE BASE.TARGET WORK_FOLDER PAIRS...
#
# For each number of pairs: a text of that size is made of the base (grow.py), `wdistill train` surveys it, learns a
# vocabulary, checks and encodes it, and trains a tiny model for some updates. Prints seconds of each stage, pairs a minute
# over all stages before training, and the largest resident memory of the process. The program has to be built
# (`cargo build --release`). The text and the run's folder are removed again.
set -euo pipefail
source=$1 target=$2 work=$3
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$work"
head -n 500 "$source" > "$work/valid.source"
head -n 500 "$target" > "$work/valid.target"
printf '%10s %10s %12s %10s\n' pairs seconds pairs/minute peak_MB
for pairs in "$@"; do
    python3 "$root/benches/corpora/grow.py" "$source" "$target" "$pairs" "$work/train.source" "$work/train.target"
    rm -rf "$work/run"
    "$root/target/release/wdistill" train --train "$work/train.source" "$work/train.target" \
        --validation "$work/valid.source" "$work/valid.target" --vocabulary-size 8000 --preset transformer-nano \
        --set training.updates=200 --set training.criterion=loss --set training.validate_every=200 \
        --out "$work/run" --force > "$work/log" 2>&1 &
    process=$!
    start=$(date +%s.%N)
    prepared=
    peak=0
    while kill -0 "$process" 2> /dev/null; do
        now=$(awk '/VmHWM/ { print $2 }' "/proc/$process/status" 2> /dev/null || true)
        if [ -n "$now" ]; then peak=$now; fi
        if [ -z "$prepared" ] && [ -e "$work/run/pairs/training/result.json" ]; then prepared=$(date +%s.%N); fi
        sleep 0.2
    done
    wait "$process" || { tail -n 5 "$work/log"; exit 1; }
    awk -v pairs="$pairs" -v start="$start" -v end="$prepared" -v peak="$peak" 'BEGIN {
        seconds = end - start
        printf "%10d %10.0f %12.0f %10.0f\n", pairs, seconds, pairs / seconds * 60, peak / 1024
    }'
    rm -rf "$work/run" "$work/train.source" "$work/train.target"
done
