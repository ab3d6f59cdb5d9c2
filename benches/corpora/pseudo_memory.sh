#!/usr/bin/env bash
# Peak memory of a distillation whose teacher translates the text, from small texts to large ones.
#
#     benches/corpora/pseudo_memory.sh BASE.SOURCE BASE.TARGET WORK_FOLDER PAIRS...
#
# The base should have short sentences: what is measured is memory, and short ones are soon translated. A tiny teacher is
# trained for some updates, then `wdistill distill` checks and encodes a text of each size (grow.py), translates it, checks and
# encodes the translations, and trains a tiny student for some updates. Prints the seconds until the translations are encoded and
# the largest resident memory of the process. The program has to be built (`cargo build --release`).
set -euo pipefail
source=$1 target=$2 work=$3
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$root/target/release/wdistill
mkdir -p "$work"
head -n 500 "$source" > "$work/valid.source"
head -n 500 "$target" > "$work/valid.target"
short="--set training.updates=20 --set training.criterion=loss --set training.validate_every=20"
valid="--validation $work/valid.source $work/valid.target"
# shellcheck disable=SC2086
"$program" train --train "$source" "$target" $valid $short --vocabulary-size 1000 --preset transformer-nano \
    --out "$work/teacher" --force > "$work/log" 2>&1
printf '%10s %10s %10s\n' pairs seconds peak_MB
for pairs in "$@"; do
    python3 "$root/benches/corpora/grow.py" "$source" "$target" "$pairs" "$work/train.source" "$work/train.target"
    rm -rf "$work/run"
    # shellcheck disable=SC2086
    "$program" distill --teacher "$work/teacher/teacher/model" --train "$work/train.source" "$work/train.target" $valid $short \
        --preset transformer-nano --start cut --set pseudo_data.beam_size=1 --set pseudo_data.max_length=6 \
        --out "$work/run" --force > "$work/log" 2>&1 &
    process=$!
    start=$(date +%s)
    prepared=
    peak=0
    while kill -0 "$process" 2> /dev/null; do
        now=$(awk '/VmHWM/ { print $2 }' "/proc/$process/status" 2> /dev/null || true)
        if [ -n "$now" ]; then peak=$now; fi
        if [ -z "$prepared" ] && [ -e "$work/run/pairs/pseudo-data/result.json" ]; then prepared=$(date +%s); fi
        sleep 0.2
    done
    wait "$process" || { tail -n 5 "$work/log"; exit 1; }
    awk -v pairs="$pairs" -v seconds="$((prepared - start))" -v peak="$peak" \
        'BEGIN { printf "%10d %10d %10.0f\n", pairs, seconds, peak / 1024 }'
    rm -rf "$work/run" "$work/train.source" "$work/train.target"
done
