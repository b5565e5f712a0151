"""On a terminal: the classes of a run that fell, when, what they are taken for since then, and where the rest is."""

from __future__ import annotations

from dta_bench.report.document.one_run import ClassFall, OneRun
from dta_bench.report.weak_runs import join_names, lost_classes
from dta_bench.spec.spelling import count_of, join_words
from dta_bench.tracking.class_record import FILE

MOST_FALLS = 3
"""Classes that are told in full."""
FEW_IMAGES = 10
"""Of fewer images it is said how much one of them weighs."""
HOLDS = {"confusion.csv": "target test, rows are true classes", FILE: "each class after each measured epoch"}


def fall_sentences(run: OneRun) -> list[str]:
    """A sentence or two on each of the deepest falls, and the names of the others."""
    falls = run.falls or []
    lines = [_sentence(fall) for fall in falls[:MOST_FALLS]]
    if others := falls[MOST_FALLS:]:
        named = join_names([f"{fall.name} ({_when(fall)})" for fall in others])
        lines.append(f"{'Another class' if len(others) == 1 else 'Other classes'} fell: {named}.")
    return lines


def lost_sentence(run: OneRun) -> str:
    """Which classes are nearly lost, since when, and what they are taken for."""
    told = []
    for name, words in zip(run.lost_classes, lost_classes(run.lost_classes, run.lost_since), strict=True):
        to, share = run.lost_taken_for.get(name, ("", 0.0))
        told.append(f"{words} ({share:.0f} % taken for {to})" if to else words)
    by = "; since when, by the labelled subset" if run.lost_since else ""
    return f"Nearly lost (recall under a tenth of the mean of all{by}): {', '.join(told)}"


def files_sentence(run: OneRun) -> list[str]:
    """Where the confusion matrix and the record of classes lie, and that an earlier version kept no record."""
    told = [f"{name} ({HOLDS[name]})" for name in run.files]
    folder = next((path.removesuffix(f"/{name}") for name, path in run.files.items()), "")
    lines = [f"Classes: {join_words(told)}, in {folder}; in MLflow under Artifacts"] if told else []
    if run.status == "finished" and FILE not in run.files:
        lines.append(f"It has no {FILE}, how each class fared after each epoch: an earlier version made this run.")
    return lines


def _sentence(fall: ClassFall) -> str:
    first, *others = zip(fall.epochs, fall.values, strict=True)
    points = [f"{first[1]:.1f} % after epoch {first[0]}", *(f"{value:.1f} % after {epoch}" for epoch, value in others)]
    said = f"Class {fall.name} fell {_when(fall)}: {_metric(fall)} {', '.join(points)}{_images(fall)}."
    things = "pixels" if fall.metric == "iou" else "images"
    if fall.taken_for and fall.taken is not None:
        share = f"{fall.taken:.0f} % of its pixels"
        if fall.metric == "recall" and fall.images:
            share = f"{round(fall.taken * fall.images / 100)} of its {count_of(fall.images, 'image')}"
        said += f" After epoch {fall.since}, {share} were taken for {fall.taken_for}."
    if fall.test_taken is not None:
        said += f" On target test, after the last epoch, {fall.test_taken:.0f} % of its {things} are taken for"
        said += f" {fall.test_taken_for}."
    return said


def _when(fall: ClassFall) -> str:
    before = fall.epochs[fall.epochs.index(fall.since) - 1]
    return f"in epoch {fall.since}" if fall.since == before + 1 else f"between epochs {before} and {fall.since}"


def _metric(fall: ClassFall) -> str:
    if fall.metric == "predicted":
        return "its share of the predictions on target train was"
    return f"{'IoU' if fall.metric == 'iou' else 'recall'} on the labelled subset"


def _images(fall: ClassFall) -> str:
    """How many images the figures are of, in brackets."""
    if fall.images is None:
        return ""
    if fall.metric == "iou":
        return f" (in {count_of(fall.images, 'label map')})"
    few = f"only {count_of(fall.images, 'image')}, so one is {100 / fall.images:.0f} points"
    return f" ({few if fall.images < FEW_IMAGES else count_of(fall.images, 'image')})"
