"""What a report says of a choice where no labelled target test is there: nothing of how good it is."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import FrozenRecord
from dta_bench.report.document.scores import Averages


class Estimate(FrozenRecord):
    """A published estimate of target accuracy, in percent, and by how many points it was off where the truth is known.

    ``bias`` is the mean of estimate less truth, ``mean_error`` the mean of its size, ``worst_error`` the largest one.
    """

    name: str
    published: str
    accuracy: float
    bias: float | None
    mean_error: float | None
    worst_error: float | None


class WithoutTest(FrozenRecord):
    """What is known of the selected configuration without a label of the target, averaged over its seeds."""

    source_validation: Averages
    """Scores on held-out source images; the target is another domain."""
    source_images: int | None = None
    """How many images these are; None for label maps, and in reports of earlier versions."""
    label_free: dict[str, float]
    """Label-free statistic of the predictions on target train → its value."""
    predicted_shares: dict[str, float]
    """Class → the share of target train that is predicted as it, in percent."""
    source_shares: dict[str, float]
    """Class → its true share of source validation, in percent, to be compared with."""
    estimates: list[Estimate]
    """Empty for label maps, whose runs store no logits that these need."""
    rarely_predicted: list[str]
    """Classes of which fewer than 1 % of the predictions are, and fewer than a tenth of their share of the source: a
    sign of collapse, or classes that the target lacks."""
