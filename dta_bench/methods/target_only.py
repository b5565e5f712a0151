"""Target-only: cross-entropy on the labelled target, an oracle for comparison.

It is source-only training with the labelled target as its source.
"""

from dta_bench.methods.source_only import Params, floor, loss

__all__ = ["Params", "floor", "loss", "uses_target_labels"]

uses_target_labels = True
