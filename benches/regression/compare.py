"""Speed of two checkouts, interleaved: decoding of random models, and training steps.

    cargo build --release --examples -p wdistill-runtime -p wdistill-formats -p wdistill-train    (in both)
    python benches/regression/compare.py BEFORE AFTER [--rounds N] [--only decoder|training]

BEFORE and AFTER are the roots of the checkouts. Prints, for each setting, the median over rounds of the ratio of seconds
before / after within a round (above 1: it has become faster), and the ratio of the best rounds.
"""

import argparse
import itertools
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

WORDS, SENTENCES, LENGTH = 32000, 64, 27
PRESETS = ["small", "tiny"]
# Beam, sentences of a batch, threads.
DECODING = [(1, 1, 1), (4, 1, 1), (4, 32, 2)]
# Width, feed-forward width, heads, layers, words, sentences, length.
STEPS = {
    "128": (128, 384, 4, 4, 4000, 128, 24),
    "256": (256, 1024, 4, 4, 8000, 64, 24),
    "512": (512, 2048, 8, 6, 8000, 64, 24),
}


class Decoder:
    """Translates all sentences whenever it is asked to, and says how long it took."""

    def __init__(self, examples, model, ids, precision, beam, batch, threads):
        tokens = 1 if batch == 1 else beam * batch * LENGTH
        command = [examples / "decode", model, ids, precision, str(beam), str(tokens), str(threads), str(LENGTH)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self):
        self.process.stdin.write("time\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def in_turn(before, after, rounds):
    """Seconds of both sides, who goes first changing from round to round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = after()
            pairs.append((before(), second))
        else:
            pairs.append((before(), after()))
    return pairs


def show(what, pairs):
    ratio = statistics.median(before / after for before, after in pairs)
    best = min(before for before, _ in pairs) / min(after for _, after in pairs)
    print(f"{what:32} before/after {ratio:.3f}  best rounds {best:.3f}", flush=True)
    return ratio


def compare_decoders(before, after, rounds):
    generator = random.Random(1)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        line = lambda: " ".join(str(generator.randrange(1, WORDS)) for _ in range(LENGTH - 1)) + " 0\n"
        lines = [line() for _ in range(SENTENCES)]
        (folder / "all").write_text("".join(lines))
        (folder / "few").write_text("".join(lines[:8]))
        for preset in PRESETS:
            subprocess.run([before / "random_model", preset, str(WORDS), folder / preset], check=True)
            for precision, (beam, batch, threads) in itertools.product(["float32", "int8"], DECODING):
                ids = folder / ("few" if batch == 1 else "all")
                sides = [Decoder(side, folder / preset, ids, precision, beam, batch, threads) for side in (before, after)]
                # The first request fills the caches and is not counted.
                [side.seconds() for side in sides]
                pairs = in_turn(sides[0].seconds, sides[1].seconds, rounds)
                [side.close() for side in sides]
                ratios.append(show(f"{preset} {precision} beam {beam} batch {batch}", pairs))
    print(f"geometric mean {statistics.geometric_mean(ratios):.3f}")


def compare_training(before, after, rounds):
    for name, shape in STEPS.items():
        def step(examples):
            command = [examples / "optimiser_step", *map(str, shape), "2", "7", "2"]
            return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)

        show(f"training step, width {name}", in_turn(lambda: step(before), lambda: step(after), rounds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["decoder", "training"])
    arguments = parser.parse_args()
    before, after = (side / "target/release/examples" for side in (arguments.before, arguments.after))
    if arguments.only != "training":
        compare_decoders(before, after, arguments.rounds)
    if arguments.only != "decoder":
        compare_training(before, after, arguments.rounds)


if __name__ == "__main__":
    main()
