"""Validation losses and speeds of what train.sh trained: python3 benches/precision/table.py OUT

For every seed the lowest and the last validation loss in float32 and in bf16, their difference, and the median tokens a
second of both.
"""

import json
import statistics
import sys
from pathlib import Path

PRECISIONS = ["float32", "bf16"]


def events(folder, kind):
    lines = (folder / "teacher/metrics.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def main():
    out = Path(sys.argv[1])
    differences = []
    for first in sorted(out.glob("float32-*/teacher")):
        seed = first.parent.name.split("-")[1]
        folders = [out / f"{precision}-{seed}" for precision in PRECISIONS]
        losses = [[event["loss"] for event in events(folder, "validation")] for folder in folders]
        speeds = [
            statistics.median(event["tokens_per_second"] for event in events(folder, "training"))
            for folder in folders
        ]
        lowest = [min(found) for found in losses]
        differences.append(lowest[1] - lowest[0])
        columns = [
            f"lowest {lowest[0]:.4f} {lowest[1]:.4f} difference {differences[-1]:+.4f}",
            f"last {losses[0][-1]:.4f} {losses[1][-1]:.4f}",
            f"tokens/s {speeds[0]:.0f} {speeds[1]:.0f} ratio {speeds[1] / speeds[0]:.2f}",
        ]
        print(f"seed {seed}: " + "  ".join(columns))
    print(f"mean difference of the lowest losses, bf16 - float32: {statistics.mean(differences):+.4f}")


main()
