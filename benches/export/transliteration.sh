#!/bin/sh
# A model from elsewhere, distilled to half its depth on data that its own translations make, and exported again.
#
#     transliteration.sh WDISTILL TEACHER OUT
#
# TEACHER is CTranslate2's test model aren-transliteration (6+6 layers, characters): its sources are single letters
# with spaces between. Texts to learn from are random words of its own letters, frequent letters (which come first
# in its vocabulary) more often than rare ones.
set -eu
wdistill=$1 teacher=$2 out=$3
open="--source-ending nothing --subwords whitespace"
mkdir -p "$out"

"$wdistill" import "$teacher" $open --out "$out/teacher"
python3 - "$teacher/source_vocabulary.txt" "$out" <<'PYTHON'
import random
import sys

letters = [line for line in open(sys.argv[1], encoding="utf-8").read().split("\n")[3:45] if line.strip()]
weights = [1 / (rank + 4) for rank in range(len(letters))]
draw = random.Random(1)
words = set()
while len(words) < 22000:
    words.add(" ".join(draw.choices(letters, weights, k=draw.randint(2, 9))))
words = sorted(words)
draw.shuffle(words)
for name, part in [("test", words[:1000]), ("valid", words[1000:2000]), ("train", words[2000:])]:
    open(f"{sys.argv[2]}/{name}.source", "w", encoding="utf-8").write("".join(f"{word}\n" for word in part))
PYTHON
for part in train valid test; do
    "$wdistill" translate --model "$out/teacher" --beam-size 4 --quiet < "$out/$part.source" > "$out/$part.target"
done

"$wdistill" distill --teacher "$teacher" $open \
    --train "$out/train.source" "$out/train.target" --validation "$out/valid.source" "$out/valid.target" \
    --method wd --start cut --generator-updates 300 \
    --set architecture.encoder.layers=3 --set architecture.decoder.layers=3 \
    --set architecture.decoder.width=32 --set architecture.decoder.feed_forward=128 \
    --set architecture.dropout.residual=0.0 --set training.updates=1500 --set training.warm_up=100 \
    --set training.validate_every=500 --out "$out/run"

student=$out/run/wd/student/model
"$wdistill" translate --model "$student" --beam-size 4 --quiet < "$out/test.source" > "$out/test.student"
"$wdistill" score "$out/test.target" --input "$out/test.student" --tokenize none --format text
paste -d '\t' "$out/test.target" "$out/test.student" | awk -F '\t' '$1 == $2 { equal++ } END { print equal " of " NR " words as the teacher spells them" }'
echo "آ ت ز م و ن" | "$wdistill" translate --model "$student" --beam-size 4 --quiet
"$wdistill" export "$student" --format ctranslate2 --out "$out/exported"
