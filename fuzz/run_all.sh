#!/usr/bin/env bash
# Builds every fuzz target with the compiler that builds the rest and runs each for some seconds (10, or the
# first argument) from one seed (1, or the second argument). A finding fails the script and is printed. The fuzzer
# itself needs a C++ compiler, which is installed where Debian's packages can be.
#
# The flags are those of `cargo fuzz` without a sanitizer: counters and comparisons for the fuzzer, overflow
# checks for the findings.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-10}
seed=${2:-1}
# The script calls itself with a target once all are built.
target=${3:-}
if ! command -v c++ > /dev/null; then
    command -v apt-get > /dev/null || { echo "fuzz/run_all.sh: the fuzzer needs a C++ compiler" >&2; exit 1; }
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet g++ > /dev/null
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=$PWD/../target/fuzz
export RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
if [ -z "$target" ]; then
    # A target given by name keeps the flags away from build scripts.
    cargo build --release --bins --target "$host"
    # As many at a time as there are cores.
    basename -s .rs fuzz_targets/*.rs |
        xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 ./run_all.sh "$seconds" "$seed"
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
formats=../crates/wdistill-formats/fixtures
text=../crates/wdistill-text/fixtures

# Good files to start from.
seeds() {
    case $1 in
        bergamot_shortlist) echo $text/binary_shortlist/shortlist.bin ;;
        ctranslate2_config) find $formats/ctranslate2 -name config.json ;;
        ctranslate2_model) find $formats/ctranslate2 -name model.bin ;;
        ctranslate2_words) find $formats/ctranslate2 -name '*vocabulary.*' ;;
        fairseq_checkpoint) find $formats/fairseq -name '*.pt' ;;
        fairseq_dictionary) find $formats/fairseq -name 'dict.*.txt' ;;
        huggingface_config) find $formats/huggingface -name config.json ;;
        huggingface_safetensors) find $formats/huggingface -name model.safetensors ;;
        huggingface_torch) find $formats/huggingface -name pytorch_model.bin ;;
        huggingface_words) find $formats/huggingface -name '*vocab.json' ;;
        marian_binary) find $formats/marian -name '*.bin' ;;
        marian_decoder) find $formats/marian -name decoder.yml ;;
        marian_model) find $formats/marian -name model.npz ;;
        marian_words) find $formats/marian -name '*.yml' ;;
        native_config) echo $formats/native/config.toml ;;
        native_model) echo $formats/native/model.safetensors ;;
        sentence_piece) find $text/sentence_piece $text/native_export -name '*.spm' ;;
        subword_nmt) find $text/subword_nmt -type f ! -name '*.py' ! -name '*.json' ;;
        vocabulary) find seeds/vocabulary -type f; echo $text/native_export/{bpe,unigram}.json ;;
        # What has no fixture has seeds of its own.
        *) find "seeds/$1" -type f ;;
    esac
}

fuzz() {
    local target=$1 folder=$work/$1 number=0 file found
    mkdir -p "$folder/corpus" "$folder/found" "$folder/scratch"
    found=$(seeds "$target") || return 1
    for file in $found; do
        number=$((number + 1))
        cp "$file" "$folder/corpus/$number"
    done
    [ "$number" -gt 0 ] || { echo "fuzz/run_all.sh: $target has no seed" >&2; return 1; }
    if TMPDIR=$folder/scratch "$CARGO_TARGET_DIR/$host/release/$target" "$folder/corpus" \
        -seed="$seed" -max_total_time="$seconds" -max_len=1048576 -rss_limit_mb=512 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$folder/found/" > "$folder/log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log") inputs, no finding"
        return 0
    fi
    echo "$target: a finding"
    tail -n 40 "$folder/log"
    for input in "$folder"/found/*; do
        [ -e "$input" ] || continue
        echo "$target: the input, $(wc -c < "$input") bytes, as gzip and base64:"
        gzip -9 -c "$input" | base64
    done
    return 1
}

fuzz "$target"
