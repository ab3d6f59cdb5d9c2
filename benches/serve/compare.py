"""`wdistill serve` against CTranslate2 behind FastAPI: the same student, lines, beam and threads, in turn.

    cargo build --release
    python benches/serve/compare.py --model runs/demo/cut/student/model --text runs/demo/data/test.en [--endurance MINUTES]
        (a Python with ctranslate2, fastapi, sentencepiece and uvicorn; wrk on the path)

Prints sentences a second and the median and 99th percentile of the time to an answer, at 1, 8 and 64 connections, each
the median of ROUNDS rounds in which the servers take turns; then, with --endurance, what happens under full load: answers that
differ from `wdistill translate`'s, statuses, and the memory that the server takes.
"""

import argparse
import collections
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parents[1] / "target/release/wdistill"
PORT = 5711
CONNECTIONS = [1, 8, 64]
ROUNDS, SECONDS, BEAM, THREADS = 3, 5, 4, 2


class Server:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=HERE,
        )
        for _ in range(300):
            try:
                ask(http.client.HTTPConnection("127.0.0.1", PORT, timeout=60), "A dog runs.")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{command[0]} does not answer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def ask(connection, text):
    body = json.dumps({"q": text, "source": "en", "target": "de"})
    connection.request("POST", "/translate", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return response.status, answer.get("translatedText")


def load(connections, text):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "-s", "load.lua", f"http://127.0.0.1:{PORT}", "--", text]
    output = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout
    result = json.loads(output.strip().splitlines()[-1])
    if result["bad"]:
        raise SystemExit(f"{result['bad']} requests failed:\n{output}")
    return result["requests"] / result["seconds"], result["p50"], result["p99"]


def servers(model, precision, folder):
    """What takes turns: a name, and how to start it."""
    exported = folder / precision
    quantize = ["--quantize", "int8"] if precision == "int8" else []
    subprocess.run(
        [PROGRAM, "export", model, "--format", "ctranslate2", *quantize, "--out", exported],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ours = [
        str(PROGRAM), "serve", "--model", str(model), "--languages", "en", "de", "--port", str(PORT),
        "--threads", str(THREADS), "--beam-size", str(BEAM), *quantize,
    ]
    peer = [sys.executable, "-m", "uvicorn", "peer:app", "--port", str(PORT), "--log-level", "warning"]
    environment = {"MODEL": str(exported), "BEAM": str(BEAM), "THREADS": str(THREADS), "TYPE": precision, "OMP_NUM_THREADS": "1"}
    return {
        "wdistill serve": lambda: Server(ours),
        "FastAPI": lambda: Server(peer, {**environment, "BATCHING": "none"}),
        "FastAPI, gathering": lambda: Server(peer, {**environment, "BATCHING": "gather"}),
    }


def compare(model, text, precision, folder):
    results = collections.defaultdict(list)
    contestants = servers(model, precision, folder)
    for _ in range(ROUNDS):
        for name, start in contestants.items():
            with start():
                load(8, text)
                for connections in CONNECTIONS:
                    results[name, connections].append(load(connections, text))
    print(f"\n| {precision} | connections | sentences/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for (name, connections), rounds in results.items():
        speed, p50, p99 = (statistics.median(column) for column in zip(*rounds))
        print(f"| {name} | {connections} | {speed:.0f} | {p50:.1f} | {p99:.1f} |")
    ours = results["wdistill serve", 64]
    for name in ["FastAPI", "FastAPI, gathering"]:
        ratio = statistics.median(a[0] / b[0] for a, b in zip(ours, results[name, 64]))
        print(f"wdistill serve / {name} at 64 connections: {ratio:.2f}")


def endurance(model, text, minutes):
    lines = Path(text).read_text().splitlines()
    command = [PROGRAM, "translate", "--model", model, "--sentences", "split", "--beam-size", str(BEAM), "--quiet"]
    output = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    expected = dict(zip(lines, output.splitlines()))
    statuses, wrong = collections.Counter(), []
    end = time.time() + 60 * minutes

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        place = number * 7
        while time.time() < end:
            line = lines[place % len(lines)]
            status, translation = ask(connection, line)
            statuses[status] += 1
            if status == 200 and translation != expected[line]:
                wrong.append(line)
            place += 1

    with servers(model, "float32", Path(tempfile.mkdtemp()))["wdistill serve"]() as server:
        clients = [threading.Thread(target=client, args=(number,)) for number in range(64)]
        for thread in clients:
            thread.start()
        memory = []
        while time.time() < end:
            time.sleep(10)
            memory.append(server.memory())
        for thread in clients:
            thread.join()
    print(f"\n{minutes} minutes, 64 clients: statuses {dict(statuses)}, wrong answers {len(wrong)}")
    half = len(memory) // 2
    print(f"memory: {memory[0]:.1f} MB after 10 s, {memory[half]:.1f} MB half way, {memory[-1]:.1f} MB at the end")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--endurance", type=float, default=0)
    arguments = parser.parse_args()
    model, text = arguments.model.resolve(), str(arguments.text.resolve())
    for precision in ["float32", "int8"]:
        compare(model, text, precision, Path(tempfile.mkdtemp()))
    if arguments.endurance:
        endurance(model, text, arguments.endurance)


if __name__ == "__main__":
    main()
