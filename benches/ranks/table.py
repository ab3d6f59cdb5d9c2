"""Updates a second of a model on many nodes, on paper, from measured parts; a table in Markdown.

    python benches/ranks/table.py K A M [TOKENS ...]

K: core seconds a target token of forward and backward. A: core seconds of the optimiser a parameter. M: seconds a number for
adding what comes in. TOKENS: target tokens of an update. The model is transformer-base with 32,000 words.

    T(N) = t k / (N c) + P a / (N c) + 8 P (N - 1) / (N b) + P m (N - 1) / N + (2 log2(N) + 3 (N - 1)) l
"""

import math
import sys

PARAMETERS = 60_000_000
CORES = 32
# Of the nominal rate; what TCP leaves of it.
EFFICIENCY = 0.9
LATENCY = 30e-6
NODES = [1, 2, 4, 8, 16, 32, 64]


def seconds(nodes, tokens, gigabits, k, a, m):
    """Seconds of an update, and of these what the network takes."""
    rate = gigabits * 1e9 / 8 * EFFICIENCY
    others = (nodes - 1) / nodes
    computing = (tokens * k + PARAMETERS * a) / (nodes * CORES) + PARAMETERS * m * others
    messages = (2 * math.log2(nodes) + 3 * (nodes - 1)) * LATENCY
    network = 8 * PARAMETERS * others / rate + messages
    return computing + network, network


def main():
    k, a, m = (float(word) for word in sys.argv[1:4])
    for tokens in [int(word) for word in sys.argv[4:]] or [25_000, 400_000]:
        print(f"\n{tokens:,} target tokens an update: updates a second (share of the network)\n")
        print("| network | " + " | ".join(f"{nodes} nodes" for nodes in NODES) + " |")
        print("|---|" + "---|" * len(NODES))
        for gigabits in [10, 100]:
            cells = []
            for nodes in NODES:
                all_, network = seconds(nodes, tokens, gigabits, k, a, m)
                cells.append(f"{1 / all_:.3g} ({100 * network / all_:.0f}%)")
            print(f"| {gigabits} Gbit/s | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
