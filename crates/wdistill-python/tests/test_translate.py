import itertools
import signal
import threading
import time

import pytest

import wdistill
from wdistill import Translation, Translator, WdistillError


def test_translations_are_those_of_transformers(model, lines):
    for beam_size, name in [(1, "greedy_text"), (4, "beam4_text")]:
        translator = Translator(model, beam_size=beam_size, threads=2)
        translations = translator.translate([line["line"] for line in lines])
        assert [translation.text for translation in translations] == [line[name] for line in lines]
        assert len(translations) > 5


def test_a_line_a_list_and_an_iterable_are_alike(model, lines):
    translator = Translator(model)
    texts = [line["line"] for line in lines]
    together = translator.translate(texts)
    assert [translator.translate(text).text for text in texts] == [str(each) for each in together]
    assert translator.translate([]) == []
    assert isinstance(translator.translate(""), Translation) and translator.translate("").text == ""
    endless = translator.translate_iterable(itertools.cycle(texts), buffer=3)
    found = list(itertools.islice(endless, 2 * len(texts)))
    assert [(each.text, each.score) for each in found] == 2 * [(each.text, each.score) for each in together]
    assert list(translator.translate_iterable(iter([]))) == []


def test_what_a_translation_knows(model, lines):
    translator = Translator(model, n_best=3)
    line = lines[0]["line"]
    translation = translator.translate(line)
    assert len(translation.alternatives) == 2
    assert translation.score >= translation.alternatives[0].score >= translation.alternatives[1].score
    assert len(translation.tokens) == translation.target_tokens - 1
    assert "".join(translation.tokens).replace("▁", " ").strip() == translation.text
    assert translation.notices == [] and translation.alignment is None
    assert repr(translation).startswith("Translation(") and translator.languages == ("en", "de")
    assert Translator(model, max_length=2).translate(line).notices == ["translation cut at the maximum length"]


def test_alignments_cover_both_texts(model, lines):
    translator = Translator(model, sentences="split")
    text = " ".join(line["line"] for line in lines[:3])
    translation = translator.translate(text, alignment=True)
    assert translation.text == translator.translate(text).text
    for sentence in translation.alignment:
        assert sentence.source in text and sentence.target in translation.text
        assert len(sentence.weights) == len(sentence.target_spans)
        assert all(len(row) == len(sentence.source_spans) for row in sentence.weights)
        covered = "".join(sentence.target[start:end] for start, end in sentence.target_spans)
        assert covered == sentence.target.replace(" ", "")
        assert all(0 <= share <= 1 for row in sentence.weights for share in row)


def test_errors_name_what_is_wrong(model):
    with pytest.raises(WdistillError, match="(?s)there is no .*config.toml.*hint: "):
        Translator("nowhere")
    with pytest.raises(WdistillError, match="beam_size is 0"):
        Translator(model, beam_size=0)
    with pytest.raises(ValueError, match='long is "cut", expected'):
        Translator(model, long="cut")
    with pytest.raises(TypeError, match="a string or a list of strings"):
        Translator(model).translate(7)
    with pytest.raises(TypeError):
        list(Translator(model).translate_iterable(["a", None]))
    short = Translator(model, max_source=3)
    lines = ["a"] * 1500 + ["a a a a a a a a a"]
    with pytest.raises(WdistillError, match="line 1501 has"):
        short.translate(lines)
    with pytest.raises(WdistillError, match="line 1501 has"):
        list(short.translate_iterable(lines))


def test_other_threads_go_on_and_one_translator_serves_several(model, lines):
    translator = Translator(model, threads=1)
    texts = [line["line"] for line in lines] * 50
    expected = [each.text for each in translator.translate(texts)]
    counted, results = 0, []
    workers = [
        threading.Thread(target=lambda: results.append([each.text for each in translator.translate(texts)]))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        counted += 1
        time.sleep(0.001)
    assert results == 3 * [expected]
    assert counted > 10, "the interpreter stood still"


def test_ctrl_c_ends_a_translation(model, lines):
    translator = Translator(model, threads=1, beam_size=16)
    texts = [line["line"] for line in lines] * 5000
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        translator.translate(texts)
    assert time.monotonic() - start < 5


def test_the_version_is_a_version():
    assert wdistill.__version__.count(".") == 2
