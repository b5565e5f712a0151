"""On a terminal: the classes of a run that fell or were never right, what they are taken for, where the rest is."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.class_falls import POOR
from dta_bench.report.document.one_run import ClassFall, OneRun, PoorClass
from dta_bench.report.weak_runs import join_names, lost_classes
from dta_bench.spec.spelling import count_of, join_words
from dta_bench.tracking.class_record import CONFUSION, FILE

MOST_FALLS = 3
"""Classes that are told in full."""
SURE = 0.05
"""Up to this probability a fall is said to be no chance."""
MOST = 50.0
"""Percent of the predictions from which on most images are taken for one class."""
FEW_IMAGES = 10
"""Of fewer images it is said how much one of them weighs."""
HOLDS = {CONFUSION: "target test, rows are true classes", FILE: "each class after each measured epoch"}


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


def poor_sentences(run: OneRun) -> list[str]:
    """A sentence or two on each class that was nearly never right, and the names of the others."""
    lines = [_poor_sentence(poor, run.class_epochs) for poor in run.poor_classes[:MOST_FALLS]]
    if others := run.poor_classes[MOST_FALLS:]:
        named = join_names([f"{poor.name} (at most {poor.best:.1f} %)" for poor in others])
        lines.append(f"Under {POOR:.0f} % after each of them too: {named}.")
    return lines


def measured_sentence(run: OneRun) -> list[str]:
    """After which epochs classes were measured, where that was not after each."""
    measured = run.class_epochs
    if not measured or run.measure_every == 1:
        return []
    named = "epochs" if len(measured) > 1 else "epoch"
    return [
        f"Classes were measured after {named} {join_words([str(epoch) for epoch in measured])} alone. The command below"
        " with --training measure_every=1 measures them after each epoch and ends with the same numbers."
    ]


def _poor_sentence(poor: PoorClass, epochs: Sequence[int]) -> str:
    if len(epochs) == 1:
        said = f"Class {poor.name} is nearly never right: {_metric(poor)} {poor.best:.1f} % after epoch {epochs[0]}"
    else:
        said = f"Class {poor.name} was nearly never right: {_metric(poor)} at most {poor.best:.1f} % after each of"
        said += f" {len(epochs)} measured epochs"
    return said + f"{_images(poor)}." + _taken(poor, f"After epoch {epochs[-1]}")


def _sentence(fall: ClassFall) -> str:
    first, *others = zip(fall.epochs, fall.values, strict=True)
    points = [f"{first[1]:.1f} % after epoch {first[0]}", *(f"{value:.1f} % after {epoch}" for epoch, value in others)]
    said = f"Class {fall.name} fell {_when(fall)}: {_metric(fall)} {', '.join(points)}{_images(fall)}."
    return said + _by_chance(fall) + _predicted(fall) + _taken(fall, f"After epoch {fall.since}")


def _predicted(fall: ClassFall) -> str:
    """How often it was predicted before and after: a class that everything is taken for has a high recall too."""
    if fall.metric == "predicted":
        return ""
    first, *others = zip(fall.epochs, fall.predicted, strict=True)
    points = [f"{first[1]:.1f} % after epoch {first[0]}", *(f"{value:.1f} % after {epoch}" for epoch, value in others)]
    return (
        f" Of the predictions on target train this class was {', '.join(points)}; {fall.equal:.1f} % would be all"
        " classes equally often."
    ) + _was_taken_for_everything(fall)


def _was_taken_for_everything(fall: ClassFall) -> str:
    """That the best recall may say little, where most images were taken for the class then; IoU falls by that."""
    best = fall.values.index(max(fall.values))
    if fall.metric != "recall" or fall.predicted[best] < max(MOST, 2 * fall.equal):
        return ""
    return f" Most images were taken for it after epoch {fall.epochs[best]}, so that its recall there may say little."


def _by_chance(fall: ClassFall) -> str:
    """How probable the whole fall is by chance; when it began is less sure than that it came."""
    if fall.chance is None:
        return ""
    if fall.chance > SURE:
        return f" Chance alone may make a class fall so far (p {fall.chance:.2f}); more labelled images would tell."
    p = f"p {fall.chance:.3f}" if fall.chance >= 0.001 else "p under 0.001"
    return f" Chance alone does not explain it ({p}, for all classes and epochs together); the epoch is less sure."


def _taken(of: ClassFall | PoorClass, when: str) -> str:
    """What a class is taken for on the subset, and on target test."""
    said, things = "", "pixels" if of.metric == "iou" else "images"
    if of.taken_for and of.taken is not None:
        share = f"{of.taken:.0f} % of its pixels"
        if of.metric == "recall" and of.images:
            share = f"{round(of.taken * of.images / 100)} of its {count_of(of.images, 'image')}"
        said += f" {when}, {share} were taken for {of.taken_for}."
    if of.test_taken is not None and of.test is not None:
        said += f" On target test, after the last epoch, its recall is {of.test:.1f} %, and {of.test_taken:.0f} % of"
        said += f" its {of.test_images:,} {things} are taken for {of.test_taken_for}."
    return said


def _when(fall: ClassFall) -> str:
    before = fall.epochs[fall.epochs.index(fall.since) - 1]
    return f"in epoch {fall.since}" if fall.since == before + 1 else f"between epochs {before} and {fall.since}"


def _metric(fall: ClassFall | PoorClass) -> str:
    if fall.metric == "predicted":
        return "its share of the predictions on target train was"
    return f"{'IoU' if fall.metric == 'iou' else 'recall'} on the labelled subset"


def _images(fall: ClassFall | PoorClass) -> str:
    """How many images the figures are of, in brackets."""
    if fall.images is None:
        return ""
    if fall.metric == "iou":
        return f" (in {count_of(fall.images, 'label map')})"
    few = f"only {count_of(fall.images, 'image')}, so one is {100 / fall.images:.0f} points"
    return f" ({few if fall.images < FEW_IMAGES else count_of(fall.images, 'image')})"
