#!/usr/bin/env bash
# Builds the package for npm in target/wdistill-npm: what package/ has, and the module for WebAssembly.
set -euo pipefail
. "$(dirname "$0")/toolchain.sh"

need node nodejs
wasm_cargo unknown-unknown build --release --package wdistill-wasm
package=$root/target/wdistill-npm
rm -rf "$package"
cp -r "$here/package" "$package"
# The server's page and this one look alike.
cp "$root/crates/wdistill-serve/src/page/page.css" "$package/page/"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$package/"
cp "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/wdistill_wasm.wasm" "$package/wdistill.wasm"
echo "target/wdistill-npm: a module of $(du -k "$package/wdistill.wasm" | cut -f1) kB"
