"""Tokens a second of a student in the native program, in Node.js and in Chromium, one thread each.

    python benches/browser/compare.py PROGRAM PACKAGE CHROMIUM TEXT MODEL...
        (a Python with playwright; PACKAGE is what crates/wdistill-wasm/build.sh makes)

All translate the lines of TEXT with beam 4, one line a sentence, and count the tokens that they write, with end tokens, by the time
without that of starting. In each of nine rounds they take turns, after one that does not count; medians. Ends with an error where
translations differ.
"""

import functools
import http.server
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

PROGRAM, PACKAGE, CHROMIUM, TEXT = sys.argv[1:5]
ROUNDS = 9

# Both say [tokens a second, translations]; engines compile the module anew while it runs, so it runs some times before time is taken.
MEASURE = """
    const translator = await Translator.open(model, { sentences: "line" });
    for (let time = 0; time < 5; time++) await translator.translate(lines);
    const start = performance.now();
    const found = await translator.translate(lines);
    const seconds = (performance.now() - start) / 1000;
    translator.close();
    const tokens = found.reduce((sum, { targetTokens }) => sum + targetTokens, 0);
    const measured = [tokens / seconds, found.map(({ text }) => text)];
"""
NODE = f"""
    import {{ readFileSync }} from "node:fs";
    const {{ Translator }} = await import(process.argv[1]);
    const [model, lines] = [process.argv[2], readFileSync(0, "utf8").trimEnd().split("\\n")];
    {MEASURE}
    console.log(measured[0] + "\\n" + measured[1].join("\\n"));
"""
PAGE = f"""async ([model, lines]) => {{
    const {{ Translator }} = await import("/package/index.js");
    {MEASURE}
    return measured;
}}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def native(model, text):
    command = [PROGRAM, "translate", "--threads", "1", "--beam-size", "4", "--model", model]
    output = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return float(re.search(r"([\d.]+) tokens/s", output.stderr)[1]), output.stdout.splitlines()


def node(model, text):
    command = ["node", "--input-type=module", "--eval", NODE, str(Path(PACKAGE, "index.js").resolve()), str(Path(model).resolve())]
    output = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    speed, *lines = output.stdout.splitlines()
    return float(speed), lines


def main():
    text = Path(TEXT).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(PACKAGE, f"{folder}/package")
        for number, model in enumerate(sys.argv[5:]):
            shutil.copytree(model, f"{folder}/{number}")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{address}/package/page/index.html")
        versions = [f"Chromium {browser.version}", f"node {subprocess.run(['node', '--version'], capture_output=True, text=True).stdout.strip()}"]
        print(", ".join(versions))
        for number, model in enumerate(sys.argv[5:]):
            rivals = {
                "native": lambda: native(model, text),
                "node": lambda: node(model, text),
                "Chromium": lambda: tuple(page.evaluate(PAGE, [f"{address}/{number}/", text.splitlines()])),
            }
            speeds = {name: [] for name in rivals}
            for turn in range(ROUNDS + 1):
                found = {name: run() for name, run in rivals.items()}
                for name, (speed, lines) in found.items():
                    assert lines == found["native"][1], f"{name} translates otherwise"
                    if turn > 0:
                        speeds[name].append(speed)
            medians = {name: statistics.median(values) for name, values in speeds.items()}
            for name, values in speeds.items():
                share = statistics.median(own / base for own, base in zip(values, speeds["native"]))
                print(f"{model}: {name} {medians[name]:.0f} tokens/s ({min(values):.0f} to {max(values):.0f}), {share:.2f} of native")
        browser.close()


main()
