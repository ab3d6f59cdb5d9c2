"""Counts the lines that a learnt vocabulary and its exported SentencePiece model cut differently.

    cargo build --release -p wdistill-text --example export_native
    pip install sentencepiece
    python native.py target/release/examples/export_native bpe nmt-nfkc 8000 --train TEXT ... --cut TEXT ...
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import sentencepiece


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", choices=["bpe", "unigram"])
    parser.add_argument("normalisation", choices=["nmt-nfkc", "nfkc", "none"])
    parser.add_argument("size")
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--cut", nargs="+", required=True)
    arguments = parser.parse_args()
    for path in arguments.cut:
        compare(arguments, path)


def compare(arguments, path):
    text = pathlib.Path(path).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = [folder / "vocabulary.json", folder / "model.spm"]
        command = [arguments.program, arguments.model, arguments.normalisation, arguments.size, *files, *arguments.train]
        run = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True)
        processor = sentencepiece.SentencePieceProcessor(model_file=str(files[1]))
    ours = [[int(word) for word in line.split()] for line in run.stdout.decode().split("\n")[:-1]]
    lines = text.decode().removesuffix("\n").split("\n")
    theirs = [processor.encode(line, out_type=int) for line in lines]
    if len(ours) != len(theirs):
        sys.exit(f"{path}: {len(ours)} lines, expected {len(theirs)}")
    unequal = [n for n, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]]
    broken = [n for n, ids in enumerate(theirs) if processor.decode(ids) != lines[n]]
    print(f"{path}, {arguments.model}: {len(unequal)} of {len(lines)} lines differ, "
          f"{len(broken)} do not come back from the library")
    for number in unequal[:5]:
        print(f"  line {number + 1}: {lines[number]}")
        for name, ids in [("ours", ours[number]), ("theirs", theirs[number])]:
            print(f"    {name:6} {' '.join(processor.id_to_piece(i) for i in ids)}")


main()
