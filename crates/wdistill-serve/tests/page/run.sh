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

program=$PWD/target/release/wdistill
.ci/small-models "$program" "$work/models" en-de de-en
"$work/python/bin/python" "$(dirname "$0")/check.py" "$program" "$work/models" "$(command -v chromium)" target/page 
