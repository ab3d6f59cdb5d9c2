#!/usr/bin/env bash
# Kills `run`, `import`, `export` and `quantize` at every file-system call, and lets every call fail with
# ENOSPC and with EIO; each time the next try must end with the bits of an undisturbed one. Needs Linux and `cc`.
set -euo pipefail
cd "$(dirname "$0")/../.."

WDISTILL_FAULTS=all cargo test --release -p wdistill-cli --test faults -- --include-ignored "$@"
