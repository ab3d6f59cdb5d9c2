"""Models to test with: a MarianMT model of Hugging Face from the fixtures of wdistill-formats, imported."""

import json
import signal
from pathlib import Path

import pytest

import wdistill

# A job that was started in the background ignores SIGINT, and Python leaves it so: tests of Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

FIXTURES = Path(__file__).resolve().parents[2] / "wdistill-formats/fixtures/huggingface"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "swish-shared"
    wdistill.import_model(FIXTURES / "swish-shared", out, languages=("en", "de"))
    return out


@pytest.fixture(scope="session")
def lines():
    """Lines, and what transformers translates them into: greedily, and with a beam of 4."""
    text = json.loads((FIXTURES / "swish-shared.expected.json").read_text())["text"]
    special = ["</s>", "<unk>", "<pad>"]
    return [line for line in text if not any(token in line["line"] for token in special)]
