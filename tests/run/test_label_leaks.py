"""No label where none may be read: through whole runs, to the last bit of the weights and to what is selected."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.data.splits import split
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages
from dta_bench.evaluation import metrics
from dta_bench.run import train as training
from dta_bench.run.finish import finish
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import Run
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import LabelSubset

CPU = torch.device("cpu")
SUBSETS = [LabelSubset(size=40), LabelSubset(size=40, seed=3)]
METHODS = [
    name for name in plugins.names("method")
    if not method_plugin(name).uses_target_labels and not method_plugin(name).by_prompts
    and "classification" in method_plugin(name).tasks
]  # fmt: skip


def with_shuffled_labels(domains: Domains, subset: LabelSubset, seed: int = 0) -> Domains:
    """The same data with target train's labels shuffled everywhere outside the labelled subset."""
    train = domains.target_train
    chosen = set(split(domains, subset).target_validation.ids)
    outside = [i for i, name in enumerate(train.ids) if name not in chosen]
    labels = np.asarray(train.labels).copy()
    labels[outside] = np.random.default_rng(seed).permutation(labels[outside])
    assert (labels != np.asarray(train.labels))[outside].mean() > 0.5
    return dataclasses.replace(domains, target_train=LabelledImages(train.images, labels, train.ids))


def train_run(domains: Domains, benchmark: Benchmark, subset: LabelSubset, method: str = "dta", **params: float) -> Run:
    spec = dataclasses.replace(spec_of(method, epochs=1, **params), label_subset=subset)
    splits = split(domains, subset)
    first = training.train_first_stage(resolve_on(spec, benchmark, splits), Placement(CPU))
    return training.Run(resolve_on(spec, benchmark, splits), Placement(CPU), first).train_to_the_end()


def weight_bytes(run: Run) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in run.network.state_dict().items()}


@pytest.mark.parametrize("subset", SUBSETS)
def test_no_bit_of_the_weights_depends_on_a_target_label_outside_the_subset(
    subset: LabelSubset, small_digits: Domains, digits_benchmark: Benchmark
) -> None:
    vat = {"lambda_3": 0.1, "epsilon": 3.5}
    honest = train_run(small_digits, digits_benchmark, subset, **vat)
    shuffled = train_run(with_shuffled_labels(small_digits, subset), digits_benchmark, subset, **vat)
    assert weight_bytes(honest) == weight_bytes(shuffled)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_no_method_reads_a_target_label(method: str, small_digits: Domains, digits_benchmark: Benchmark) -> None:
    honest = train_run(small_digits, digits_benchmark, SUBSETS[0], method)
    shuffled = train_run(with_shuffled_labels(small_digits, SUBSETS[0]), digits_benchmark, SUBSETS[0], method)
    assert weight_bytes(honest) == weight_bytes(shuffled)


def test_what_is_selected_does_not_depend_on_a_target_label_outside_the_subset(
    small_digits: Domains, digits_benchmark: Benchmark
) -> None:
    subset = SUBSETS[0]
    candidates = [{"lambda_2": 0.0}, {"lambda_2": 0.02}]

    def chosen(domains: Domains) -> tuple[int, list[dict[str, float | None]]]:
        runs = [train_run(domains, digits_benchmark, subset, **params) for params in candidates]
        scores = [run.validation["validation"].scores for run in runs]
        return int(np.argmax([s.accuracy for s in scores])), [s.per_class for s in scores]

    assert chosen(small_digits) == chosen(with_shuffled_labels(small_digits, subset))


def test_a_stratified_draw_is_a_use_of_labels_that_is_counted_and_said(small_digits: Domains) -> None:
    stratified = LabelSubset(size=40, stratified=True)
    splits = split(small_digits, stratified)
    assert "stratified by class (itself a use of target labels)" in splits.notes["label_subset"]
    counts = np.bincount(np.asarray(splits.target_validation.labels), minlength=10)
    shares = (
        40 * np.bincount(np.asarray(small_digits.target_train.labels), minlength=10) / len(small_digits.target_train)
    )
    assert np.abs(counts - shares).max() < 1


def test_the_sets_that_training_gets_hold_no_label_of_target_train(small_digits: Domains) -> None:
    splits = split(small_digits, SUBSETS[0])
    assert type(splits.target_train) is UnlabelledImages
    assert {field.name for field in dataclasses.fields(splits.target_train)} == {"images", "ids"}
    assert len(splits.target_validation) == 40
    assert not set(splits.target_validation.ids) & set(splits.target_test.ids)


class Watched(LabelledImages):
    """A labelled set that notes when its labels are asked for."""

    moments: Counter[str]
    now: str

    def __getattribute__(self, name: str):  # type: ignore[no-untyped-def]
        if name == "labels":
            object.__getattribute__(self, "moments")[object.__getattribute__(self, "clock")()] += 1
        return object.__getattribute__(self, name)


def test_target_tests_labels_are_read_by_the_final_measurement_alone(
    small_digits: Domains, digits_benchmark: Benchmark
) -> None:
    splits = split(small_digits, SUBSETS[0])
    now, moments = ["training"], Counter[str]()
    test = splits.target_test
    watched = Watched(test.images, test.labels, test.ids)
    object.__setattr__(watched, "moments", moments)
    object.__setattr__(watched, "clock", lambda: now[0])
    run = training.Run(
        resolve_on(spec_of("dta", epochs=2), digits_benchmark, dataclasses.replace(splits, target_test=watched)),
        Placement(CPU),
    )
    moments.clear()  # making the set is no reading
    run.train_to_the_end()
    assert moments == Counter()
    now[0] = "the final measurement"
    finished = finish(run)
    assert set(moments) == {"the final measurement"}
    guesses = finished.arrays["target_test_logits"].argmax(axis=1)
    confusion = metrics.confusion_matrix(np.asarray(test.labels), guesses, 10)
    assert finished.result.test == metrics.scores(confusion, digits_benchmark.classes)


def test_where_the_subset_is_cut_out_of_target_test_the_whole_is_scored_beside(
    small_digits: Domains, digits_benchmark: Benchmark
) -> None:
    transductive = dataclasses.replace(small_digits, target_test=small_digits.target_train)
    run = train_run(transductive, digits_benchmark, SUBSETS[0], "source_only")
    result = finish(run).result
    assert result.whole is not None
    whole = run.evaluator.evaluate(small_digits.target_train).scores
    assert result.whole == whole
    complement = len(small_digits.target_train) - 40
    assert result.test.accuracy * complement + result.validation.accuracy * 40 == pytest.approx(
        whole.accuracy * (complement + 40)
    )
    assert finish(train_run(small_digits, digits_benchmark, SUBSETS[0], "source_only")).result.whole is None


def test_a_domain_to_tune_on_gives_the_subset_and_target_test_stays_whole(small_digits: Domains) -> None:
    tuned = dataclasses.replace(
        small_digits, target_train=small_digits.target_test, subset_of=small_digits.source_validation
    )
    splits = split(tuned, LabelSubset(size=20))
    assert set(splits.target_validation.ids) <= set(small_digits.source_validation.ids)
    assert splits.target_test.ids == splits.target_train.ids == small_digits.target_test.ids
    assert "of the domain to tune on" in splits.notes["label_subset"]
