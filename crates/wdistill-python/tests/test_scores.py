"""Scores are sacreBLEU's."""

import pytest
import sacrebleu

import wdistill

HYPOTHESES = ["The cat sat on the mat.", "It rains, and nobody goes out.", "Zwölf Boxkämpfer jagen Viktor quer über den Deich"]
REFERENCES = [
    ["The cat sat on a mat.", "It is raining and nobody is going out.", "Zwölf Boxkämpfer jagten Viktor über den Sylter Deich."],
    ["A cat was sitting on the mat.", "It rains. Nobody goes out.", "Zwölf Boxer jagen Viktor quer über einen Deich."],
]
METRICS = {
    "bleu": sacrebleu.BLEU(),
    "chrf": sacrebleu.CHRF(),
    "chrf++": sacrebleu.CHRF(word_order=2),
    "ter": sacrebleu.TER(),
}


@pytest.mark.parametrize("name", METRICS)
def test_scores_of_texts(name):
    expected = METRICS[name].corpus_score(HYPOTHESES, REFERENCES)
    found = wdistill.score(HYPOTHESES, REFERENCES, metric=name)
    assert found.score == pytest.approx(expected.score, abs=1e-9)
    assert (found.name, found.format(2)) == (expected.name, expected.format(width=2))
    signature = METRICS[name].get_signature().format()
    assert found.signature.rsplit("|", 1)[0] == signature.rsplit("|", 1)[0]


@pytest.mark.parametrize("name", METRICS)
def test_scores_of_sentences(name):
    metric = sacrebleu.BLEU(effective_order=True) if name == "bleu" else METRICS[name]
    expected = [
        metric.sentence_score(line, [references[index] for references in REFERENCES]).score
        for index, line in enumerate(HYPOTHESES)
    ]
    assert wdistill.sentence_scores(HYPOTHESES, REFERENCES, metric=name) == pytest.approx(expected, abs=1e-9)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match='metric is "meteor"'):
        wdistill.score(HYPOTHESES, REFERENCES, metric="meteor")
    with pytest.raises(wdistill.WdistillError):
        wdistill.score(HYPOTHESES[:2], REFERENCES)
