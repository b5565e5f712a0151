"""Which classes fell during a run, or were never right, after which of its epochs, and what they are taken for."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import hypergeom

from dta_bench.report.configurations import LOST
from dta_bench.report.document.one_run import ClassFall, PoorClass
from dta_bench.report.document.run_details import ConfusionMatrix
from dta_bench.tracking.class_record import ClassCurves, ClassRow

LEAST_POINTS = 20.0
"""A class fell whose score on the labelled subset ends so far below its best, and at half of it or less, ..."""
FEWEST_IMAGES = 3
"""... provided that so many images or more went wrong: two of four images are chance."""
POOR = 20.0
"""A class was nearly never right whose score on the labelled subset is always under this."""
OF_SHARE = 0.1
"""Without labels a class fell that is predicted so much less often than before, and than if all were equally often."""


def falls(curves: ClassCurves, confusion: ConfusionMatrix | None) -> list[ClassFall]:
    """The classes that fell, the deepest fall first.

    Args:
        confusion: of target test at the last epoch, where there is one.
    """
    names = curves.names
    found = [fall for name in names if (fall := _fall(curves, name, len(names), confusion)) is not None]
    return sorted(found, key=lambda fall: fall.values[-1] - max(fall.values))


def poor_classes(curves: ClassCurves, confusion: ConfusionMatrix | None) -> list[PoorClass]:
    """The classes whose score on the subset was low after every measured epoch, the worst first.

    Args:
        confusion: of target test at the last epoch, where there is one.
    """
    found = []
    for name in curves.names:
        rows = [row for row in curves.of_class(name) if row.score is not None]
        best = max((float(row.score or 0) for row in rows), default=100.0)
        if best >= POOR or (rows[-1].images or 0) < FEWEST_IMAGES:
            continue
        to, share = taken_on_test(confusion, name)
        found.append(
            PoorClass(
                name=name, metric=curves.metric, images=rows[-1].images or 0, best=best,
                taken_for=rows[-1].taken_for, taken=rows[-1].taken, test_taken_for=to, test_taken=share,
                test_images=images_on_test(confusion, name), test=recall_on_test(confusion, name),
            )
        )  # fmt: skip
    return sorted(found, key=lambda poor: poor.best)


def lost_since(curves: ClassCurves, lost: Sequence[str]) -> dict[str, int]:
    """Class → the epoch from which on its score on the subset is under a tenth of the mean of all, to the end.

    Args:
        lost: classes that are nearly lost on target test; those that the subset does not show so are left out.
    """
    means = _means(curves)
    found = {}
    for name in lost:
        rows = [row for row in curves.of_class(name) if row.score is not None]
        is_lost = [row.score is not None and row.score < LOST * means[row.epoch] for row in rows]
        if (first := _tail(is_lost)) is not None:
            found[name] = rows[first].epoch
    return found


def _means(curves: ClassCurves) -> dict[int, float]:
    """The mean score of the classes after each epoch."""
    scores: dict[int, list[float]] = {}
    for row in curves.rows:
        if row.score is not None:
            scores.setdefault(row.epoch, []).append(row.score)
    return {epoch: sum(values) / len(values) for epoch, values in scores.items()}


def _fall(curves: ClassCurves, name: str, classes: int, confusion: ConfusionMatrix | None) -> ClassFall | None:
    rows = curves.of_class(name)
    scored = [row for row in rows if row.score is not None]
    if scored:
        metric, rows, values = curves.metric, scored, [float(row.score or 0) for row in scored]
        bound = max(values) / 2
        enough = max(values) - values[-1] >= max(LEAST_POINTS, _points_of_images(curves.metric, rows[-1]))
    else:
        metric, values, equal = "predicted", [row.predicted for row in rows], 100 / classes
        bound = OF_SHARE * min(max(values), equal)
        enough = max(values) >= equal / 2
    since = _tail([value <= bound for value in values])
    if not enough or not since:
        return None
    best = max(range(since), key=lambda at: (values[at], at))
    shown = sorted({0, best, since - 1, since, len(rows) - 1})
    to, share = taken_on_test(confusion, name)
    chance = _chance(values[best], values[-1], rows[-1].images or 0) if metric == "recall" else None
    return ClassFall(
        name=name, metric=metric, images=rows[-1].images, since=rows[since].epoch,
        epochs=[rows[at].epoch for at in shown], values=[values[at] for at in shown],
        predicted=[rows[at].predicted for at in shown], equal=100 / classes,
        chance=None if chance is None else min(1.0, chance * classes * (len(rows) - 1)),
        taken_for=rows[since].taken_for, taken=rows[since].taken,
        test_taken_for=to, test_taken=share,
        test_images=images_on_test(confusion, name), test=recall_on_test(confusion, name),
    )  # fmt: skip


def _chance(best: float, last: float, images: int) -> float:
    """How often chance alone makes so many fewer of a class's images right at the end (Fisher's exact test, one-sided).

    The same images are predicted twice, which only makes it rarer.

    Args:
        best: the highest recall, in percent.
        last: the recall at the end.
    """
    before, after = (round(value * images / 100) for value in (best, last))
    return float(hypergeom.sf(before - 1, 2 * images, before + after, images))


def _points_of_images(metric: str, row: ClassRow) -> float:
    """How many points so many images are; of label maps each pixel counts, and there is no such bound."""
    return 100 * FEWEST_IMAGES / row.images if metric == "recall" and row.images else 0.0


def _tail(holds: Sequence[bool]) -> int | None:
    """From which place on all hold, to the end; None where the last does not."""
    first = None
    for at in reversed(range(len(holds))):
        if not holds[at]:
            break
        first = at
    return first


def taken_on_test(confusion: ConfusionMatrix | None, name: str) -> tuple[str, float | None]:
    """The other class that most of a class's images or pixels are predicted as, and their share in percent.

    Args:
        confusion: of target test; None where there is none, and nothing is known.
    """
    if confusion is None or name not in confusion.classes:
        return "", None
    own = confusion.classes.index(name)
    row = confusion.counts[own]
    others = [count if at != own else -1 for at, count in enumerate(row)]
    most = max(range(len(row)), key=others.__getitem__)
    return (confusion.classes[most], 100 * row[most] / sum(row)) if others[most] > 0 else ("", None)


def images_on_test(confusion: ConfusionMatrix | None, name: str) -> int | None:
    """How many images (pixels) of a class target test has; None where there is no confusion matrix."""
    row = _row_of(confusion, name)
    return None if row is None else sum(row)


def recall_on_test(confusion: ConfusionMatrix | None, name: str) -> float | None:
    """A class's recall on target test in percent; None where there is no confusion matrix, or none of its images."""
    row = _row_of(confusion, name)
    if confusion is None or not row or not sum(row):
        return None
    return 100 * row[confusion.classes.index(name)] / sum(row)


def _row_of(confusion: ConfusionMatrix | None, name: str) -> list[int] | None:
    if confusion is None or name not in confusion.classes:
        return None
    return confusion.counts[confusion.classes.index(name)]
