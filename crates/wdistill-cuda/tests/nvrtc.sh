#!/usr/bin/env bash
# Compiles every kernel as for a card, of the generations Ampere and Hopper, with NVRTC from PyPI; no card is needed. A folder with
# NVRTC in WDISTILL_CUDA_LIBRARIES is taken instead where there is one.
set -euo pipefail
cd "$(dirname "$0")/../../.."

if [ -z "${WDISTILL_CUDA_LIBRARIES:-}" ]; then
    python3 -c 'import venv, ensurepip' 2> /dev/null || {
        command -v apt-get > /dev/null || { echo "nvrtc.sh: the test needs Python's venv" >&2; exit 1; }
        apt-get update --quiet --quiet
        apt-get install --yes --quiet --quiet --no-install-recommends python3-venv > /dev/null
    }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m venv "$work/python"
    "$work/python/bin/pip" install --quiet --disable-pip-version-check nvidia-cuda-nvrtc-cu12==12.9.86
    WDISTILL_CUDA_LIBRARIES=$(dirname "$(find "$work/python" -name libnvrtc.so.12)")
    export WDISTILL_CUDA_LIBRARIES
fi
cargo test --release --package wdistill-cuda --test nvrtc -- --ignored
