"""Stores for the pictures of pages: outcomes that are drawn, not trained, for pages with 6 and 25 methods.

What a page looks like with so many methods takes no training to see; nobody should read a result out of them, and their
pictures are named after what they show.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "helpers"))

from small_runs import spec_of  # noqa: E402

from dta_bench import plugins  # noqa: E402
from dta_bench.data.benchmark_plugin import benchmark_of  # noqa: E402
from dta_bench.evaluation import metrics  # noqa: E402
from dta_bench.report import command  # noqa: E402
from dta_bench.run.workspace import Workspace  # noqa: E402
from dta_bench.spec.run_spec import RunResult, RunSpec  # noqa: E402
from dta_bench.tracking import Tracker  # noqa: E402

BENCHMARK = benchmark_of("fonts_digits")
IMAGES, EPOCHS = 400, 12
DRAWN = "drawn"
"""The file in a store that says that all its runs are there."""
SIX = {"source_only": 0.62, "dta": 0.86, "mcc": 0.83, "shot": 0.8, "dann": 0.71, "coral": 0.66}


def twenty_five() -> dict[str, float]:
    """Source-only and 24 methods of classification, from 10 points below it to 25 above."""
    wanted = [
        name for name in plugins.names("method")
        if "classification" in (plugins.constant("method", name, "tasks") or ("classification",))
        and not name.startswith(("source", "target", "zero"))
    ][:24]  # fmt: skip
    return {"source_only": 0.62} | dict(zip(wanted, np.linspace(0.52, 0.87, len(wanted)).tolist(), strict=True))


def nothing() -> dict[str, float]:
    """Six methods that are equally good, so that no difference is shown."""
    return dict.fromkeys(SIX, 0.7)


def draw_store(folder: Path, rates: Mapping[str, float], noise: float) -> Path:
    """Make a store of runs with these rates of success, unless it is there; make its report anew.

    Args:
        rates: method → share of target test that is right, over classes and seeds.
        noise: standard deviation between seeds.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(str(folder / "data"), str(folder), f"sqlite:///{folder / 'mlflow.db'}")
    if not (folder / DRAWN).is_file():
        _draw_runs(workspace.tracker(), rates, noise)
        (folder / DRAWN).touch()
    return command.report_runs("fonts_digits", "labels", workspace).file


def _draw_runs(tracker: Tracker, rates: Mapping[str, float], noise: float) -> None:
    """Five seeds of each method, as one that chose it and confirmed it would have them."""
    tracker.check()
    tracker.experiment(BENCHMARK)
    rng = np.random.default_rng(4)
    for number, (method, rate) in enumerate(rates.items()):
        hard = 0.12 * np.sin(np.arange(len(BENCHMARK.classes)) + number)
        for seed in (0, 1, 1000, 1001, 1002):
            _finish(tracker, _spec(method, seed), rate + hard + noise * rng.standard_normal(), 8.0 * (1 + number % 7))


def _spec(method: str, seed: int) -> RunSpec:
    spec = spec_of(method, seed=seed, epochs=EPOCHS)
    return dataclasses.replace(spec, params={k: v for k, v in spec.params.items() if method != "source_only"})


def _finish(tracker: Tracker, spec: RunSpec, rates: np.ndarray, seconds: float) -> None:
    """Store one finished run with its curves; ``rates`` are the shares that are right, by class."""
    rng = np.random.default_rng(spec.seed)
    classes, labels = BENCHMARK.classes, np.arange(IMAGES) % len(BENCHMARK.classes)
    hardness = np.arange(IMAGES) / IMAGES + 0.05 * rng.standard_normal(IMAGES)
    guess = np.where(hardness < rates[labels], labels, (labels + 1 + labels % 3) % len(classes))
    sureness = 2 + 4 * rng.random((IMAGES, 1))
    logits = (sureness * np.eye(len(classes))[guess] + 0.3 * rng.standard_normal((IMAGES, len(classes)))).astype("f4")
    confusion = metrics.confusion_matrix(labels, logits.argmax(axis=1), len(classes))
    scored = metrics.scores(confusion, classes)
    log = tracker.open_run(spec, None, f"{spec.method} seed={spec.seed}", set(), {"data_fingerprint": "d"})
    for epoch in range(1, EPOCHS + 1):
        grown = 1 - np.exp(-epoch / 3)
        score = scored.accuracy * grown + rng.standard_normal()
        log.log_epoch(epoch, {
            "validation/accuracy": score, "source_validation/accuracy": 99 * grown, "loss/total": 2.3 * (1.02 - grown),
            "target_train/entropy": 2.3 - 2 * grown, "target_train/classes_in_use": len(classes),
        })  # fmt: skip
    arrays = {
        "target_test_logits": logits, "target_test_labels": labels, "target_train_logits": logits,
        "target_validation_ids": np.array(["a"]),
    }  # fmt: skip
    log.finish(RunResult(spec.id, scored, scored, scored, False, EPOCHS, seconds, 0.5), arrays, confusion, classes)
