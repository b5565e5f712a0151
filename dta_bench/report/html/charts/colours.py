"""The colours of the figures: which number each side and each ending has, and the colour of each number.

The first three on white are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping

SIDE_COLOURS = {"selected": 1, "source_only": 2, "target_only": 3}
"""Side of a report → number of its colour."""
ENDED_COLOURS = {"stopped": 4, "interrupted": 4, "failed": 2, "collapsed": 5}
"""How a run ended → number of its colour."""
ON_LIGHT = {1: "#0072b2", 2: "#d55e00", 3: "#009e73", 4: "#aa4499", 5: "#8a6d00", 6: "#3b8fc4"}
ON_DARK = {1: "#56b4e9", 2: "#f0883e", 3: "#2ec4a0", 4: "#dd8fc0", 5: "#e6c84c", 6: "#8fc9ee"}


OTHERS = (4, 5, 6, 3)
"""The colours of methods that are no side, in turns: never those of the chosen method and source-only."""


def other_look(number: int) -> int:
    """The number of the colour of a method that is no side; ``number`` counts such methods from 0."""
    return OTHERS[number % len(OTHERS)]


def other_turn(number: int) -> int:
    """How often the colours had to be used before this method: 0 for the first ones, which are told apart by colour."""
    return number // len(OTHERS)


def css_variables(palette: Mapping[int, str]) -> str:
    """The palette as CSS: ``--c1: #0072b2; --c2: ...``."""
    return " ".join(f"--c{number}: {colour};" for number, colour in palette.items())
