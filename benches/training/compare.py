"""One optimiser step, wdistill against PyTorch, in turn, in float32 and in bf16: same model, tokens and threads; medians.

    cargo build --release -p wdistill-train --example optimiser_step
    python benches/training/compare.py [ROUNDS] [THREADS] [WIDTH ...]      (a Python with torch)

Prints seconds of a step, target tokens a second, GFLOP/s (6 x parameters outside embeddings x tokens), the
peak memory of the process, and ratios, each the median over rounds of the ratio within a round: PyTorch /
wdistill in both precisions, and float32 / bf16 of both. PyTorch's bf16 is its autocast. `products.py` gives the peak to hold the GFLOP/s against, the example `phases` of wdistill-train the
cost of phase 1 against phase 2.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = HERE.parents[1] / "target/release/examples/optimiser_step"
# Name, then width, feed-forward, heads, layers, vocabulary, sentences, length.
MODELS = [
    ("128, 4+4", (128, 384, 4, 4, 4000, 128, 24)),
    ("256, 4+4", (256, 1024, 4, 4, 8000, 64, 24)),
    ("512, 6+6", (512, 2048, 8, 6, 8000, 64, 24)),
]


SIDES = [("wdistill", 32), ("wdistill", 16), ("PyTorch", 32), ("PyTorch", 16)]
RATIOS = [(2, 0), (3, 1), (0, 1), (2, 3)]


def measure(side, shape, threads):
    """Seconds of a step, and the largest resident memory of the process in MiB."""
    program, bits = side
    command = [str(OURS)] if program == "wdistill" else [sys.executable, str(HERE / "torch_step.py")]
    arguments = [str(number) for number in (*shape, 2, 5, threads, bits)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed with status {status}")
    return float(output), usage.ru_maxrss / 1024


def parameters(width, feed_forward, heads, layers, *_):
    attention, block = 4 * width * width, 2 * width * feed_forward
    return layers * (3 * attention + 2 * block)


def main():
    rounds, threads, *widths = map(int, sys.argv[1:] + ["3", "2"][len(sys.argv) - 1 :])
    for name, shape in MODELS:
        if widths and shape[0] not in widths:
            continue
        runs = [[measure(side, shape, threads) for side in SIDES] for _ in range(rounds)]
        tokens = shape[-1] * shape[-2]
        for (program, bits), found in zip(SIDES, zip(*runs)):
            middle = statistics.median(seconds for seconds, _ in found)
            memory = statistics.median(memory for _, memory in found)
            gflops = 6 * parameters(*shape) * tokens / middle / 1e9
            print(
                f"{name:10} {program:9} {bits} bits  {middle:7.3f} s  {tokens / middle:7.0f} tokens/s  "
                f"{gflops:6.1f} GFLOP/s  {memory:6.0f} MiB",
                flush=True,
            )
        for above, below in RATIOS:
            ratio = statistics.median(found[above][0] / found[below][0] for found in runs)
            (upper, upper_bits), (lower, lower_bits) = SIDES[above], SIDES[below]
            print(f"{name:10} {upper} {upper_bits} / {lower} {lower_bits}: {ratio:.2f}", flush=True)


main()
