"""One run, read from the store: what it was, how it went, and the command that trains it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dta_bench.errors import UserError
from dta_bench.report.class_falls import falls, lost_since, poor_classes, taken_on_test
from dta_bench.report.configurations import METRICS, StoredRun
from dta_bench.report.details import confusion_of, few_classes_from, finite
from dta_bench.report.document.frozen_record import Curve
from dta_bench.report.document.one_run import IN_USE, Changed, OneRun, OtherSeed
from dta_bench.report.document.run_details import ConfusionMatrix
from dta_bench.report.in_the_table import why_not_in_table
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import is_confirmation
from dta_bench.spec.train_command import search_space_of
from dta_bench.tracking import CHOSEN_BY, TrackedRun, Tracker, class_record, run_link, standing_runs

PARTS = ("test", "validation", "source_validation", "whole")
OTHER_CURVES = (IN_USE, "target_train/entropy")
MEASURING = ("measure_every", "survey")
"""Settings that decide what is measured when, and nothing of the training."""
NOTES = ("device", "commit", "recipe", "command")


def describe_run(tracker: Tracker, run: TrackedRun, benchmark: Benchmark, out: Path, command: str) -> OneRun:
    """All that a store knows of one run.

    Args:
        out: the folder of reports.
        command: that trains it again.
    """
    spec, metric = run.spec, benchmark.headline
    space, _ = search_space_of(spec, benchmark.task)
    curves, lost = _curves(tracker, run, metric), nearly_lost(run)
    classes, confusion = tracker.class_curves(run), _confusion(tracker, run)
    page = out / "reports" / spec.benchmark / "report.html"
    return OneRun(
        run_id=run.run_id, mlflow_run_id=run.mlflow_run_id, name=run.name, benchmark=spec.benchmark,
        method=spec.method, backbone=spec.backbone, weights=spec.weights, seed=spec.seed,
        status=run.state, what=_what(tracker, run),
        chosen_by=sorted(tag.removeprefix(CHOSEN_BY) for tag in run.tags if tag.startswith(CHOSEN_BY)),
        reason=run.tags.get("reason", ""), collapsed=run.tags.get("collapsed") == "true",
        params=_changed_params(spec), training=_changed_training(spec, benchmark), search_space=space,
        metric=metric, scores=_scores(run), per_class=_per_class(run), lost_classes=lost,
        worst_taken_for=_taken(confusion, _worst(run)),
        lost_since=lost_since(classes, lost) if classes else {}, lost_taken_for=_taken(confusion, lost),
        falls=falls(classes, confusion) if classes else None,
        poor_classes=poor_classes(classes, confusion) if classes else [],
        measure_every=spec.training.measure_every,
        class_epochs=sorted({row.epoch for row in classes.rows}) if classes else [],
        files=_files(tracker, run),
        few_classes_from=few_classes_from(curves.get(IN_USE), benchmark),
        curves=curves, other_seeds=_other_seeds(tracker, run, metric),
        measured_otherwise=_measured_otherwise(tracker, run),
        not_in_report=[] if run.status != "FINISHED" else why_not_in_table(tracker, spec.benchmark, [run.run_id]),
        page=str(page) if page.is_file() else None,
        link=run_link(tracker.uri, run.experiment_id, run.mlflow_run_id),
        notes={key: run.tags[key] for key in NOTES if run.tags.get(key)},
        command=command,
    )  # fmt: skip


def _what(tracker: Tracker, run: TrackedRun) -> str:
    if is_confirmation(run.spec.seed):
        return "confirmation of a choice, on a fresh seed"
    sweep = tracker.sweeps(run.spec.benchmark).get(run.parent)
    return f"search of the sweep {sweep}" if sweep else "a training by itself, in no sweep"


def _changed_params(spec: RunSpec) -> dict[str, Changed]:
    """Parameters that are not the method's defaults; all of them where the method's file is gone."""
    try:
        defaults = declared_method(spec.method).defaults()
    except UserError:
        defaults = {}
    missing = object()
    return {
        name: Changed(value=value, default=defaults.get(name))
        for name, value in spec.params.items()
        if defaults.get(name, missing) != value
    }


def _changed_training(spec: RunSpec, benchmark: Benchmark) -> dict[str, Changed]:
    """Settings that are not those of the benchmark's search space."""
    of_space = search_space_of(spec, benchmark.task)[1].training.model_dump(mode="json")
    ours = spec.training.model_dump(mode="json")
    found = {name: Changed(value=value, default=of_space[name]) for name, value in ours.items()}
    return {name: one for name, one in found.items() if one.value != one.default}


def _scores(run: TrackedRun) -> dict[str, dict[str, float]]:
    found = {
        part: {key: run.metrics[f"{part}/{key}"] for key in METRICS if f"{part}/{key}" in run.metrics} for part in PARTS
    }
    return {part: scores for part, scores in found.items() if scores}


def _per_class(run: TrackedRun) -> dict[str, float]:
    prefix = "test/class/"
    return {key.removeprefix(prefix): value for key, value in run.metrics.items() if key.startswith(prefix)}


def _worst(run: TrackedRun) -> list[str]:
    """The three classes with the lowest score on target test."""
    by_class = _per_class(run)
    return sorted(by_class, key=by_class.__getitem__)[:3]


def nearly_lost(run: TrackedRun) -> list[str]:
    """Classes that a finished run has nearly lost on target test."""
    if run.status != "FINISHED":
        return []
    return StoredRun(run, lambda _: {}).lost_classes


def _confusion(tracker: Tracker, run: TrackedRun) -> ConfusionMatrix | None:
    return confusion_of(tracker, [run]) if tracker.has_file(run, class_record.CONFUSION) else None


def _taken(confusion: ConfusionMatrix | None, names: Sequence[str]) -> dict[str, tuple[str, float]]:
    found = {name: taken_on_test(confusion, name) for name in names}
    return {name: (to, share) for name, (to, share) in found.items() if share is not None}


def _files(tracker: Tracker, run: TrackedRun) -> dict[str, str]:
    """What tells more of classes, and where it lies: a path of this machine, or an address in the store."""
    parts = urlsplit(run.artifact_uri)
    folder = (url2pathname(parts.path) if parts.scheme == "file" else run.artifact_uri).rstrip("/")
    names = (class_record.CONFUSION, class_record.FILE)
    return {name: f"{folder}/{name}" for name in names if tracker.has_file(run, name)}


def _curves(tracker: Tracker, run: TrackedRun, metric: str) -> dict[str, Curve]:
    """The parts of the loss, the scores after each epoch, and what target train's predictions tell."""
    losses = sorted((key for key in run.metrics if key.startswith("loss/")), key=lambda key: (key != "loss/total", key))
    wanted = [*losses, f"validation/{metric}", f"source_validation/{metric}", *OTHER_CURVES]
    stored = tracker.history(run, [key for key in wanted if key in run.metrics])
    return {key: finite(*history) for key, history in stored.items()}


def _other_seeds(tracker: Tracker, run: TrackedRun, metric: str) -> list[OtherSeed]:
    """Runs of the same configuration, by seed."""
    standing = standing_runs(tracker.runs(run.spec.benchmark))[0]
    alike = [one for one in standing if _with_seed(one.spec, run.spec.seed) == run.spec and one.run_id != run.run_id]
    return [
        OtherSeed(
            run_id=one.run_id, seed=one.spec.seed, status=one.state, test=one.metrics.get(f"test/{metric}"),
            collapsed=one.tags.get("collapsed") == "true",
        )
        for one in sorted(alike, key=lambda one: one.spec.seed)
    ]  # fmt: skip


def _measured_otherwise(tracker: Tracker, run: TrackedRun) -> dict[str, dict[str, int | None]]:
    """Identity → the settings of measuring in which a run differs that is this one otherwise."""
    others = [one for one in standing_runs(tracker.runs(run.spec.benchmark))[0] if one.run_id != run.run_id]
    training = run.spec.training
    return {
        one.run_id: {name: value for name, value in _measuring(one.spec).items() if value != getattr(training, name)}
        for one in others
        if one.spec == dataclasses.replace(run.spec, training=training.model_copy(update=_measuring(one.spec)))
    }


def _measuring(spec: RunSpec) -> dict[str, int | None]:
    return {name: getattr(spec.training, name) for name in MEASURING}


def _with_seed(spec: RunSpec, seed: int) -> Any:
    return dataclasses.replace(spec, seed=seed)
