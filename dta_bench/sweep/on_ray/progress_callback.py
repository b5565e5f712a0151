"""Tune's callback that shows a sweep's progress, notes why workers died, and lets go of networks that are beaten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dta_bench.errors import UserError
from dta_bench.spec.seeds import is_confirmation
from dta_bench.sweep.kept_networks import KeptNetworks
from dta_bench.sweep.on_ray.demand import Patience, describe_waiting, has_place, has_room
from dta_bench.sweep.on_ray.tune_space import RUN
from dta_bench.sweep.on_ray.worker_deaths import LostStarts, say_of_restart, why_it_died

if TYPE_CHECKING:
    from dta_bench.sweep.on_ray.cluster import Joined
    from dta_bench.sweep.on_ray.launch import Interrupt, Launch


def progress_callback(
    start: Launch, errors: dict[str, str], per_device: dict[str, float], joined: Joined, interrupt: Interrupt
) -> Any:
    """Make the callback; it feeds ``start.view``.

    Args:
        errors: filled in: identity → what the run failed of, or what its worker died of.
        per_device: Ray's resources of a run on one device, to be told when no run finds a place.
        joined: the cluster, whose watch of nodes that join may find that the sweep has to end.
        interrupt: told whether a run trains; where none does, there is nothing to save.
    """
    from ray import tune

    view, names = start.view, start.names()
    stopping = {run.id: share.work.early_stopping for share in start.shares for run in share.work.runs}
    kept = _kept_networks(start) if start.workspace.keep_networks == "chosen" else {}
    first = start.plan.methods[0]
    competing = {run.id for run in start.runs if run.method == first and not is_confirmation(run.seed)}

    patience, devices, lost_starts = Patience(), start.plan.training.devices, LostStarts()

    def is_starting(running: bool) -> bool:
        """Whether there is a place, and only processes have to start; replicas wait for theirs unseen by Tune."""
        return has_place(per_device) if devices == 1 else running and has_room(per_device, devices)

    class ShowProgress(tune.Callback):  # type: ignore[misc]
        def __reduce__(self) -> tuple[Any, ...]:
            return tune.Callback, ()  # Tune saves its callbacks; a screen cannot be saved

        def on_step_begin(self, *_: Any, trials: list[Any], **__: Any) -> None:
            if joined.late is not None and joined.late.in_vain:
                raise UserError(joined.late.in_vain)
            for sentence in lost_starts.give_back():
                view.note(sentence)
            states = {trial.status for trial in trials}
            interrupt.training = "RUNNING" in states
            if states <= {"TERMINATED", "ERROR"} or ("RUNNING" in states and devices == 1):
                patience.restart()
            elif patience.is_over() and not is_starting("RUNNING" in states):
                view.console.print(describe_waiting(per_device, devices), highlight=False, soft_wrap=True)

        def on_trial_result(self, *_: Any, result: dict[str, Any], **__: Any) -> None:
            run = result.get("run")
            if run is None:
                return
            if "outcome" not in result:
                view.epoch_done(names[run], result["epoch"])
                return
            if result["outcome"] == "failed":
                errors[run] = result["reason"]
            if result["outcome"] == "done" and run in kept:
                kept[run].run_ended(run, result["score"], result["mlflow_run_id"])
            view.run_ended(names[run], result["outcome"], result["score"], result["reason"], run in competing)

        def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
            run = trial.config[RUN]
            early = stopping[run].stopped.get(run)
            if early is not None and "outcome" not in (trial.last_result or {}):
                view.run_ended(names[run], "stopped", 0.0, early.reason)

        def on_trial_recover(self, *_: Any, trial: Any, **__: Any) -> None:
            view.note(say_of_restart(names[trial.config[RUN]], why_it_died(trial.error_file), trial.num_failures))

        def on_trial_error(self, *_: Any, trial: Any, **__: Any) -> None:
            run = trial.config[RUN]
            errors[run] = why_it_died(trial.error_file)
            view.run_ended(names[run], "failed", 0.0, errors[run])

    return ShowProgress()


def _kept_networks(start: Launch) -> dict[str, KeptNetworks]:
    """Identity → the networks kept of the plan that the run is of."""
    found, tracker = dict[str, KeptNetworks](), start.workspace.tracker()
    for share in start.shares:
        kept = KeptNetworks(share.plan, tracker)
        kept.show_earlier()
        found |= {run.id: kept for run in share.work.runs}
    return found
