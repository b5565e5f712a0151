"""A sweep keeps the networks of each method's best configuration, and lets go of the others."""

import dataclasses
from typing import Any

import pytest
from real_sweeps import run_json, tracked

from dta_bench.cli.arguments import options_of, parse_keep_networks
from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.kept_networks import KeptNetworks, beaten_runs, describe_sizes, expected_sizes
from dta_bench.tracking import TrackedRun


def plan_of(points: int = 3, seeds: int = 2) -> Plan:
    file = search_space_file.read("fonts_digits")
    return make_plan("fonts_digits", file, options_of(points=points, seeds=seeds, epochs=1))


class Store:
    """Finished runs, and the names of those that still have a network."""

    def __init__(self, plan: Plan, scores: dict[str, float], keep: str = "chosen") -> None:
        self.runs_in = [self._run(run, scores[run.id], keep) for run in plan.runs if run.id in scores]
        self.with_network = {run.mlflow_run_id for run in self.runs_in}

    def _run(self, spec: RunSpec, score: float, keep: str) -> TrackedRun:
        metrics = {f"validation/{metric}": score for metric in ("accuracy", "mean_class_accuracy")}
        return TrackedRun(
            f"m-{spec.id}", spec.id, "run", "FINISHED", spec, {"keep_networks": keep}, metrics, "1", "", spec.id
        )

    def runs(self, _: str) -> list[TrackedRun]:
        return self.runs_in

    def predictions(self, *_: Any) -> dict[str, Any]:
        return {}

    def remove_file(self, mlflow_run_id: str, name: str) -> bool:
        assert name == "network.safetensors"
        had = mlflow_run_id in self.with_network
        self.with_network.discard(mlflow_run_id)
        return had


def scores_of(plan: Plan, *by_configuration: float) -> dict[str, float]:
    """Scores by identity: one for each configuration of the method in the plan's order; source_only has 10."""
    order: dict[str, float] = {}
    found = {}
    for run in plan.runs:
        if run.method == "source_only":
            found[run.id] = 10.0
            continue
        key = str(run.params)
        if key not in order:
            order[key] = by_configuration[len(order)]
        found[run.id] = order[key] + run.seed
    return found


def configurations(plan: Plan) -> list[list[RunSpec]]:
    groups: dict[str, list[RunSpec]] = {}
    for run in plan.runs:
        groups.setdefault(f"{run.method} {run.params}", []).append(run)
    return sorted(groups.values(), key=lambda runs: runs[0].method)


def left_at_the_end(plan: Plan, scores: dict[str, float]) -> set[str]:
    """The runs whose networks are left after the last run."""
    store: Any = Store(plan, scores)
    KeptNetworks(plan, store).remove_others()
    return {name.removeprefix("m-") for name in store.with_network}


def test_the_best_of_each_method_is_kept_with_all_its_seeds() -> None:
    plan = plan_of()
    _, second, _, baseline = configurations(plan)
    assert left_at_the_end(plan, scores_of(plan, 50, 70, 60)) == {run.id for run in [*second, *baseline]}


def test_more_seeds_come_before_a_higher_score() -> None:
    plan = plan_of()
    scores = scores_of(plan, 50, 70, 60)
    _, second, third, baseline = configurations(plan)
    del scores[second[1].id]
    assert left_at_the_end(plan, scores) == {run.id for run in [*third, *baseline]}


def test_the_runs_that_confirm_the_choice_are_kept_and_those_of_an_earlier_choice_are_not() -> None:
    plan = dataclasses.replace(plan_of(), confirm=2)
    scores = scores_of(plan, 50, 70, 60)
    first, second, _, _ = configurations(plan)
    confirming = {c: [dataclasses.replace(runs[0], seed=1000 + i) for i in range(2)]
                  for c, runs in (("old", first), ("new", second))}  # fmt: skip
    store: Any = Store(plan, scores)
    more = Store(dataclasses.replace(plan, runs=(*confirming["old"], *confirming["new"])), dict.fromkeys(
        (run.id for runs in confirming.values() for run in runs), 1.0))  # fmt: skip
    store.runs_in += more.runs_in
    store.with_network |= more.with_network
    KeptNetworks(plan, store).remove_others()
    assert {f"m-{run.id}" for run in confirming["new"]} <= store.with_network
    assert not {f"m-{run.id}" for run in confirming["old"]} & store.with_network


def test_a_configuration_is_beaten_only_when_its_own_and_the_better_ones_seeds_are_all_done() -> None:
    plan = plan_of()
    scores = scores_of(plan, 50, 70, 60)
    first, second, third, _ = configurations(plan)
    partly = {run: score for run, score in scores.items() if run not in {second[1].id}}
    assert beaten_runs(plan, partly) == {run.id for run in first}
    assert beaten_runs(plan, scores) == {run.id for run in [*first, *third]}


def test_equals_are_kept_until_the_end() -> None:
    plan = plan_of()
    first, second, _, _ = configurations(plan)
    assert not {run.id for run in [*first, *second]} & beaten_runs(plan, scores_of(plan, 50, 50, 40))


def test_networks_go_while_the_sweep_works_and_after_its_last_run() -> None:
    plan = plan_of()
    scores = scores_of(plan, 50, 70, 60)
    store: Any = Store(plan, scores)
    kept = KeptNetworks(plan, store)
    for run in plan.runs:
        kept.run_ended(run.id, scores[run.id], f"m-{run.id}")
    _, second, _, baseline = configurations(plan)
    best = {f"m-{run.id}" for run in [*second, *baseline]}
    assert store.with_network == best
    store.with_network = {f"m-{run.id}" for run in plan.runs}
    kept.remove_others()
    assert store.with_network == best


def test_a_network_that_the_user_asked_for_stays() -> None:
    plan = plan_of()
    scores = scores_of(plan, 50, 70, 60)
    store: Any = Store(plan, scores, keep="all")
    everything = set(store.with_network)
    kept = KeptNetworks(plan, store)
    kept.show_earlier()
    kept.run_ended(plan.runs[0].id, 10.0, "")
    kept.remove_others()
    assert store.with_network == everything


def test_a_store_that_removes_nothing_loses_no_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    class Refusing(Store):
        def remove_file(self, mlflow_run_id: str, name: str) -> bool:
            raise NotImplementedError("no deletion here")

    plan = plan_of()
    store: Any = Refusing(plan, scores_of(plan, 50, 70, 60))
    kept = KeptNetworks(plan, store)
    kept.remove_others()
    kept.print_not_removed(Console(width=300))
    assert "4 networks that are not chosen stay in the store" in capsys.readouterr().out


def test_a_dry_run_tells_the_sizes() -> None:
    plan = plan_of()
    sizes = {keep: expected_sizes(plan, keep, ()) for keep in ("chosen", "all", "none")}  # type: ignore[arg-type]
    assert [sizes[keep]["networks"] for keep in ("chosen", "all", "none")] == [4, 8, 0]
    one = sizes["chosen"]["bytes_of_one"]["conv3_fc2"]
    assert sizes["chosen"]["bytes"] == 4 * one
    assert "4, about" in describe_sizes(sizes["chosen"])
    assert "no network is kept" in describe_sizes(sizes["none"])


def test_the_two_options_agree_or_are_refused() -> None:
    assert [parse_keep_networks(None, False), parse_keep_networks(None, True)] == ["chosen", "all"]
    assert parse_keep_networks("all", True) == "all"
    with pytest.raises(UserError, match="give one"):
        parse_keep_networks("none", True)
    with pytest.raises(UserError, match="it takes chosen, all, none"):
        parse_keep_networks("best", False)


@pytest.mark.slow  # two sweeps and a run on Ray, half a minute
def test_a_real_sweep_keeps_the_chosen_and_train_makes_another(tmp_path: Any) -> None:
    from dta_bench.report.predictions.stored_network import command_that_makes
    from dta_bench.run.workspace import Workspace

    small = ("--points", "2", "--seeds", "1", "--confirm", "0", "--epochs", "1")
    sweep = ("sweep", "fonts_digits", *small, "--out", str(tmp_path))
    run_json(*sweep, cwd=tmp_path)
    tracker = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()
    has = {run.run_id: tracker.has_file(run, "network.safetensors") for run in tracked(tmp_path)}
    by_method = {
        method: [has[run.run_id] for run in tracked(tmp_path) if run.spec.method == method]
        for method in ("dta_released", "source_only")
    }
    assert sorted(by_method["dta_released"]) == [False, True]
    assert by_method["source_only"] == [True]
    (lost,) = [run for run in tracked(tmp_path) if not has[run.run_id]]
    words = command_that_makes(Workspace(str(tmp_path / "data"), str(tmp_path), "sqlite:///x"), lost).split()
    keep = words[words.index("train") : words.index("--out")]
    found = run_json(*keep, "--out", str(tmp_path), cwd=tmp_path)
    assert found["run_id"] == lost.run_id
    assert not found["done_before"]
    again = next(run for run in tracked(tmp_path) if run.run_id == lost.run_id)
    assert tracker.has_file(again, "network.safetensors")
    run_json(*sweep, cwd=tmp_path)  # a later start leaves what the user asked for
    assert tracker.has_file(again, "network.safetensors")
