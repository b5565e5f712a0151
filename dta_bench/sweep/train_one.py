"""``dta-bench train``: one configuration, trained here without Ray, tracked like any other run."""

from __future__ import annotations

import dataclasses
import signal
from typing import Any

import yaml
from pydantic import ValidationError
from rich.console import Console

from dta_bench.data import load
from dta_bench.errors import Interrupted, UserError
from dta_bench.report.in_the_table import why_not_in_table
from dta_bench.run import execute, network_file
from dta_bench.run.execute import RunLabel
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import Resolved, resolve
from dta_bench.run.workspace import KEEP_TAG, Workspace
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.spec.search_space import Point
from dta_bench.spec.seeds import FIRST_CONFIRMATION_SEED, is_confirmation
from dta_bench.spec.spelling import spell_metric
from dta_bench.spec.yaml_file import suggestion
from dta_bench.sweep import other_sweeps
from dta_bench.sweep.done_runs import state_today
from dta_bench.sweep.folder_lock import lock_folder
from dta_bench.sweep.print_state import notes_on_old_scheme, print_notes, print_notes_on_files, print_superseded
from dta_bench.tracking import TrackedRun, Tracker, run_link, standing_runs
from dta_bench.tracking.ui_metadata import rounded


def train_one(
    plan: Plan, settings: list[str], seed: int, workspace: Workspace, console: Console, repeats: str = ""
) -> dict[str, Any]:
    """Train the plan's first point with some parameters changed, unless that run is done.

    Args:
        settings: parameters as ``key=value``.
        seed: of the run.
        repeats: the identity that the run must have, or one that differs in ``measure_every`` alone; empty for any.

    Returns:
        What ``--json`` prints.

    Raises:
        UserError: an unknown parameter or value, a seed of confirmation runs for a run that repeats none, another run
            than the one to repeat, missing data, a run that diverged, now or
            before, or another command that trains in the same folder, or elsewhere on the same run.
        Interrupted: Ctrl-C or SIGTERM; the checkpoint is kept.
    """
    spec = _spec_with_settings(plan, settings, seed)
    if repeats and repeats not in ids_of_same_numbers(spec):
        raise UserError(
            f"these options make the run {spec.id}, and --repeats asks for {repeats}; dta-bench runs {repeats} prints"
            " the command that makes it"
        )
    if (
        is_confirmation(seed)
        and not repeats
        and not any(run.run_id == spec.id for run in workspace.tracker().runs(spec.benchmark))
    ):
        raise UserError(
            f"--seed {seed} is for confirmation runs, which sweep --confirm makes of what it has chosen; allowed: 0 to"
            f" {FIRST_CONFIRMATION_SEED - 1}, and with --repeats ID a confirmation run that there was before"
        )
    if (devices := spec.training.devices) > 1:
        raise UserError(f"a run on {devices} devices needs Ray, which train leaves alone; use sweep --points 1")
    # Refuse bad data before anything is written.
    resolved = resolve(spec, workspace.root, workspace.skip_unreadable)
    print_notes_on_files(load.check_files(resolved.benchmark, workspace.root, workspace.skip_unreadable), console)
    with lock_folder(workspace):
        tracker = workspace.tracker()
        tracker.check()
        other_sweeps.refuse_claimed_runs(spec.benchmark, {spec.id}, workspace, tracker, console)
        state = state_today(plan, [spec], workspace, tracker)
        print_notes(notes_on_old_scheme(state, workspace), console)
        if state.done and not _lacks_wanted_network(spec, workspace, tracker, console):
            return _show_again(spec, tracker, console) | _where(_standing(spec, tracker), tracker)
        if state.diverged:
            raise UserError(f"{plan.run_name(spec)} is not tried again, it diverged on this data and code")
        tracker.adopt(tracker.runs(spec.benchmark))
        for stale, changes in state.stale:
            print_superseded(console, stale.name, changes)
            tracker.supersede(stale.mlflow_run_id)
        tracker.experiment(resolved.benchmark)
        parent = tracker.parent_of_trainings(spec.benchmark)
        with other_sweeps.claim_runs(spec.benchmark, {spec.id}, workspace, tracker, parent):
            trained = _train(plan, resolved, workspace, console)
        return trained | _where(_standing(spec, tracker), tracker)


def _train(plan: Plan, resolved: Resolved, workspace: Workspace, console: Console) -> dict[str, Any]:
    spec = resolved.spec
    stop = StopRequest()
    signal.signal(signal.SIGTERM, lambda *_: setattr(stop, "requested", True))
    signal.signal(signal.SIGINT, lambda *_: setattr(stop, "requested", True))

    headline = resolved.benchmark.headline
    part, where = ("validation", "the labelled subset")
    if resolved.splits.target_validation is None:
        part, where = ("source_validation", "held-out source images")

    def print_epoch(epoch: int, metrics: dict[str, float]) -> None:
        line = "one measurement, nothing is trained"
        if (loss := metrics.get("loss/total")) is not None:
            line = f"epoch {epoch}/{spec.training.epochs}  loss {loss:.3f}"
        if (score := metrics.get(f"{part}/{headline}")) is not None:
            line += f"  {spell_metric(headline)} on {where} {score:.1f} %"
        console.print(line, highlight=False)

    label = RunLabel(None, plan.run_name(spec), frozenset(plan.space(spec.method).inert(spec.params)))
    outcome = execute.execute(resolved, workspace, label, stop, print_epoch)
    if outcome.status == "stopped":
        raise Interrupted
    if outcome.result is None:
        raise UserError(f"the run failed: {outcome.reason}")
    return _as_json(spec, label.name, outcome.result)


def _lacks_wanted_network(spec: RunSpec, workspace: Workspace, tracker: Tracker, console: Console) -> bool:
    """Whether a run that is done has to be trained again for its network; one that it has is kept from now on."""
    if workspace.keep_networks != "all":
        return False
    found = _standing(spec, tracker)
    if tracker.has_file(found, network_file.NAME) or (
        tracker.has_file(found, network_file.NAME_BEFORE) and network_file.predictor_is_enough(spec)
    ):
        tracker.tag(found, KEEP_TAG, "all")
        return False
    console.print(
        f"{found.name} is done, but kept no network: it is trained again, and its results are stored again with it",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    return True


def _where(run: TrackedRun, tracker: Tracker) -> dict[str, Any]:
    """Where MLflow has the run, and what keeps it out of the report's table; nothing if it is in it."""
    return {
        "not_in_report": why_not_in_table(tracker, run.spec.benchmark, [run.run_id]),
        "mlflow_run_id": run.mlflow_run_id, "link": run_link(tracker.uri, run.experiment_id, run.mlflow_run_id),
        "has_network": tracker.has_file(run, network_file.NAME),
    }  # fmt: skip


def _standing(spec: RunSpec, tracker: Tracker) -> TrackedRun:
    (found,) = (run for run in standing_runs(tracker.runs(spec.benchmark))[0] if run.run_id == spec.id)
    return found


def _show_again(spec: RunSpec, tracker: Tracker, console: Console) -> dict[str, Any]:
    """What ``--json`` prints of a run that is done: its stored scores; ``done_before`` is true."""
    found = _standing(spec, tracker)
    console.print(f"{found.name} is done; its result is shown again, nothing is trained", highlight=False)
    return {
        "run_id": spec.id, "name": found.name, "spec": spec.to_dict(),
        "test": _means(found, "test") | {"per_class": _per_class(found)} if _means(found, "test") else None,
        "validation": _means(found, "validation") or None,
        "source_validation": _means(found, "source_validation"),
        "collapsed": found.tags.get("collapsed") == "true", "seconds": found.metrics.get("seconds"),
        "done_before": True,
    }  # fmt: skip


def _means(found: TrackedRun, part: str) -> dict[str, Any]:
    names = ("accuracy", "mean_class_accuracy", "miou")
    return {name: found.metrics[f"{part}/{name}"] for name in names if f"{part}/{name}" in found.metrics}


def _per_class(found: TrackedRun) -> dict[str, float]:
    prefix = "test/class/"
    return {key.removeprefix(prefix): value for key, value in found.metrics.items() if key.startswith(prefix)}


def ids_of_same_numbers(spec: RunSpec) -> set[str]:
    """The identities of runs that end with the numbers of this one: how often a run is measured changes none."""
    often = [spec.training.model_copy(update={"measure_every": n + 1}) for n in range(spec.training.epochs)]
    return {dataclasses.replace(spec, training=training).id for training in often}


def _spec_with_settings(plan: Plan, settings: list[str], seed: int) -> RunSpec:
    backbone, method = plan.backbones[0], plan.methods[0]
    if plan.method_plugins[method].by_prompts and seed:
        raise UserError(f"--seed {seed} would give the numbers of seed 0, as {method} trains nothing; leave it out")
    defaults = plan.params(backbone, method, {})
    given = dict(_parse_setting(setting, defaults) for setting in settings)
    try:
        plan.method_plugins[method].params(defaults | given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"--set {where}={first['input']} is not allowed: {first['msg']}") from error
    return plan.spec(backbone, method, seed, given)


def _parse_setting(setting: str, defaults: Point) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or key not in defaults:
        raise UserError(
            f"--set {setting} is not understood{suggestion(key, defaults)}; it takes key=value with a key of"
            f" {', '.join(defaults)}"
        )
    kind = type(defaults[key])
    if kind is str:  # as typed: a template may hold what means something else in YAML
        return key, text
    value = yaml.safe_load(text)
    try:
        return key, float(text) if kind in (int, float) else kind(value)
    except ValueError as error:
        raise UserError(f"--set {key}={text} is not a value of {key}; it takes a {kind.__name__}") from error


def _as_stored(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores, and those of classes, as the store has them, so that a run that is done shows the same figures."""
    return {
        name: _as_stored(value) if isinstance(value, dict) else rounded(value) if isinstance(value, float) else value
        for name, value in scores.items()
    }


def _as_json(spec: RunSpec, name: str, result: RunResult) -> dict[str, Any]:
    return {
        "run_id": spec.id, "name": name, "spec": spec.to_dict(),
        "test": None if result.test is None else _as_stored(result.test.to_dict()),
        "validation": None if result.validation is None else _as_stored(result.validation.to_dict()),
        "source_validation": _as_stored(result.source_validation.to_dict()),
        "collapsed": result.collapsed, "seconds": dataclasses.asdict(result)["seconds"], "done_before": False,
    }  # fmt: skip
