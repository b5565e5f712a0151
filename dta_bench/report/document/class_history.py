"""Classes of one run, epoch by epoch: what ``dta-bench runs ID --class NAME --json`` prints."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Document, FrozenRecord


class AfterEpoch(FrozenRecord):
    """A class after one measured epoch; shares in percent.

    Attributes:
        images: of the labelled subset that hold the class; None where there is no such subset.
        score: its recall, of label maps its IoU, on the subset; None without a subset, or without the class in it.
        taken_for: the class that most of its wrong images, or pixels, are predicted as; empty where none is wrong.
        taken: the share of its images, or pixels, that are.
        predicted: the share of the predictions on target train that is of the class.
    """

    epoch: int
    images: int | None
    score: float | None
    taken_for: str
    taken: float | None
    predicted: float


class ClassHistory(Document):
    """Chosen classes of a run.

    Attributes:
        metric: what ``score`` is, ``recall`` or ``iou``.
        classes: class → how it fared, by ascending epoch.
    """

    run_id: str
    name: str
    metric: str
    classes: dict[str, list[AfterEpoch]]
