#!/usr/bin/env bash
# Makes the texts to start from: the same two lines, compressed in four ways.
set -euo pipefail
cd "$(dirname "$0")/text"

printf 'Ein Wort und noch eins.\nA second line: \xc3\xa4\xc3\xb6.\r\n' > plain
gzip --no-name --stdout plain > gzip
zstd --quiet --force plain -o zstd
xz --stdout plain > xz
bzip2 --stdout plain > bzip2
