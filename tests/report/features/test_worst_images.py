"""The worst images: wrong ones only, the surest first, a few of each class."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report import command
from dta_bench.report.features.worst_images import worst
from dta_bench.run.workspace import Workspace


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 60), st.integers(1, 5))
def test_only_wrong_images_are_shown_each_class_by_how_sure_the_mistake_is(
    seed: int, classes: int, images: int, of_each: int
) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.standard_normal((images, classes)), rng.integers(0, classes, images)
    chosen = worst(logits, labels, of_each)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    guesses, sure = shares.argmax(axis=1), shares.max(axis=1)
    assert all(guesses[i] != labels[i] for i in chosen)
    for k in range(classes):
        own = [i for i in chosen if labels[i] == k]
        others = [i for i in np.flatnonzero((labels == k) & (guesses != k)) if i not in own]
        assert len(own) == min(of_each, len(own) + len(others))
        assert [sure[i] for i in own] == sorted((sure[i] for i in own), reverse=True)
        assert not others or min(sure[i] for i in own) >= max(sure[i] for i in others)


def test_images_of_another_target_test_are_refused(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "data"), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("dta"), 0.6)
    with pytest.raises(UserError, match="--images: target test is not the one on which dta seed=0 was measured"):
        command.report_runs("fonts_digits", None, workspace, images=True)
