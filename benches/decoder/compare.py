"""Decoding speed of wdistill against CTranslate2: same weights, sentences, beam and threads, in turn.

    cargo build --release --examples -p wdistill-runtime -p wdistill-formats
    python benches/decoder/compare.py [--rounds N] [--models DIR IDS ...]
        (a Python with ctranslate2, numpy and safetensors)

Without --models it times random weights of the presets transformer-base, small and tiny, 32,000 words, 64
sentences of 27 tokens into 28 (16 of them where a batch is one sentence). With --models it times trained ones: pairs of a model folder and a file of
token ids, one source a line, each with its end token. Prints target tokens a second of both sides, the
median over rounds of the ratio wdistill / CTranslate2 within a round, and the share of sentences that both
translate alike. bf16 is timed against CTranslate2's float32. --precision and --batch choose some of the cells.
"""

import argparse
import itertools
import math
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import ctranslate2
from ctranslate2_model import convert

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "target/release/examples"
PRESETS = ["transformer-base", "small", "tiny"]
WORDS, SENTENCES, SOURCE_LENGTH, TARGET_LENGTH = 32000, 64, 27, 28
PRECISIONS = ["float32", "bf16", "int8"]
# CTranslate2 has no products of bfloat16 numbers on processors.
THEIR_PRECISIONS = {"bf16": "float32"}
# Beam, sentences of a batch, threads.
CELLS = [(1, 1, 1), (4, 1, 1), (4, 32, 2)]
# Share of the sentences that is timed one by one.
ALONE = 4


class Ours:
    def __init__(self, folder, ids_file, longest, precision, beam, batch, threads, length):
        batch_tokens = 1 if batch == 1 else beam * batch * longest
        # The end token counts as a word there, and not here.
        words = max(length - 1, 0)
        numbers = [str(number) for number in (beam, batch_tokens, threads, words)]
        self.process = subprocess.Popen(
            [EXAMPLES / "decode", folder, ids_file, precision, *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()

    def time(self):
        self.ask("time")
        seconds, tokens = self.process.stdout.readline().split()
        return float(seconds), int(tokens)

    def translations(self, count):
        self.ask("show")
        return [self.process.stdout.readline().split() for _ in range(count)]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    def __init__(self, folder, sources, precision, beam, batch, threads, length):
        # Two threads are two sentences at once, not two threads in a product: the faster way here.
        self.translator = ctranslate2.Translator(
            str(folder), device="cpu", inter_threads=threads, intra_threads=1, compute_type=precision
        )
        self.sources = sources
        self.options = {"beam_size": beam, "max_batch_size": batch, "return_scores": False}
        if length:
            self.options |= {"min_decoding_length": length, "max_decoding_length": length}

    def translate(self):
        return self.translator.translate_batch(self.sources, **self.options)

    def time(self):
        start = time.perf_counter()
        results = self.translate()
        return time.perf_counter() - start, sum(len(result.hypotheses[0]) for result in results)

    def translations(self):
        return [result.hypotheses[0] for result in self.translate()]


def cell(name, folder, foreign, ids_file, settings, length, rounds):
    precision, beam, batch, threads = settings
    lines = Path(ids_file).read_text().splitlines()
    if batch == 1:
        lines = lines[: len(lines) // ALONE]
    ids_file = foreign / "timed"
    ids_file.write_text("".join(line + "\n" for line in lines))
    sources = [line.split() for line in lines]
    longest = max(map(len, sources))
    ours = Ours(folder, ids_file, longest, *settings, length)
    their_precision = THEIR_PRECISIONS.get(precision, precision)
    theirs = Theirs(foreign, sources, their_precision, *settings[1:], length)
    words = length - 1 if length else None
    mine = ours.translations(len(sources))
    alike = sum(a == b[:words] for a, b in zip(mine, theirs.translations()))
    pairs = [(ours.time(), theirs.time()) for _ in range(rounds)]
    ours.close()
    # With free length both sides are charged with the tokens of one of them: equal work, equal count.
    tokens = len(sources) * length or pairs[0][0][1]
    ratio = statistics.median(b[0] / a[0] for a, b in pairs)
    speeds = [tokens / statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
    print(
        f"{name:18} {precision:7} beam {beam} batch {batch:2} threads {threads}  wdistill {speeds[0]:7.0f}  "
        f"CTranslate2 {speeds[1]:7.0f} tokens/s  ratio {ratio:5.2f}  alike {alike}/{len(sources)}",
        flush=True,
    )
    return ratio


def random_models(work):
    generator = random.Random(1)
    ids_file = work / "ids"
    sentence = lambda: [str(generator.randrange(1, WORDS)) for _ in range(SOURCE_LENGTH - 1)]
    ids_file.write_text("".join(" ".join(sentence()) + " 0\n" for _ in range(SENTENCES)))
    for preset in PRESETS:
        folder = work / preset
        subprocess.run([EXAMPLES / "random_model", preset, str(WORDS), folder], check=True)
        yield preset, folder, ids_file, TARGET_LENGTH


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--precision", nargs="*", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--batch", nargs="*", type=int, default=[1, 32])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        given = arguments.models
        named = lambda: ((folder, folder, ids, 0) for folder, ids in zip(given[::2], given[1::2]))
        ratios = []
        for index, (name, folder, ids, length) in enumerate(named() if given else random_models(work)):
            foreign = work / f"ctranslate2-{index}"
            convert(folder, foreign)
            cells = [cell for cell in CELLS if cell[1] in arguments.batch]
            for precision, cell_settings in itertools.product(arguments.precision, cells):
                settings = (precision, *cell_settings)
                ratios.append(cell(name, folder, foreign, ids, settings, length, arguments.rounds))
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"least ratio {min(ratios):.2f}, geometric mean {mean:.2f}")


main()
