"""The examples of README and of docs/src/python.md, run as they stand."""

import re
import shutil
from pathlib import Path

import pytest

from conftest import FIXTURES

ROOT = Path(__file__).resolve().parents[3]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(model, lines, tmp_path, monkeypatch):
    """A folder that has what the examples name."""
    shutil.copytree(model, tmp_path / "student/cut/student/model")
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(FIXTURES / "swish-shared", tmp_path / "opus-mt-en-de")
    (tmp_path / "news.en").write_text("".join(f"{line['line']}\n" for line in lines[:9]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_run_as_they_stand(place, capsys):
    names = {"hypotheses": ["a b c d e", "x y"], "references": ["a b c d f", "x y"]}
    examples = [block for block in blocks("docs/src/python.md") if "distill(" not in block]
    assert len(examples) == 4
    for example in examples:
        exec(example, names)
    said = capsys.readouterr().out
    assert "nrefs:1" in said and len(said.splitlines()) >= 4
    assert len((place / "news.de").read_text(encoding="utf-8").splitlines()) == 9
    assert (place / "student-ct2/model.bin").is_file() and (place / "teacher/config.toml").is_file()


def test_the_three_lines_of_the_readme(place):
    [example] = blocks("README.md")
    assert len(example.splitlines()) == 3
    names = {}
    exec(example.replace("translator.translate(", "answer = translator.translate("), names)
    assert isinstance(names["answer"], str) and names["answer"]
