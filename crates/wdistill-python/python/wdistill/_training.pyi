import os
from collections.abc import Callable, Mapping
from typing import Any

def distill(
    recipe: Mapping[str, Any],
    out: str | os.PathLike[str],
    *,
    progress: Callable[[str], None] | None = None,
    threads: int | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Carries out a recipe, given with the keys of its TOML file, in the folder ``out``, and returns the report.

    Relative paths are taken from the current folder. ``progress`` gets each message. What was interrupted goes on when it is
    called again. Needs the extra ``train``.
    """
