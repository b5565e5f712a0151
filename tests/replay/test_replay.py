"""Searches replayed on a grid: what is spent, what is chosen, and that partial scores are never final ones."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dta_bench.errors import UserError
from dta_bench.replay.grid import Grid, GridPoint, GridRun, read_grid, shipped_grid
from dta_bench.replay.replay_grid import choices_of_labels, collapse_stops, replay_grid
from dta_bench.replay.search import SearchSetting, follow, replay_search
from dta_bench.report.document.replay import CollapseStops
from dta_bench.spec import search_space_file
from dta_bench.sweep.stop_rules import stop_rules

EPOCHS = 10


def run_of(seed: int, final: float, test: float, classes: float = 10, early: float | None = None) -> GridRun:
    """A curve that climbs to ``final`` in a straight line, or stays at ``early`` until its last epoch."""
    labels = [final * e / EPOCHS for e in range(1, EPOCHS + 1)]
    if early is not None:
        labels = [early] * (EPOCHS - 1) + [final]
    flat = {name: [0.5] * EPOCHS for name in ("source", "entropy", "information", "bnm", "snd")}
    curves = flat | {"labels": labels, "classes_in_use": [classes] * EPOCHS}
    return GridRun(seed=seed, curves=curves, final={}, test={"accuracy": test}, seconds=1.0)


def grid_of(scores: list[tuple[float, float]], **others: float) -> Grid:
    """Points x = 0, 1, ... with (subset score, test score), two seeds each."""
    points = [
        GridPoint(params={"x": i}, runs=[run_of(seed, labels, test, **others) for seed in (0, 1)])
        for i, (labels, test) in enumerate(scores)
    ]
    return Grid(
        name="toy", benchmark="fonts_digits", method="dta", backbone="conv3_tiny", headline="accuracy", classes=10,
        epochs=EPOCHS, labels=100, sets={"x": list(range(len(scores)))}, active_when={}, first={"x": 0},
        points=points, made={},
    )  # fmt: skip


SCORES = [(50.0, 60.0), (70.0, 75.0), (80.0, 72.0), (60.0, 80.0)]


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_a_search_to_its_end_chooses_what_the_complete_grid_chooses(kind: str) -> None:
    toy = grid_of(SCORES)
    *_, (spent, chosen) = replay_search(toy, SearchSetting(kind), seed=0, budget=10**6)
    assert spent == toy.total_epochs() == 4 * 2 * EPOCHS
    assert chosen is toy.points[2]
    assert choices_of_labels(toy) == [toy.points[2]]


def test_a_stopped_point_is_charged_for_its_epochs_and_never_chosen() -> None:
    """The point with the best early scores is bad in the end; stopped by collapse, it must not be chosen."""
    toy = grid_of(SCORES)
    collapsed = GridPoint(params={"x": 3}, runs=[run_of(0, 95.0, 10.0, classes=2, early=99.0)] * 2)
    toy = toy.model_copy(update={"points": [*toy.points[:3], collapsed]})
    *_, (spent, chosen) = replay_search(toy, SearchSetting("grid", ("collapse",)), seed=0, budget=10**6)
    assert spent == 3 * 2 * EPOCHS + 3  # grace is 3 of 10 epochs; the other seed is not started
    assert chosen is toy.points[2]


def test_asha_spends_less_than_no_stopping() -> None:
    toy = grid_of([(s, s) for s in np.linspace(90, 20, 12)])
    *_, (spent, chosen) = replay_search(toy, SearchSetting("grid", ("asha",)), seed=0, budget=10**6)
    assert spent < toy.total_epochs()
    assert chosen is toy.points[0]


def test_a_run_that_is_never_stopped_is_followed_to_its_end() -> None:
    toy = grid_of(SCORES)
    found = follow(toy, toy.points[1], stop_rules(("asha", "collapse"), EPOCHS, 10))
    assert (found.epochs, found.score, found.stopped) == (2 * EPOCHS, 70.0, "")


def test_mean_regret_without_stopping_is_that_over_all_orders() -> None:
    """A random search that has seen k points after the first chooses the best of them by labels."""
    toy = grid_of(SCORES)
    found = replay_grid(toy, repetitions=400, share=1.0, settings=[SearchSetting("random")])
    row = found.replay[0]
    after_two = row.regret[row.epochs.index(2 * 2 * EPOCHS)]
    orders = [(0, *rest) for rest in itertools.permutations((1, 2, 3))]
    regrets = [80 - SCORES[max(order[:2], key=lambda i: SCORES[i][0])][1] for order in orders]
    assert after_two == pytest.approx(np.mean(regrets), abs=0.5)
    assert row.regret[-1] == pytest.approx(80 - 72)
    assert row.regret_to_grid[-1] == pytest.approx(0)
    assert found.regret_of_the_complete_grid == pytest.approx(8)


def test_collapse_stopping_says_how_many_of_the_ten_best_it_would_stop() -> None:
    toy = grid_of(SCORES)
    worst = GridPoint(params={"x": 0}, runs=[run_of(seed, 5.0, 9.0, classes=1) for seed in (0, 1)])
    toy = toy.model_copy(update={"points": [worst, *toy.points[1:]]})
    assert collapse_stops(toy) == CollapseStops(runs=8, stopped=2, stopped_of_the_ten_best=2, best_rank_stopped=7)


def test_a_grid_is_kept_byte_for_byte_and_read_back(tmp_path: Path) -> None:
    toy = grid_of(SCORES)
    toy.write(tmp_path / "a.json.gz")
    read_grid(tmp_path / "a.json.gz").write(tmp_path / "b.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    assert read_grid(tmp_path / "a.json.gz") == toy


def test_what_is_no_grid_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(b"no")
    with pytest.raises(UserError, match="is no table of a grid"):
        read_grid(tmp_path / "x.json.gz")
    with pytest.raises(UserError, match="No such file"):
        read_grid(tmp_path / "y.json.gz")


def test_the_command_replays_every_search_and_keeps_json_and_plot(tmp_path: Path) -> None:
    grid_of(SCORES).write(tmp_path / "toy.json.gz")
    command = [sys.executable, "-m", "dta_bench", "replay", "toy", "--table", "toy.json.gz", "--repetitions", "3"]
    shown = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(shown.stdout)
    assert len(found["replay"]) == 12
    assert {"search", "epochs", "regret"} <= found["replay"][0].keys()
    assert json.loads((tmp_path / "reports" / "toy" / "replay.json").read_text()) == found
    assert "<svg" in (tmp_path / "reports" / "toy" / "replay.svg").read_text()
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "The rule labels, with its 100 labels, loses 8.00 points" in " ".join(shown.stdout.split())


def test_the_shipped_grid_is_the_complete_grid_of_its_search_space() -> None:
    file = search_space_file.read("grid_fonts_digits")
    shipped = read_grid(shipped_grid("grid_fonts_digits"))
    assert [point.params for point in shipped.points] == file.space(set(file.sets)).points()
    assert len(shipped.points) == 120
    assert all([run.seed for run in point.runs] == [0, 1] for point in shipped.points)
    assert all(len(curve) == shipped.epochs for p in shipped.points for r in p.runs for curve in r.curves.values())
