"""How much memory a stack of heads takes beside the process itself."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.spec.run_spec import RunSpec

STATES = {"sgd": 1, "adam": 2, "adamw": 2}
"""Numbers that an optimiser keeps of each weight; SGD keeps one with a momentum."""
NUMBER = 4  # bytes of float32


def stack_bytes(runs: Sequence[RunSpec], units: int, images: int, classes: int = 10) -> int:
    """Bytes of the features that are used, and of the weights, gradients and optimiser states of the stacked heads.

    Args:
        runs: of one stack.
        units: numbers of an image's features.
        images: of all sets and views that are used.
        classes: K.
    """
    training = runs[0].training
    width = training.neck_width or 0
    head = units * width + 3 * width + (width + 1) * classes
    states = 0 if training.optimizer == "sgd" and not training.momentum else STATES[training.optimizer]
    kept = 2 if training.kept == "float16" else NUMBER
    return images * units * kept + len(runs) * head * NUMBER * (2 + states)
