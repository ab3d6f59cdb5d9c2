"""`distill`, whose work the package wdistill-train does."""

from wdistill._wdistill import WdistillError, __version__


def distill(recipe, out, *, progress=None, threads=None, force=False):
    """Carries out a recipe, given with the keys of its TOML file, in the folder ``out``, and returns the report."""
    try:
        import wdistill_train
    except ImportError:
        way_out = "hint: pip install wdistill[train], or the folder train beside this package's"
        raise NotImplementedError(f"training is in a package of its own, wdistill-train\n{way_out}") from None
    if wdistill_train.__version__ != __version__:
        versions = f"wdistill-train is {wdistill_train.__version__}, and wdistill {__version__}"
        raise NotImplementedError(f"{versions}\nhint: install the same version of both")
    try:
        return wdistill_train.distill(recipe, out, progress=progress, threads=threads, force=force)
    except wdistill_train.WdistillError as error:
        raise WdistillError(*error.args) from None
