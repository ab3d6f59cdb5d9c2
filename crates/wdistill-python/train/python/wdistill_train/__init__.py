"""Training for the package wdistill, which has its documentation: `wdistill.distill`."""

from wdistill_train._wdistill import WdistillError, __version__, distill

__all__ = ["WdistillError", "__version__", "distill"]
