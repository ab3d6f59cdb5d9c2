# The usual commands; `just` lists them.

default:
    @just --list

# Everything that a change has to pass.
check:
    .ci/run

# All tests.
test:
    cargo test --release --workspace

# Formatting and lints.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

# The documentation of all crates, as it has to be: without a warning.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Every fuzz target for some seconds.
fuzz seconds="10":
    fuzz/run_all.sh {{seconds}}

# Kills and failing writes at every call of the file system, some ten minutes.
faults:
    fuzz/faults/campaign.sh

# The program, to be found under target/release/.
build:
    cargo build --release

# The reference of a recipe's keys, from the types that declare them.
recipe-keys:
    page=docs/src/recipe-keys.md; head=$(sed '/^## /,$d' $page); keys=$(cargo run --release -- recipe keys --format markdown); printf '%s\n\n%s\n' "$head" "$keys" > $page
