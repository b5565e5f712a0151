"""Every shipped search space: readable, runnable in principle, and open about what it reproduces."""

import dataclasses
from pathlib import Path

import optuna
import pytest

from dta_bench import plugins
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options
from dta_bench.spec.search_space import SearchSpace
from dta_bench.spec.search_space_file import SearchSpaceFile
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.on_ray.tune_space import SweepSpace, point_of

FOLDER = Path(__file__).parents[2] / "search_spaces"
SWEEPS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "paper_sets")
every_sweep = pytest.mark.parametrize("name", SWEEPS)


def space_of(file: SearchSpaceFile, method: str) -> SearchSpace:
    return file.space({field.name for field in dataclasses.fields(plugins.load("method", method).Params)})


@every_sweep
def test_it_is_found_by_its_name_and_reads_without_an_error(name: str) -> None:
    assert name in plugins.names("search_space")
    assert search_space_file.read(FOLDER / f"{name}.yaml") == search_space_file.read(name)


@every_sweep
def test_it_opens_with_what_it_reproduces_and_its_command(name: str) -> None:
    first, second, *_ = (FOLDER / f"{name}.yaml").read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    assert second.startswith(f"#   dta-bench sweep {name}")


@every_sweep
def test_its_backbones_are_there_and_do_its_benchmarks_task(name: str) -> None:
    file = search_space_file.read(FOLDER / f"{name}.yaml")
    task = plugins.load("benchmark", file.benchmark).BENCHMARK.task
    assert {plugins.load("backbone", backbone).task for backbone in file.backbones} == {task}


@every_sweep
def test_each_row_is_one_of_the_points_of_its_space(name: str) -> None:
    file = search_space_file.read(FOLDER / f"{name}.yaml")
    space = space_of(file, file.method)
    for backbone in file.backbones:
        row = space.canonical(file.row(backbone))
        assert row in space.points()
        assert space.suggest(optuna.trial.FixedTrial(row)) == row


@every_sweep
def test_each_row_tells_every_parameter_of_the_paper(name: str) -> None:
    file = search_space_file.read(FOLDER / f"{name}.yaml")
    told = {"lambda_1", "lambda_2", "lambda_3", "delta_e", "delta_c", "ramp_up_epochs", "epsilon"}
    assert all(told <= file.row(backbone).keys() for backbone in file.backbones)


@every_sweep
def test_every_run_of_its_sweep_is_a_point_that_can_be_suggested(name: str) -> None:
    plan = make_plan(name, search_space_file.read(FOLDER / f"{name}.yaml"), Options())
    points = [point_of(plan, run) for run in plan.runs]
    assert len({tuple(sorted(point.items())) for point in points}) == len(plan.runs)
    for run, point in zip(plan.runs, points, strict=True):
        mine = {name.removeprefix(f"{run.method}."): value for name, value in point.items()}
        assert all(run.params[key] == value for key, value in mine.items() if key in run.params)


@every_sweep
def test_one_study_takes_every_method_of_its_task(name: str) -> None:
    file = search_space_file.read(FOLDER / f"{name}.yaml")
    plan = make_plan(name, file, Options(methods=("all",)))
    firsts = {run.method: run for run in reversed(plan.runs)}.values()
    space = SweepSpace.of(plan, tuple(firsts))
    study = optuna.create_study()
    for run in firsts:
        study.enqueue_trial(point_of(plan, run))
    for run in firsts:
        trial = study.ask()
        assert space(trial) == {"run": run.id}
        assert trial.params == point_of(plan, run)


@every_sweep
def test_a_method_without_parameters_has_a_single_point(name: str) -> None:
    assert space_of(search_space_file.read(FOLDER / f"{name}.yaml"), "source_only").points() == [{}]


@every_sweep
def test_what_it_asks_for_fits_into_its_space(name: str) -> None:
    file = search_space_file.read(FOLDER / f"{name}.yaml")
    assert file.points is None or file.points <= len(space_of(file, file.method).points())
