"""Compares learnt subwords with those that the SentencePiece library learns from the same text.

    cargo build --release -p wdistill-text --example export_native
    pip install sentencepiece
    python training.py target/release/examples/export_native 8000 --train TEXT ... --cut TEXT ...

Prints for BPE and unigram how many tokens each needs for the texts to cut, and the time that
training took (the library on one thread; ours with reading, cutting and writing).
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import sentencepiece


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("size")
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--cut", nargs="+", required=True)
    arguments = parser.parse_args()
    text = "".join(pathlib.Path(path).read_text(encoding="utf-8") for path in arguments.cut)
    for model in ["bpe", "unigram"]:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            results = {
                "ours": ours(arguments, model, text, folder),
                "theirs": theirs(arguments, model, text, folder),
            }
        for name, (tokens, seconds) in results.items():
            print(f"{model:7} {name:6} {tokens} tokens, trained in {seconds:.1f} s")
        print(f"{model:7} ours / theirs: {results['ours'][0] / results['theirs'][0]:.4f} tokens")


def ours(arguments, model, text, folder):
    files = [folder / "vocabulary.json", folder / "ours.spm"]
    command = [arguments.program, model, arguments.size, *files, *arguments.train]
    start = time.perf_counter()
    run = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True)
    return len(run.stdout.split()), time.perf_counter() - start


def theirs(arguments, model, text, folder):
    start = time.perf_counter()
    sentencepiece.SentencePieceTrainer.train(
        input=arguments.train,
        model_prefix=str(folder / "theirs"),
        model_type=model,
        vocab_size=int(arguments.size),
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    seconds = time.perf_counter() - start
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "theirs.model"))
    lines = text.removesuffix("\n").split("\n")
    return sum(len(ids) for ids in processor.encode(lines)), seconds


main()
