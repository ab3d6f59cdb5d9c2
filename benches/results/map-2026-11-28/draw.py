"""Draws the map of inheritance, map.svg, out of the reports report-UPDATES.json beside this file.

Each cell is a student less its blank twin: in validation loss, which decides the colour, and in BLEU and chrF over all test
texts with half their 95% intervals.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
SHAPES = {
    "3-whole": "3 layers, whole width",
    "2-whole": "2 layers, whole width",
    "1-whole": "1 layer, whole width",
    "6-half": "6 layers, half the width",
    "1-half": "1 layer, half the width",
}
LEFT, TOP, WIDTH, HEIGHT = 210, 64, 150, 66
# The difference in loss, in nats, that has the full colour.
FULL = 0.2


def colour(loss):
    """White where nothing is inherited, blue where the student is ahead of its twin, red where it is behind."""
    part = max(-1.0, min(1.0, -loss / FULL))
    fade = round(255 - 110 * abs(part))
    return f"rgb({fade},{fade + (255 - fade) // 2},255)" if part >= 0 else f"rgb(255,{fade},{fade})"


def text(x, y, words, size=13, anchor="middle", weight="normal"):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'
    )


def cell(x, y, inherited):
    loss, bleu, chrf = inherited["loss"], inherited["bleu"], inherited["chrf"]
    middle = x + WIDTH / 2
    scores = [(name, s["value"], s["half_width"]) for name, s in [("BLEU", bleu), ("chrF", chrf)]]
    lines = [text(middle, y + 22, f"loss {loss:+.3f}", weight="bold")]
    for row, (name, value, half) in enumerate(scores):
        lines.append(text(middle, y + 40 + 16 * row, f"{name} {value:+.2f} ± {half:.2f}", size=11))
    box = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="{colour(loss)}" stroke="white"/>'
    return [box, *lines]


reports = {}
for path in HERE.glob("report-*.json"):
    systems = json.loads(path.read_text())["systems"]
    reports[int(path.stem.split("-")[1])] = {system["name"]: system.get("inheritance") for system in systems}
updates = sorted(reports)
width, height = LEFT + WIDTH * len(updates) + 12, TOP + HEIGHT * len(SHAPES) + 34
parts = [
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
    f'<rect width="{width}" height="{height}" fill="white"/>',
    text(12, 24, "A student less its blank twin: what it has inherited", size=15, anchor="start", weight="bold"),
]
for column, number in enumerate(updates):
    parts.append(text(LEFT + WIDTH * (column + 0.5), TOP - 10, f"{number:,} updates"))
for row, (name, words) in enumerate(SHAPES.items()):
    parts.append(text(LEFT - 12, TOP + HEIGHT * (row + 0.5) + 4, words, anchor="end"))
    for column, number in enumerate(updates):
        if reports[number].get(name):
            parts += cell(LEFT + WIDTH * column, TOP + HEIGHT * row, reports[number][name])
note = "Blue: ahead in loss; red: behind. Between seeds, losses differ by about 0.015 and BLEU by 0.3."
parts += [text(12, height - 12, note, size=11, anchor="start"), "</svg>"]
(HERE / "map.svg").write_text("\n".join(parts) + "\n")
