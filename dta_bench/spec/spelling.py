"""How runs, metrics, methods and values are spelled, in every table, page, message and run name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

WIDEST_OF_SCORE = 90.0
"""Points between the ends of a score's interval, above which it says nothing."""
WIDEST = 100.0
"""Points between the ends of a difference's interval, above which its figures say nothing."""


def spell_metric(metric: str) -> str:
    """Spell a metric's key in words: ``mean_class_accuracy`` → mean class accuracy, ``miou`` → mean IoU."""
    return "mean IoU" if metric == "miou" else metric.replace("_", " ")


def spell_method(method: str) -> str:
    """Spell a method's name in prose: the baselines are source-only, target-only and zero-shot."""
    return method.replace("_", "-") if method in ("source_only", "target_only", "zero_shot") else method


def spell_value(value: object) -> str:
    """Spell a parameter's value as briefly as possible: 2.0 → 2."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def spell_rate(images_per_second: float) -> str:
    """Spell a rate with three digits at least, also one that is far below 1: ``429``, ``12.5``, ``0.122``."""
    return f"{images_per_second:.0f}" if images_per_second >= 100 else f"{images_per_second:.3g}"


def count_of(number: int, noun: str) -> str:
    """Spell a number of things: ``1 point``, ``3 points``; a noun with ``y`` at its end becomes ``ies``.

    Args:
        noun: in the singular; if it is several words, the last one gets the plural.
    """
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number} {plural}"


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``dta``, ``dta and mcc``, ``dta, mcc and shot``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def spell_notes(notes: Iterable[str]) -> list[str]:
    """Spell notes on one plan, or on those of several pairs: a line for each; equal ones once, with their number."""
    return [f"note{f' on {count} pairs' if count > 1 else ''}: {note}" for note, count in Counter(notes).items()]


def spell_bounds(bounds: tuple[float, float], *, digits: int = 1, signed: bool = False) -> str:
    """Spell both ends of an interval: ``57.3 to 65.1``, signed ``-0.4 to +2.0``."""
    return " to ".join(f"{end:{'+' if signed else ''}.{digits}f}" for end in bounds)


def spell_score_bounds(bounds: tuple[float, float], seeds: int | None = None) -> str:
    """Spell the interval of a score, ``57.3 to 65.1``; beside one that is nearly all of 0 to 100, that it says nothing.

    Args:
        seeds: that the score is over, where they are known.
    """
    said = spell_bounds(bounds)
    if bounds[1] - bounds[0] <= WIDEST_OF_SCORE:
        return said
    return f"{said}, says nothing" + ("" if seeds is None else f" with {count_of(seeds, 'seed')}")


def spell_gain(bounds: tuple[float, float], seeds: int | None = None, *, signed: bool = True) -> str:
    """Spell the interval of a difference of two percentages: ``-0.4 to +2.0``, cut at -100 and +100.

    One wider than :data:`WIDEST` is spelled in words: ``too wide to say anything with 2 seeds``.

    Args:
        seeds: of each side, where they are known.
        signed: whether an end above zero has a sign.
    """
    low, high = bounds
    if high - low > WIDEST:
        return "too wide to say anything" + ("" if seeds is None else f" with {count_of(seeds, 'seed')}")
    return spell_bounds((max(low, -100.0), min(high, 100.0)), signed=signed)


def spell_gpu_hours(hours: float) -> str:
    """Spell GPU hours: ``12.3 GPU hours``; of less than one ``14 GPU minutes``, ``less than 1 GPU minute``."""
    if hours < 1 / 60:
        return "less than 1 GPU minute"
    return f"{hours:.1f} GPU hours" if hours >= 1 else count_of(round(60 * hours), "GPU minute")


def spell_seeds(seeds: Sequence[int]) -> str:
    """Spell ascending seeds: ``seed 0``, ``seeds 1000 to 1002``, ``seeds 0, 2, 3``."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def label_run(
    method: str, params: Mapping[str, object], *, backbone: str | None = None, seed: int | None = None
) -> str:
    """Return the label of a run or configuration: ``dta conv3_fc2 lambda_2=0.01 epsilon=15 seed=0``.

    Args:
        params: the parameters in which it differs from those beside it, in the order of the search space.
        backbone: only where several backbones stand side by side.
        seed: only for a single run.
    """
    parts = [method, *([backbone] if backbone else []), *(f"{k}={spell_value(v)}" for k, v in params.items())]
    return " ".join([*parts, *([] if seed is None else [f"seed={seed}"])])
