"""The model card of a network, for people: what it is, what it was trained on, how good it is, what it is not for."""

from __future__ import annotations

from functools import partial

import numpy as np

from dta_bench.data.augment import evaluation_size
from dta_bench.report.configurations import StoredRun
from dta_bench.report.statistics.map_outcomes import MapOutcomes
from dta_bench.report.statistics.outcomes import influences, outcomes
from dta_bench.run.network_card import NetworkCard
from dta_bench.spec.spelling import spell_metric, spell_value
from dta_bench.tracking import CHOSEN_BY, TrackedRun, Tracker

STANDARDISED = {
    "per_sample": "each image by its own mean and deviation over all pixels and channels",
    "imagenet": "by the channel means {mean} and deviations {std}, for pixel values from 0 to 1",
}


def model_card(card: NetworkCard, scores: list[str], how: str) -> str:
    """The card as Markdown.

    Args:
        scores: of the run, a sentence each; see :func:`scores_of`.
        how: how the run was chosen, in words.
    """
    spec, benchmark = card.run_spec, card.benchmark
    params = ", ".join(f"{name}={spell_value(value)}" for name, value in spec.params.items()) or "none"
    window = spec.training.window
    view = f"predicted in windows of {window[0]} x {window[1]}" if window else "predicted whole"
    height, width = evaluation_size(benchmark.augmentation, benchmark.image_size)
    if (height, width) != benchmark.image_size:
        view = "of which the middle {} x {} is predicted".format(*benchmark.image_size)
    sections = {
        f"{spec.method} on {spec.backbone}, {benchmark.name}": [
            f"Run {spec.id}, seed {spec.seed}; {how}.",
            f"It predicts {'a class for each pixel' if benchmark.task == 'segmentation' else 'one class per image'}: "
            f"{', '.join(benchmark.classes)}.",
        ],
        "Input": [
            f"Images are resized to {height} x {width} pixels (height x width), {card.channels} channels, "
            f"{view}. They are standardised {_standardised(card)}.",
            "`dta-bench predict` and `dta_bench.load` do all of this; other programs have to do it themselves.",
        ],
        "Trained on": [
            f"Labelled images of {benchmark.source}, and images of {benchmark.target} without their labels; "
            f"{spec.training.epochs} epochs; parameters of the method: {params}; pretrained weights: {spec.weights}.",
            *(f"{name}: {value}" for name, value in sorted(card.provenance.items()) if name in SHOWN),
        ],
        "Scores": scores or ["Not known here: the run is not in this store."],
        "Licence and use": [
            "The licence of the data, and of pretrained weights, is not known to this program; both may restrict the "
            "use of the network.",
            "It is not to be used for decisions about people, nor where nobody checks its predictions: it was chosen "
            f"for {benchmark.target}, and says nothing of other images. It knows no class but those above, and gives "
            "one of them to every image.",
        ],
    }  # fmt: skip
    parts = [f"{'##' if number else '#'} {title}\n\n" + "\n\n".join(lines) for number, (title, lines) in
             enumerate(sections.items())]  # fmt: skip
    return "\n\n".join(parts) + "\n"


SHOWN = ("commit", "data_fingerprint", "code_fingerprint", "weights_fingerprint", "command")


def _standardised(card: NetworkCard) -> str:
    means = {"mean": list(card.normalisation.mean), "std": list(card.normalisation.std)}
    return STANDARDISED[card.benchmark.standardisation].format(**means)


def how_chosen(run: TrackedRun | None) -> str:
    """Which rules chose a run's configuration, each in the last report by it."""
    if run is None:
        return "a file does not say whether a report chose it"
    rules = sorted(tag.removeprefix(CHOSEN_BY) for tag in run.tags if tag.startswith(CHOSEN_BY))
    if not rules:
        return "no report has chosen it"
    return f"chosen by {' and by '.join(f'rule {rule}' for rule in rules)}, in the last report by it"


def scores_of(tracker: Tracker, run: TrackedRun) -> list[str]:
    """The run's scores, each in a sentence; on target test with a 95 % interval over its images."""
    stored = StoredRun(run, partial(tracker.predictions, run))
    names = {"test": "target test", "validation": "the labelled subset, which may have chosen it",
             "source_validation": "held-out source"}  # fmt: skip
    found = []
    for part, name in names.items():
        for metric in stored.metrics if stored.has(part) else ():
            ends = _interval(stored, metric) if part == "test" else ""
            found.append(f"{spell_metric(metric)} on {name}: {stored.score(part, metric):.1f} %{ends}")
    if stored.has("test"):
        calibration = stored.test_calibration
        if calibration is not None:
            found.append(f"expected calibration error on target test: {calibration.error:.1f} %")
    else:
        found.append("No labelled target test is there: nothing says how good it is on the target.")
    return found


def _interval(run: StoredRun, metric: str) -> str:
    """The interval of one seed over new images, by the images' influences on its score."""
    is_map = "miou" in run.metrics
    measured = MapOutcomes(np.stack([run.test_counts])) if is_map else outcomes([run.test_correct], run.test_labels)
    moves = influences(measured, metric)[0]
    score, half = run.score("test", metric), 1.96 * float(np.sqrt(np.square(moves).mean() / len(moves)))
    low, high = max(0.0, score - half), min(100.0, score + half)
    return f" (95 % interval over images, one seed: {low:.1f} to {high:.1f})"
