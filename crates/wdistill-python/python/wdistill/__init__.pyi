from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Literal, Self, final, overload

from wdistill._training import distill as distill

__version__: str

_Path = str | PathLike[str]

class WdistillError(Exception):
    """What the library says is wrong; the last line may be a hint."""

@final
class Alternative:
    """A translation that is not the best."""

    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...

@final
class AlignedSentence:
    """A sentence, its translation, and how their tokens belong together.

    ``source_spans`` and ``target_spans`` say which characters of ``source`` and ``target`` each token stands for, as
    ``(start, end)``; ``weights[i][j]`` says how much of target token ``i`` comes from source token ``j``.
    """

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def source_spans(self) -> list[tuple[int, int]]: ...
    @property
    def target_spans(self) -> list[tuple[int, int]]: ...
    @property
    def weights(self) -> list[list[float]]: ...

@final
class Translation:
    """The translation of a line. ``str(translation)`` is its text."""

    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float:
        """``log_probability / (words + 1) ** length_penalty``."""
    @property
    def tokens(self) -> list[str]:
        """The pieces of the translation, without end tokens."""
    @property
    def alternatives(self) -> list[Alternative]:
        """The next best ones: ``n_best`` less one."""
    @property
    def alignment(self) -> list[AlignedSentence] | None:
        """One for each sentence, if ``alignment=True`` asked for it."""
    @property
    def notices(self) -> list[str]:
        """What the text does not show: that it was cut, or translated in parts."""
    @property
    def source_tokens(self) -> int: ...
    @property
    def target_tokens(self) -> int: ...

@final
class Translator:
    """A model, ready to translate text.

    A translation depends on its line alone, not on its neighbours or on threads. Several threads of Python may use one
    translator; it works without the global interpreter lock.
    """

    def __new__(
        cls,
        path: _Path,
        *,
        beam_size: int = 4,
        length_penalty: float = 1.0,
        max_length_ratio: float = 2.0,
        max_length: int = 512,
        n_best: int = 1,
        batch_tokens: int = 4096,
        quantize: Literal["bf16", "int8"] | None = None,
        shortlist: _Path | None = None,
        sentences: Literal["line", "split"] = "line",
        language: str | None = None,
        max_source: int = 512,
        long: Literal["refuse", "truncate", "split"] = "refuse",
        threads: int | None = None,
    ) -> Self:
        """Reads a model folder. The options are those of ``wdistill translate``; ``threads`` is all cores by default."""
    @property
    def languages(self) -> tuple[str, str] | None:
        """Source and target language, if the model says them."""
    @property
    def threads(self) -> int: ...
    @overload
    def translate(self, text: str, *, alignment: bool = False) -> Translation: ...
    @overload
    def translate(self, text: list[str] | tuple[str, ...], *, alignment: bool = False) -> list[Translation]: ...
    def translate_iterable(
        self, texts: Iterable[str], *, buffer: int = 1000, alignment: bool = False
    ) -> Iterator[Translation]:
        """Translates as many lines as it is asked for, ``buffer`` at a time."""

def import_model(
    path: _Path,
    out: _Path,
    *,
    subwords: _Path | None = None,
    target_subwords: _Path | None = None,
    vocabulary: _Path | None = None,
    target_vocabulary: _Path | None = None,
    languages: tuple[str, str] | None = None,
) -> list[str]:
    """Reads a model of another toolkit, writes it as a model folder, and returns what its user should know."""

def export_model(
    path: _Path,
    out: _Path,
    *,
    format: Literal["bergamot", "ctranslate2", "huggingface", "marian"],
    quantize: Literal["int8"] | None = None,
    shortlist: _Path | None = None,
    source: _Path | None = None,
    languages: tuple[str, str] | None = None,
) -> list[str]:
    """Writes a model folder for another toolkit, and returns what its user should know.

    For Bergamot, `shortlist` is a file of `wdistill shortlist`, and `source` a text whose first 500 lines show how large
    activations become.
    """

@final
class ScoreResult:
    """The score of a text."""

    @property
    def name(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def signature(self) -> str: ...
    def format(self, decimals: int = 1) -> str:
        """The line that sacreBLEU prints."""

_Metric = Literal["bleu", "chrf", "chrf++", "ter"]

def score(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, metric: _Metric = "bleu"
) -> ScoreResult:
    """The score of a text, equal to sacreBLEU's. ``references`` holds one list of lines for each set of references."""

def sentence_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, metric: _Metric = "chrf"
) -> list[float]:
    """The score of each line by itself; BLEU with the effective order, as sacreBLEU's sentence scores have it."""
