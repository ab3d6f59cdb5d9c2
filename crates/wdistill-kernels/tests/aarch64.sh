#!/usr/bin/env bash
# Builds the runtime for 64-bit ARM and runs the kernels' tests there, in an emulator (qemu). The compiler is rustup's where it
# has the target aarch64-unknown-linux-gnu, and Debian's elsewhere. What is missing is installed where Debian's packages can be;
# for Debian's compiler this makes dpkg know the architecture arm64.
set -euo pipefail
cd "$(dirname "$0")/../../.."

target=aarch64-unknown-linux-gnu
packages=()
command -v aarch64-linux-gnu-gcc > /dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v qemu-aarch64-static > /dev/null || packages+=(qemu-user-static)
if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    if ! [ -d "/usr/lib/rustlib/$target/lib" ]; then
        packages+=(rustc-web cargo-web libstd-rust-web-dev:arm64)
        ! command -v dpkg > /dev/null || dpkg --add-architecture arm64
    fi
    export RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
fi
if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get > /dev/null || { echo "aarch64.sh: the tests need ${packages[*]}" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet --no-install-recommends --no-remove "${packages[@]}" > /dev/null
fi

export CARGO_TARGET_DIR=$PWD/target/other-processors
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static
# Programs that need no library of the emulated system.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
"${CARGO:-cargo}" build --release --target $target --package wdistill-runtime
"${CARGO:-cargo}" test --release --target $target --package wdistill-kernels --lib --test kernels
