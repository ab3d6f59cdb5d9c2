"""Compares the crate's SentencePiece segmentation with the library's, line by line.

    cargo build --release -p wdistill-text --example segment
    pip install sentencepiece
    python compare.py target/release/examples/segment MODEL.spm TEXT [TEXT ...] [--lines 10000]

Prints for each text how many lines differ in ids, pieces, normalised string and decoded text, with
the first few of them, and how long both took. The exit status is 1 if any line differs.
"""

import argparse
import itertools
import subprocess
import sys
import time

import sentencepiece


def ours(program, model, form, lines):
    text = "".join(line + "\n" for line in lines)
    start = time.perf_counter()
    run = subprocess.run([program, model, form], input=text.encode(), stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    return run.stdout.decode().split("\n")[:-1], seconds


def theirs(processor, lines):
    start = time.perf_counter()
    ids = [processor.encode(line, out_type=int) for line in lines]
    seconds = time.perf_counter() - start
    forms = {
        "ids": [" ".join(map(str, row)) for row in ids],
        "pieces": [" ".join(processor.encode(line, out_type=str)) for line in lines],
        "normalized": [processor.normalize(line) for line in lines],
        "decoded": [processor.decode(row) for row in ids],
    }
    return forms, seconds


def compare(arguments, processor, path):
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n") for line in itertools.islice(file, arguments.lines)]
    forms, seconds = theirs(processor, lines)
    total = 0
    for form, expected in forms.items():
        found, our_seconds = ours(arguments.program, arguments.model, form, lines)
        if len(found) != len(expected):
            sys.exit(f"{path}: {len(found)} lines of {form}, expected {len(expected)}")
        unequal = [n for n, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]]
        total += len(unequal)
        print(f"{path}: {form}: {len(unequal)} of {len(lines)} lines differ", flush=True)
        if form == "ids":
            print(f"  {our_seconds:.3f} s with start and pipes, the library {seconds:.3f} s")
        for number in unequal[:3]:
            print(f"  line {number + 1}: {lines[number]!r}\n    ours   {found[number]!r}")
            print(f"    theirs {expected[number]!r}")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--lines", type=int, default=10_000)
    arguments = parser.parse_args()
    processor = sentencepiece.SentencePieceProcessor(model_file=arguments.model)
    sys.exit(1 if sum(compare(arguments, processor, path) for path in arguments.texts) else 0)


main()
