#!/usr/bin/env bash
# Builds the wheel, and that of its extra for training, installs them beside pytest, and runs the tests, at first without the
# extra, and a check of the types. What is missing is installed where Debian's packages and PyPI can be.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
    command -v apt-get > /dev/null || { echo "tests/run.sh: the tests need python3-venv" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet python3-venv > /dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
bin=$work/python/bin
"$bin/pip" install --quiet maturin pytest sacrebleu mypy
"$bin/maturin" build --release --out "$work/wheels" --interpreter "$bin/python"
(cd train && "$bin/maturin" build --release --out "$work/wheels" --interpreter "$bin/python")
"$bin/pip" install --quiet "$work"/wheels/wdistill-[0-9]*.whl
"$bin/pytest" --quiet -k without_the_extra
"$bin/pip" install --quiet --no-index --find-links "$work/wheels" "wdistill[train]"
"$bin/pytest" --quiet
"$bin/python" -m mypy.stubtest wdistill --ignore-missing-stub
