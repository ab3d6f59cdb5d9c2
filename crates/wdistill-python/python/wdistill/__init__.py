"""Small and fast translation models: translate, convert, score, distil.

    from wdistill import Translator

    translator = Translator("student/cut/student/model")
    print(translator.translate("Where is my house?").text)
"""

from wdistill._training import distill
from wdistill._wdistill import (
    AlignedSentence,
    Alternative,
    ScoreResult,
    Translation,
    Translator,
    WdistillError,
    __version__,
    export_model,
    import_model,
    score,
    sentence_scores,
)

__all__ = [
    "AlignedSentence",
    "Alternative",
    "ScoreResult",
    "Translation",
    "Translator",
    "WdistillError",
    "__version__",
    "distill",
    "export_model",
    "import_model",
    "score",
    "sentence_scores",
]
