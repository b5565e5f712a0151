"""Texts and tags that make runs readable in MLflow: descriptions, data sets, and a saved view of the runs page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dta_bench.domains import data_fingerprint
from dta_bench.spec.run_spec import LabelSubset, RunSpec

VIEW = "dta-bench"
"""The key under which an experiment keeps its saved view; it is part of the link."""
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The experiment's tag for its type, which MLflow's own pages write when a user chooses it: model training, with runs,
charts and models, not traces and judges."""
MODEL_TRAINING = "workflowType=machine_learning"
"""The part of a link by which the sidebar of MLflow's pages shows Model training; else each browser starts in GenAI."""
DIGITS = 9
"""Significant digits of a metric in the store."""


def rounded(value: float) -> float:
    """A metric as it is stored, without the noise of binary arithmetic that MLflow's pages would show: 82.4."""
    return float(f"{value:.{DIGITS}g}")


def saved_view(headline: str) -> dict[str, str]:
    """The experiment's tag from which MLflow reads a shared view: its columns and their order.

    Runs are sorted by the headline metric on the labelled subset, by which the default rule chooses. The column of
    target test stands beside it.

    Args:
        headline: ``accuracy``, ``mean_class_accuracy`` or ``miou``.
    """
    chosen_by = f"metrics.`validation/{headline}`"
    columns = [
        "attributes.`Status`", "attributes.`Duration`", "params.`method`", "params.`backbone`", "params.`seed`",
        chosen_by, f"metrics.`test/{headline}`", f"metrics.`source_validation/{headline}`", "tags.`chosen_by_labels`",
        "tags.`collapsed`", "tags.`reason`",
    ]  # fmt: skip
    view = {"selectedColumns": columns, "orderByKey": chosen_by, "orderByAsc": False}
    return {f"mlflow.sharedViewState.{VIEW}": json.dumps(view)}


def tags_to_set(headline: str, known: Mapping[str, str]) -> dict[str, str]:
    """The tags that an experiment lacks: its saved view, and its type, of which a user may have chosen another."""
    view = {key: value for key, value in saved_view(headline).items() if known.get(key) != value}
    return view | {key: kind for key, kind in KIND.items() if key not in known}


def source_tags(provenance: dict[str, str]) -> dict[str, str]:
    """The command's name and the commit of a run under MLflow's own names.

    MLflow shows what is behind the last slash of a source, so that of a whole command, which may hold a path, its page
    would show an end like ``mine --quiet``; the tag ``command`` holds all of it.
    """
    return {
        "mlflow.source.name": " ".join(provenance.get("command", "dta-bench").split()[:2]),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": provenance.get("commit", "unknown"),
    }


def description(spec: RunSpec, inert: set[str]) -> str:
    """Describe a run in a few sentences of Markdown, without the parameters that have no effect (``inert``)."""
    point = ", ".join(f"`{k}={v}`" for k, v in spec.params.items() if k not in inert)
    training, subset = spec.training, spec.label_subset
    return (
        f"**{spec.method}** on **{spec.backbone}** ({spec.weights} weights), seed {spec.seed},"
        f" {training.epochs} epochs of {training.optimizer} at {training.learning_rate:g}"
        f"{f', within a budget of {spec.budget.of}' if spec.budget else ''}."
        f" {f'With {point}.' if point else 'No parameters.'}"
        f" {_describe_subset(subset)}"
    )


def _describe_subset(subset: LabelSubset) -> str:
    if subset.given:
        return "The labelled subset that the user gave is for choosing only."
    if not subset.is_there:
        return "No label of the target takes part in choosing."
    return f"{subset.size} labelled images of target train (seed {subset.seed}) are for choosing only."


def data_sets(spec: RunSpec, fingerprint: str) -> list[Any]:
    """The sets that a run may read, as MLflow's dataset inputs: each with its role and the data's fingerprint."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    subset = spec.label_subset
    parts = {"source": "training, labelled", "target train": "training, unlabelled"}
    if subset.is_there:
        parts[f"target subset{'' if subset.given else f' of {subset.size}'}"] = "selection, labelled"
    parts["target test"] = "evaluation"
    source, digest = json.dumps({"name": spec.benchmark}), data_fingerprint.shorten(fingerprint) or "unknown"
    return [
        DatasetInput(
            Dataset(f"{spec.benchmark} {name}", digest, "local", source), [InputTag("mlflow.data.context", context)]
        )
        for name, context in parts.items()
    ]
