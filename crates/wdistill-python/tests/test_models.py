import pytest

from conftest import FIXTURES
from wdistill import Translator, WdistillError, export_model, import_model


@pytest.mark.parametrize("toolkit", ["ctranslate2", "marian", "huggingface"])
def test_what_is_exported_can_be_imported(model, lines, tmp_path, toolkit):
    texts = [line["line"] for line in lines]
    try:
        notes = export_model(model, tmp_path / "out", format=toolkit)
    except WdistillError as error:
        # A model that starts its decoder from a word is none of Marian's.
        assert toolkit == "marian" and "decoder" in str(error)
        return
    assert all(isinstance(note, str) for note in notes)
    import_model(tmp_path / "out", tmp_path / "again")
    expected = [each.text for each in Translator(model).translate(texts)]
    found = [each.text for each in Translator(tmp_path / "again").translate(texts)]
    # Marian computes other positions than transformers, and a note says so.
    assert found == expected or (toolkit == "marian" and "positions" in "".join(notes)), notes


def test_a_model_for_firefox_says_what_is_in_the_way(model, tmp_path):
    # The fixture is 16 wide.
    with pytest.raises(WdistillError, match="64 does not divide"):
        export_model(model, tmp_path / "out", format="bergamot", languages=("en", "de"))
    with pytest.raises(WdistillError, match="shortlist"):
        export_model(model, tmp_path / "out", format="bergamot", shortlist=tmp_path / "shortlist")


def test_what_makes_no_sense_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match='format is "onnx", expected'):
        export_model(model, tmp_path, format="onnx")
    with pytest.raises(ValueError, match="quantize"):
        export_model(model, tmp_path, format="marian", quantize="int4")
    with pytest.raises(WdistillError, match="no code of a language"):
        import_model(FIXTURES / "separate", tmp_path / "out", languages=("en", "../x"))
    with pytest.raises(WdistillError):
        import_model(tmp_path / "nothing", tmp_path / "out")
