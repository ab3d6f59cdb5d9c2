# To be sourced: cargo for WebAssembly. `wasm_cargo TARGET COMMAND [ARGUMENT]...` runs a command of cargo for `unknown-unknown`
# or `wasip1`: rustup's compiler where it has the target, and elsewhere Debian's, which makes the standard library first. What
# is missing is installed where Debian's packages can be.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/crates/wdistill-wasm
export CARGO_TARGET_DIR=$root/target/webassembly

need() { # PROGRAM PACKAGE...
    { [ -e "$1" ] || command -v "$1" > /dev/null; } && return
    shift
    command -v apt-get > /dev/null || { echo "toolchain.sh: please install $*" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet --no-install-recommends --no-remove "$@" > /dev/null
}

wasm_cargo() (
    target=wasm32-$1
    shift
    flags="-C target-feature=+simd128"
    if [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
        command=(cargo "$1" --target "$target" "${@:2}")
    else
        need /usr/lib/rustlib/src/rust/library/std rustc-web cargo-web rust-web-src
        need wasm-ld-19 lld-19
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld-19
        command=(/usr/bin/cargo "$1" --target "$target" -Zbuild-std=std,panic_abort "${@:2}")
        if [ "$target" = wasm32-wasip1 ]; then
            # Debian's C library for programs with WASI is older than the one that threads' names are taken from.
            need /usr/lib/wasm32-wasi/libc.a wasi-libc
            flags+=" -C link-self-contained=no -L native=/usr/lib/wasm32-wasi -C link-arg=/usr/lib/wasm32-wasi/crt1-command.o"
            flags+=" -C link-arg=--allow-undefined-file=$here/tests/absent.txt"
        fi
    fi
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$flags CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS=$flags
    export CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $here/tests/wasi.mjs"
    cd "$root" && "${command[@]}"
)
