"""One run in all that is known of it: what ``dta-bench runs ID --json`` prints."""

from __future__ import annotations

from typing import Any

from dta_bench.report.document.frozen_record import Curve, Document, FrozenRecord

IN_USE = "target_train/classes_in_use"
"""The curve of how many classes are predicted on target train."""


class Changed(FrozenRecord):
    """A value that is not the default, and the default."""

    value: Any
    default: Any


class OtherSeed(FrozenRecord):
    """A run of the same configuration with another seed."""

    run_id: str
    seed: int
    status: str
    test: float | None
    collapsed: bool


class ClassFall(FrozenRecord):
    """A class that fell during the run, and what it is taken for since then; shares in percent.

    Attributes:
        metric: ``recall`` or ``iou`` on the labelled subset; ``predicted``, the share of the predictions on target
            train, where there is no such subset.
        images: of the subset that hold the class; None without a subset.
        since: the first measured epoch of the low end.
        epochs: the first, at its best, just before ``since``, at ``since`` and at the last epoch.
        values: the metric after each of ``epochs``.
        predicted: the share of the predictions on target train that is of the class, after each of ``epochs``.
        equal: that share if all classes were predicted equally often.
        chance: how probable it is at most that chance alone makes any class fall so far from any measured epoch to the
            last; None for IoU and without a subset, where no count of images is behind it.
        taken_for: the class that most of its wrong images, or pixels, of the subset were predicted as at ``since``.
        taken: the share of its images, or pixels, that were.
        test_taken_for: as ``taken_for``, on target test at the last epoch; empty where there is none.
        test_taken: as ``taken``, on target test.
        test_images: of the class on target test, images or pixels.
        test: its recall on target test.
    """

    name: str
    metric: str
    images: int | None
    since: int
    epochs: list[int]
    values: list[float]
    predicted: list[float]
    equal: float
    chance: float | None
    taken_for: str
    taken: float | None
    test_taken_for: str
    test_taken: float | None
    test_images: int | None
    test: float | None


class PoorClass(FrozenRecord):
    """A class that was nearly never right after any measured epoch; shares in percent.

    Attributes:
        metric: ``recall`` or ``iou`` on the labelled subset.
        images: of the subset that hold the class.
        best: its highest score.
        taken_for: the class that most of its wrong images, or pixels, of the subset are predicted as at the last epoch.
        taken: the share of its images, or pixels, that are.
        test_taken_for: as ``taken_for``, on target test; empty where there is none.
        test_taken: as ``taken``, on target test.
        test_images: of the class on target test, images or pixels.
        test: its recall on target test.
    """

    name: str
    metric: str
    images: int
    best: float
    taken_for: str
    taken: float | None
    test_taken_for: str
    test_taken: float | None
    test_images: int | None
    test: float | None


class OneRun(Document):
    """A run of a store; scores in percent.

    Attributes:
        what: what the run was for: a sweep's search, the confirmation of a choice, or a training by itself.
        chosen_by: the rules that chose it in the last reports.
        reason: why it failed or ended early; empty where it did not.
        params: parameters that are not the method's defaults.
        training: settings that are not those of ``search_space``.
        search_space: the search space that the benchmark is trained by where nothing else is said.
        scores: part of the data → average → value.
        per_class: class → recall on target test (of label maps its IoU).
        worst_taken_for: as ``lost_taken_for``, of the three classes with the lowest recall or IoU.
        lost_classes: classes whose recall is under a tenth of the mean of all.
        lost_since: of ``lost_classes``, the epoch since when each is so on the labelled subset, where that is known.
        lost_taken_for: of ``lost_classes``, the class that most of the images of each are taken for on target test, and
            their share in percent; without those of which no image is taken for another.
        falls: classes that fell during the run, the deepest fall first; None where the run kept no record of classes.
        poor_classes: classes that were nearly never right after any measured epoch, the worst first.
        measure_every: after every how many epochs, and after the last one, the run is measured.
        class_epochs: the measured epochs, after which ``falls`` and ``poor_classes`` can be seen.
        files: what tells more of classes, by its path among the run's artifacts → where it lies.
        few_classes_from: the epoch from which on fewer than half of the classes are predicted on target train.
        curves: metric → its value after each epoch.
        other_seeds: of the same configuration.
        measured_otherwise: runs that train the same and are measured after other epochs, or on a sample of other size:
            identity → the settings in which they differ from this one.
        not_in_report: what keeps it out of the table of its benchmark's report; empty where it is in it.
        page: where that report's page is; None where there is none yet.
        link: to the run in MLflow.
        notes: how it was made: device, code, the user's command.
        command: trains this very run again.
    """

    run_id: str
    mlflow_run_id: str
    name: str
    benchmark: str
    method: str
    backbone: str
    weights: str
    seed: int
    status: str
    what: str
    chosen_by: list[str]
    reason: str
    collapsed: bool
    params: dict[str, Changed]
    training: dict[str, Changed]
    search_space: str
    metric: str
    scores: dict[str, dict[str, float]]
    per_class: dict[str, float]
    worst_taken_for: dict[str, tuple[str, float]]
    lost_classes: list[str]
    lost_since: dict[str, int]
    lost_taken_for: dict[str, tuple[str, float]]
    falls: list[ClassFall] | None
    poor_classes: list[PoorClass]
    measure_every: int
    class_epochs: list[int]
    files: dict[str, str]
    few_classes_from: int | None
    curves: dict[str, Curve]
    other_seeds: list[OtherSeed]
    measured_otherwise: dict[str, dict[str, int | None]]
    not_in_report: list[str]
    page: str | None
    link: str
    notes: dict[str, str]
    command: str
