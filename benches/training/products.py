"""The products of a training step alone, wdistill against PyTorch: the peak that a step can be held against.

    cargo build --release -p wdistill-kernels --example products
    python benches/training/products.py [THREADS]      (a Python with torch)

Prints GFLOP/s of x Wᵀ, dy W and dyᵀ x for every shape, rows x inputs x outputs.
"""

import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "target/release/examples/products"
ROWS = 1536
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
    for inputs, outputs in SHAPES:
        shape = f"{ROWS},{inputs},{outputs}"
        command = [str(OURS), str(threads), shape]
        ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1:]
        x, dy = torch.randn(ROWS, inputs), torch.randn(ROWS, outputs)
        weight, dweight = torch.randn(outputs, inputs), torch.zeros(outputs, inputs)
        seconds = [
            best(lambda: x @ weight.T),
            best(lambda: dy @ weight),
            best(lambda: dweight.addmm_(dy.T, x)),
        ]
        theirs = [2 * ROWS * inputs * outputs / s / 1e9 for s in seconds]
        columns = "  ".join(f"{float(a):5.0f} {b:5.0f}" for a, b in zip(ours, theirs))
        print(f"{shape:16} wdistill PyTorch: {columns}", flush=True)


main()
