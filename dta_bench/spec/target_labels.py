"""Which labels of the target a user has: none, a labelled subset, a labelled test, or both; and what follows."""

from __future__ import annotations

from typing import Literal

TargetLabels = Literal["none", "subset", "test", "both"]

CONSEQUENCES: dict[TargetLabels, str] = {
    "none": "no image of the target has a label: a rule that needs none chooses, and nothing says how good the chosen "
    "network is on the target",
    "subset": "a labelled subset is there to choose by, and no labelled test: nothing says how good the chosen network "
    "is on target images that did not choose it",
    "test": "a labelled test is there to measure on, and no labelled subset: a rule that needs no target label chooses",
    "both": "a labelled subset is there to choose by, and a labelled test to measure on",
}
"""What the labels that are there allow, in words."""


def describe_target_labels(situation: TargetLabels | None) -> str:
    """The situation and what it allows; None where the data that would say it are not there."""
    return "not known, the target's images are not there" if situation is None else CONSEQUENCES[situation]


def target_labels(*, has_subset: bool, has_test: bool) -> TargetLabels:
    """The situation with or without a labelled subset and a labelled test."""
    if has_subset:
        return "both" if has_test else "subset"
    return "test" if has_test else "none"
