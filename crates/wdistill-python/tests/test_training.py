"""`distill`, where it is built in."""

import signal
import sys
import time

import pytest

import wdistill

WORDS = {"the": "das", "red": "rote", "old": "alte", "house": "Haus", "book": "Buch", "is": "ist", "here": "hier", "good": "gut"}


def recipe(folder, updates):
    """A recipe for an invented language, whose texts are written into a folder."""
    sources = [
        f"the {first} {noun} is {last}"
        for first in ["red", "old", "good"]
        for noun in ["house", "book"]
        for last in ["here", "good", "old", "red"]
    ] * 10
    for name, lines in [("train", sources), ("valid", sources[:12]), ("test", sources[12:24])]:
        (folder / f"{name}.src").write_text("".join(line + "\n" for line in lines))
        targets = (" ".join(WORDS[word] for word in line.split()) for line in lines)
        (folder / f"{name}.trg").write_text("".join(line + "\n" for line in targets))
    training = {
        "updates": updates,
        "max_tokens": 400,
        "validate_every": 10,
        "checkpoint_every": 5,
        "optimiser": "muon",
        "learning_rate": 5e-3,
        "warm_up": 5,
    }
    pair = lambda name: {"source": str(folder / f"{name}.src"), "target": str(folder / f"{name}.trg")}
    return {
        "title": "an invented language",
        "seed": 1,
        "data": {"train": pair("train"), "validation": pair("valid"), "test": pair("test"), "description": None},
        "vocabulary": {"size": 300},
        "teacher": {"preset": "transformer-nano", "training": training},
        "student": {
            "preset": "transformer-nano",
            "architecture": {"decoder": {"layers": 1}},
            "training": training,
        },
        "systems": [{"method": "cut"}],
        "benchmark": {"rounds": 1, "sentences": 10},
    }


@pytest.fixture
def trains():
    pytest.importorskip("wdistill_train")


def test_without_the_extra_the_error_says_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wdistill_train", None)
    with pytest.raises(NotImplementedError, match=r"pip install wdistill\[train\]"):
        wdistill.distill({}, "nowhere")


def test_another_version_of_the_extra_is_refused(trains, monkeypatch):
    monkeypatch.setattr("wdistill_train.__version__", "0.0.1")
    with pytest.raises(NotImplementedError, match="wdistill-train is 0.0.1"):
        wdistill.distill({}, "nowhere")


def test_a_recipe_is_carried_out_once(trains, tmp_path):
    said = []

    report = wdistill.distill(recipe(tmp_path, 40), tmp_path / "run", progress=said.append, threads=1)
    assert report["title"] == "an invented language"
    assert any("cut" in message for message in said)
    student = wdistill.Translator(tmp_path / "run/cut/student/model")
    assert student.translate("the red house is here").target_tokens > 0
    # Again nothing is done that was done.
    again = []
    wdistill.distill(recipe(tmp_path, 40), tmp_path / "run", progress=again.append, threads=1)
    assert any("nothing changed" in message for message in again)


def test_ctrl_c_leaves_a_checkpoint(trains, tmp_path):
    said = []


    def interrupt(message):
        said.append(message)
        if "update 10:" in message:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        wdistill.distill(recipe(tmp_path, 1_000_000), tmp_path / "run", progress=interrupt, threads=1)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").rglob("checkpoint*")):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_mistakes_are_named(trains, tmp_path):
    wrong = recipe(tmp_path, 40)
    wrong["studnet"] = wrong.pop("student")
    with pytest.raises(wdistill.WdistillError, match="studnet"):
        wdistill.distill(wrong, tmp_path / "run")
