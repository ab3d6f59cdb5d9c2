#!/usr/bin/env bash
# LibreTranslate's client and a headless Chromium use `wdistill serve` and its page (check.py), with models that this
# script trains in some seconds. Pictures of the page come to target/page. What is missing is installed where Debian's packages and PyPI can be.
set -euo pipefail
cd "$(dirname "$0")/../../../.."

if ! command -v chromium > /dev/null || ! command -v curl > /dev/null || ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
    command -v apt-get > /dev/null || { echo "page/run.sh: the test needs chromium, curl and python3-venv" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet --no-install-recommends chromium curl python3-venv > /dev/null
fi
cargo build --release --package wdistill-cli
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet playwright==1.65.2 libretranslatepy==2.1.4

xz=crates/wdistill-demo/data
program=$PWD/target/release/wdistill
"$work/python/bin/python" - "$xz" "$work" <<'PYTHON'
import lzma, pathlib, sys

for name in ["train", "validation"]:
    with lzma.open(f"{sys.argv[1]}/{name}.tsv.xz", "rt", encoding="utf-8") as file:
        pairs = [line.rstrip("\n").split("\t")[:2] for line in file][:4000]
    for side, ending in enumerate(["en", "de"]):
        text = "".join(pair[side] + "\n" for pair in pairs)
        pathlib.Path(f"{sys.argv[2]}/{name}.{ending}").write_text(text, encoding="utf-8")
PYTHON
for pair in "en de" "de en"; do
    read -r source target <<< "$pair"
    "$program" train --train "$work/train.$source" "$work/train.$target" --quiet --languages "$source" "$target" \
        --validation "$work/validation.$source" "$work/validation.$target" --preset transformer-nano \
        --vocabulary-size 1000 --set training.updates=200 --set training.optimiser=muon --set training.learning_rate=5e-3 \
        --set training.warm_up=20 --set training.max_tokens=2000 --set training.validate_every=100 \
        --out "$work/$source"
    mkdir -p "$work/models"
    cp -r "$work/$source/teacher/model" "$work/models/$source-$target"
done
"$work/python/bin/python" "$(dirname "$0")/check.py" "$program" "$work/models" "$(command -v chromium)" target/page 
