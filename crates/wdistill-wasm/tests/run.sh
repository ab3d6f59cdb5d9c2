#!/usr/bin/env bash
# Builds the package for npm and uses it: the kernels' tests in WebAssembly, under node; 200 lines of the demo's text in node and in
# a headless Chromium, compared with the native program; the page, of which pictures come to target/page; the types. What is
# missing is installed where Debian's packages, PyPI and npm can be.
set -euo pipefail
. "$(dirname "$0")/../toolchain.sh"
cd "$root"

need chromium chromium
need node nodejs npm
python3 -c 'import venv, ensurepip' 2> /dev/null || need python3-venv python3-venv
crates/wdistill-wasm/build.sh
wasm_cargo wasip1 test --release --package wdistill-kernels --no-default-features --lib --test kernels

(unset CARGO_TARGET_DIR && cargo build --release --package wdistill-cli)
program=$root/target/release/wdistill
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.ci/small-models "$program" "$work/models" en-de
"$program" quantize "$work/models/en-de" --out "$work/models/int8"
xz --decompress --stdout crates/wdistill-demo/data/test.tsv.xz | cut -f 1 | head -n 200 > "$work/source.txt" || true
[ "$(wc -l < "$work/source.txt")" = 200 ]
for model in en-de int8; do
    translate=("$program" translate --quiet --n-best 1 --model "$work/models/$model")
    "${translate[@]}" < "$work/source.txt" > "$work/$model.txt"
    WDISTILL_INSTRUCTIONS=plain "${translate[@]}" < "$work/source.txt" > "$work/$model.plain.txt"
done
PACKAGE=$root/target/wdistill-npm WORK=$work node --test --test-reporter=spec "$here/tests/node.test.mjs"

# As its users have it: installed, with the types checked, and the program of the documentation.
npm install --silent --no-audit --no-fund --prefix "$work/npm" "$root/target/wdistill-npm" typescript@5.9.3
cp "$here/tests/types.mts" "$work/npm"
"$work/npm/node_modules/.bin/tsc" --noEmit --strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable \
    "$work/npm/types.mts"
sed -n '/^```js$/,/^```$/p' docs/src/browser.md | grep --invert-match '^```' > "$work/npm/translate.mjs"
node "$work/npm/translate.mjs" "$work/models/int8" < "$work/source.txt" > "$work/documented.txt"
[ "$(wc -l < "$work/documented.txt")" = 200 ]

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet playwright==1.65.2
"$work/python/bin/python" "$here/tests/check.py" target/wdistill-npm "$work" "$(command -v chromium)" target/page
