#!/bin/sh
# The Multi30k teacher in float32 and in bf16, over seeds: teacher.toml, which is the recipe of docs/src/results/teacher.md.
#
#     cargo build --release
#     benches/precision/train.sh DATA OUT [UPDATES] [SEED ...]
#
# DATA is the folder of Multi30k; 3000 updates and the seeds 1 2 3 if nothing is said. Six trainings of half an hour on two
# cores. table.py then prints the validation losses:
#
#     python3 benches/precision/table.py OUT
set -eu
here=$(dirname "$0")
data=$1 out=$2 updates=${3:-3000}
if [ $# -gt 3 ]; then shift 3; else set -- 1 2 3; fi
mkdir -p "$out"
for seed in "$@"; do
    for precision in float32 bf16; do
        name=$precision-$seed
        sed -e "s/^seed = .*/seed = $seed/" -e "s/^precision = .*/precision = \"$precision\"/" \
            -e "s/^updates = .*/updates = $updates/" "$here/teacher.toml" > "$out/$name.toml"
        "$here/../../target/release/wdistill" run "$out/$name.toml" --data "$data" --out "$out/$name"
    done
done
