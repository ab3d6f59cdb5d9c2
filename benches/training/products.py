"""The products of a training step alone, wdistill against PyTorch: the peak that a step can be held against.

    cargo build --release -p wdistill-kernels --example products
    python benches/training/products.py [THREADS]      (a Python with torch)

Prints GFLOP/s of x Wᵀ, dy W and dyᵀ x for every shape, rows x inputs x outputs, in float32 and in bf16. Ours in bf16 rounds
float32 operands on the way; PyTorch's operands are bfloat16 numbers already, as autocast has them after a rounding that is
not timed here, and so is the gradient of the weight.
"""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "target/release/examples/products"
ROWS = 1536
TYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
SHAPES = [
    (width, outputs)
    for width, feed_forward in ((128, 384), (256, 1024), (512, 2048))
    for outputs in (width, feed_forward, 8000)
]


def best(work):
    work()
    least, end = float("inf"), time.perf_counter() + 0.5
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return least


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    for (inputs, outputs), precision in itertools.product(SHAPES, TYPES):
        shape = f"{ROWS},{inputs},{outputs}"
        command = [str(OURS), str(threads), precision, shape]
        ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1:]
        numbers = {"dtype": TYPES[precision]}
        x, dy = torch.randn(ROWS, inputs, **numbers), torch.randn(ROWS, outputs, **numbers)
        weight = torch.randn(outputs, inputs, **numbers)
        dweight = torch.zeros(outputs, inputs, **numbers)
        seconds = [
            best(lambda: x @ weight.T),
            best(lambda: dy @ weight),
            best(lambda: dweight.addmm_(dy.T, x)),
        ]
        theirs = [2 * ROWS * inputs * outputs / s / 1e9 for s in seconds]
        columns = "  ".join(f"{float(a):5.0f} {b:5.0f}" for a, b in zip(ours, theirs))
        print(f"{shape:16} {precision:7} wdistill PyTorch: {columns}", flush=True)


main()
