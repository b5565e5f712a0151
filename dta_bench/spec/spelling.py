"""How runs, metrics, methods and values are spelled, in every table, page, message and run name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def spell_metric(metric: str) -> str:
    """Spell a metric's key in words: ``mean_class_accuracy`` → mean class accuracy, ``miou`` → mean IoU."""
    return "mean IoU" if metric == "miou" else metric.replace("_", " ")


def spell_method(method: str) -> str:
    """Spell a method's name in prose: the baselines are source-only and target-only, the others keep their name."""
    return method.replace("_", "-") if method in ("source_only", "target_only") else method


def spell_value(value: object) -> str:
    """Spell a parameter's value as briefly as possible: 2.0 → 2."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


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
