"""`wdistill.Translator` against `wdistill translate`: the same translations, and how much time Python takes.

    cargo build --release && pip install ./crates/wdistill-python
    python benches/python/compare.py --model MODEL --text FILE [--rounds N]

The two take turns; the time is that of translating alone, as each of them has it: the command's last message, and around
`translate` in Python. Prints the median over rounds of the ratio of the two.
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path

import wdistill

PROGRAM = Path(__file__).resolve().parents[2] / "target/release/wdistill"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    text = arguments.text.read_text()
    lines = text.splitlines()
    translator = wdistill.Translator(arguments.model)
    ratios = []
    for _ in range(arguments.rounds):
        command = [PROGRAM, "translate", "--model", arguments.model]
        output = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        of_command = float(output.stderr.splitlines()[-1].split(" s and ")[0].split(", ")[-1])
        start = time.perf_counter()
        found = [translation.text for translation in translator.translate(lines)]
        of_python = time.perf_counter() - start
        assert found == output.stdout.splitlines(), "other translations"
        ratios.append(of_command / of_python)
    print(f"{len(lines)} lines, all alike; throughput of Python {statistics.median(ratios):.3f} of the command's")


main()
