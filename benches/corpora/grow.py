"""Makes a large parallel text of a small one: its pairs again and again, each time with other numbers and names in them.

    python3 grow.py BASE.SOURCE BASE.TARGET PAIRS OUT.SOURCE OUT.TARGET

Every copy of a pair has a word of its own at a place that follows from its number, the same on both sides, so that hardly any
pair is there twice, and the words are as many as a larger text has.
"""

import random
import sys

source_path, target_path, pairs, out_source, out_target = sys.argv[1:]
with open(source_path, encoding="utf-8") as source, open(target_path, encoding="utf-8") as target:
    base = list(zip(source.read().splitlines(), target.read().splitlines(), strict=True))
draw = random.Random(1)
letters = "abcdefghijklmnopqrstuvwxyz"


def with_word(line: str, place: float, word: str) -> str:
    words = line.split(" ")
    words.insert(int(place * (len(words) + 1)), word)
    return " ".join(words)


with open(out_source, "w", encoding="utf-8") as source, open(out_target, "w", encoding="utf-8") as target:
    for number in range(int(pairs)):
        one, other = base[number % len(base)]
        place = draw.random()
        # A number now and then, a name otherwise; a name's rank has a long tail.
        word = str(draw.randrange(10_000)) if draw.random() < 0.3 else ""
        if not word:
            rank = int(draw.paretovariate(0.7))
            while rank > 0:
                word += letters[rank % 26]
                rank //= 26
            word = word[:12].capitalize()
        source.write(with_word(one, place, word) + "\n")
        target.write(with_word(other, place, word) + "\n")
