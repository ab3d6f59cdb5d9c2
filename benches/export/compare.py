"""Whether other engines give the same translations of an exported model.

    compare.py --wdistill PROGRAM --model DIR --source FILE [--formats huggingface ctranslate2 ...] [--beam 4]

Exports the model, translates every line of the source with wdistill and with each library, both from text to
text, and reports the share of equal lines and every line that differs, with both scores. Needs transformers,
torch, sentencepiece and sacremoses for huggingface, ctranslate2 and sentencepiece for ctranslate2, pymarian (which
holds Marian itself) for marian. `marian-converted` runs Marian's files through CTranslate2's converter, in float32.
"""

import argparse
import math
import subprocess
import tempfile
from pathlib import Path

FORMATS = ["huggingface", "ctranslate2", "ctranslate2-int8", "marian", "marian-converted"]
LONGEST = 250


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, text=True, **options)


def own(program, model, lines, beam, arguments=()):
    """Translations and scores of wdistill; lists of the two best carry scores, greedy search has none to compare."""
    listed = ["--n-best", 2] if beam > 1 else []
    output = run(
        program, "translate", "--model", model, "--beam-size", beam, *listed, *arguments,
        input="".join(line + "\n" for line in lines), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ).stdout
    if not listed:
        return [(text, math.nan) for text in output.splitlines()]
    best = {}
    for row in output.splitlines():
        number, text, score = row.split(" ||| ")
        best.setdefault(int(number), (text, float(score)))
    return [best[number] for number in range(len(lines))]


def with_transformers(folder, lines, beam):
    import torch
    from transformers import MarianMTModel, MarianTokenizer

    torch.set_grad_enabled(False)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    model = MarianMTModel.from_pretrained(folder).eval()
    found = []
    for line in lines:
        # One by one: padding changes sums in the last digits.
        batch = tokenizer([line], return_tensors="pt")
        output = model.generate(
            **batch, num_beams=beam, length_penalty=1.0, early_stopping=True, max_length=LONGEST,
            return_dict_in_generate=True, output_scores=True,
        )
        text = tokenizer.decode(output.sequences[0], skip_special_tokens=True)
        # Greedy search gives none.
        found.append((text, output.sequences_scores.item() if beam > 1 else math.nan))
    return found


def with_ctranslate2(folder, lines, beam, compute_type):
    import ctranslate2
    import sentencepiece

    source = sentencepiece.SentencePieceProcessor(str(folder / "source.spm"))
    target = sentencepiece.SentencePieceProcessor(str(folder / "target.spm"))
    translator = ctranslate2.Translator(str(folder), compute_type=compute_type, intra_threads=1)
    results = translator.translate_batch(
        [source.encode(line, out_type=str) for line in lines], beam_size=beam, length_penalty=1,
        max_batch_size=1, return_scores=True, max_decoding_length=LONGEST, min_decoding_length=0,
    )
    return [(target.decode(result.hypotheses[0]), result.scores[0]) for result in results]


def with_marian(folder, lines, beam):
    """One line at a time, since padding changes sums; as scores, Marian's for a sentence, divided by its length."""
    from pymarian import Translator

    translator = Translator(
        config=str(folder / "decoder.yml"), cpu_threads=1, mini_batch=1, maxi_batch=1, beam_size=beam,
        max_length=LONGEST, max_length_crop=True, max_length_factor=20, n_best=True, normalize=1, quiet=True,
    )
    found = []
    for line in lines:
        _, text, _, score = translator.translate(line).splitlines()[0].split(" ||| ")
        found.append((text.strip(), float(score)))
    return found


def through_converter(folder, lines, beam):
    from ctranslate2.converters import MarianConverter
    import sentencepiece
    import shutil

    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        lists = []
        for side in ["source", "target"]:
            model = sentencepiece.SentencePieceProcessor(str(folder / f"vocab.{side}.spm"))
            words = [model.id_to_piece(number) for number in range(model.get_piece_size())]
            path = scratch / f"{side}.yml"
            path.write_text("".join(f'"{word}": {n}\n' for n, word in enumerate(words)), encoding="utf-8")
            lists.append(str(path))
        output = scratch / "converted"
        MarianConverter(str(folder / "model.npz"), lists).convert(str(output))
        for side in ["source", "target"]:
            shutil.copy(folder / f"vocab.{side}.spm", output / f"{side}.spm")
        return with_ctranslate2(output, lines, beam, "float32")


def compare(name, ours, theirs, lines):
    equal = sum(a[0] == b[0] for a, b in zip(ours, theirs))
    same = [abs(a[1] - b[1]) for a, b in zip(ours, theirs) if a[0] == b[0] and not math.isnan(a[1])]
    scores = f"; scores of these differ by at most {max(same):.1e}" if same else ""
    print(f"{name}: {equal} of {len(lines)} translations are equal{scores}", flush=True)
    for line, a, b in zip(lines, ours, theirs):
        if a[0] != b[0]:
            print(f"  source  {line}\n  ours    {a[1]:.5f}  {a[0]}\n  theirs  {b[1]:.5f}  {b[0]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wdistill", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["huggingface", "ctranslate2"])
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--lines", type=int)
    arguments = parser.parse_args()
    lines = Path(arguments.source).read_text(encoding="utf-8").splitlines()[: arguments.lines]
    ours = own(arguments.wdistill, arguments.model, lines, arguments.beam)
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.formats:
            folder = Path(scratch) / name
            kind, _, numbers = name.partition("-")
            quantize = ["--quantize", numbers] if numbers == "int8" else []
            run(arguments.wdistill, "export", arguments.model, "--format", kind, *quantize, "--out", folder,
                stdout=subprocess.DEVNULL)
            if name == "huggingface":
                theirs = with_transformers(folder, lines, arguments.beam)
            elif name == "marian":
                theirs = with_marian(folder, lines, arguments.beam)
            elif name == "marian-converted":
                theirs = through_converter(folder, lines, arguments.beam)
            else:
                theirs = with_ctranslate2(folder, lines, arguments.beam, "float32")
            compare(name, ours, theirs, lines)


main()
