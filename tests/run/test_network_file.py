"""A network's file gives back what predicted, with all that its images need, and runs nothing that it holds."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_runs import spec_of
from torch import Tensor, nn

from dta_bench import plugins
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.batch_norm import freeze_backbone
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network, Normalisation
from dta_bench.run import network_file
from dta_bench.run.network_card import NetworkCard, card_of
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import Resolved, resolve_on
from dta_bench.run.train import Run
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec

CPU = torch.device("cpu")
METHODS = [
    name for name in plugins.names("method")
    if "classification" in method_plugin(name).tasks and name not in ("target_only", "zero_shot")
]  # fmt: skip
SIZE = (28, 28)


def untrained(resolved: Resolved) -> Run:
    first = untrained(resolved.first_stage) if resolved.first_stage else None
    return Run(resolved, Placement(CPU), first)


def scrambled(run: Run) -> Learner:
    """The run's learner with weights and statistics of its own in each module, as if it had been trained."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in run.learner.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=generator) * 0.1)
    return run.learner.eval()


@pytest.mark.parametrize("method", METHODS)
def test_a_methods_own_predictions_come_back(method: str, digits_benchmark: Benchmark, small_splits: Splits) -> None:
    run = untrained(resolve_on(spec_of(method), digits_benchmark, small_splits))
    learner = scrambled(run)
    kind = network_file.built_by(learner, run.resolved.backbone, 10)
    card = card_of(run.spec, run.channels, learner.normalisation, len(small_splits.target_train), kind)
    images = torch.randn(4, 1, *SIZE)
    with network_file.temporary_file(network_file.what_predicts(learner, card), card) as path:
        loaded = network_file.load(path)
    with torch.no_grad():
        assert torch.equal(loaded.predicts(images), learner(images))
        assert torch.equal(loaded.network.features(images).activation, learner.predictor.features(images).activation)
    assert not loaded.predicts.training
    assert network_file.is_whole(loaded)


def test_a_second_classifier_and_prototypes_are_kept_and_others_need_the_backbone_alone(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    kinds = {}
    for method in METHODS:
        run = untrained(resolve_on(spec_of(method), digits_benchmark, small_splits))
        kinds[method] = network_file.built_by(run.learner, run.resolved.backbone, 10)
    assert {method for method, kind in kinds.items() if kind == "method"} == {"adr", "knn", "mcd", "simnet"}


def test_frozen_statistics_are_of_the_training_and_the_backbone_alone_predicts(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    run = untrained(resolve_on(spec_of("mcc"), digits_benchmark, small_splits))
    freeze_backbone(run.learner.predictor)
    assert any(type(layer).__name__.startswith("Frozen") for layer in run.learner.predictor.modules())
    assert network_file.built_by(run.learner, run.resolved.backbone, 10) == "backbone"


def conv(weights: str = "none") -> Network:
    return pretrained.backbone("conv3_tiny", SIZE).build(10, weights)


def test_the_card_comes_back_as_it_was() -> None:
    card = card_of(spec_of("dta"), 1, Normalisation((0.1,), (0.2,)), 40, provenance={"commit": "abc"})
    with network_file.temporary_file(conv(), card) as path:
        loaded = network_file.load(path)
    assert loaded.card.to_json() == card.to_json()
    assert loaded.card.run_spec == spec_of("dta")
    assert loaded.network.normalisation == Normalisation((0.1,), (0.2,))


def test_loading_draws_no_random_number_of_the_caller() -> None:
    with network_file.temporary_file(conv(), card_of(spec_of("dta"), 1, conv().normalisation, 40)) as path:
        torch.manual_seed(5)
        network_file.load(path)
        after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))


def test_the_bits_of_a_pairs_target_are_on_the_card(out: Path) -> None:
    (out / "benchmarks").mkdir()
    (out / "benchmarks/deep.yaml").write_text(
        "source: a\ntarget: {folder: b, bits: 12}\nclasses: [x, y]\nimage_size: 32\nlabels: 4\n"
    )
    spec = RunSpec.from_dict(spec_of("dta").to_dict() | {"benchmark": "deep"})
    card = NetworkCard.from_json(card_of(spec, 3, conv().normalisation, 4).to_json())
    assert card.bits == 12
    assert card.benchmark.classes == ("x", "y")


def before(folder: Path, network: nn.Module) -> Path:
    """A file as versions before safetensors wrote it."""
    normalisation = {"mean": [0.3], "std": [0.4]}
    torch.save({"weights": network.state_dict(), "normalisation": normalisation}, folder / "network.pt")
    return folder / "network.pt"


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    net, images = conv().eval(), torch.randn(4, 1, *SIZE)
    loaded = network_file.load(before(tmp_path, net), spec_of("dta"))
    assert torch.equal(loaded.predicts(images), net(images))
    assert loaded.network.normalisation == Normalisation((0.3,), (0.4,))
    assert network_file.is_whole(loaded)


def test_an_earlier_file_lacks_a_methods_second_classifier_and_says_so(tmp_path: Path) -> None:
    assert not network_file.is_whole(network_file.load(before(tmp_path, conv()), spec_of("mcd")))


def test_a_file_of_another_network_is_refused() -> None:
    other = card_of(spec_of("dta"), 1, conv().normalisation, 40)
    seven = pretrained.backbone("conv3_tiny", SIZE).build(7)
    with (
        network_file.temporary_file(seven, other) as path,
        pytest.raises(UserError, match="does not hold this network"),
    ):
        network_file.load(path)


class Harm:
    """What an unpickler would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harmed"),))


def test_a_file_that_would_run_code_is_refused_and_runs_none(out: Path) -> None:
    (out / "network.pt").write_bytes(pickle.dumps({"weights": Harm()}))
    with pytest.raises(UserError, match="does not hold this network"):
        network_file.load(out / "network.pt", spec_of("dta"))
    (out / "network.safetensors").write_bytes(pickle.dumps({"weights": Harm()}))
    with pytest.raises(UserError, match="cannot be read as a network"):
        network_file.load(out / "network.safetensors")
    assert not (out / "harmed").exists()


def test_a_card_of_a_newer_version_is_refused_and_nothing_of_it_ignored() -> None:
    card = card_of(spec_of("dta"), 1, conv().normalisation, 40)
    newer = NetworkCard(**vars(card) | {"spec": card.spec | {"rotation": 3}})
    with pytest.raises(UserError, match="rotation, of a newer version"):
        NetworkCard.from_json(newer.to_json())


@pytest.mark.parametrize(("metadata", "said"), [
    (None, "it has no card"),
    ({"card": "{}"}, "no card that this version"),
    ({"card": "no JSON"}, "no card that this version"),
])  # fmt: skip
def test_weights_without_a_card_are_refused(metadata: dict[str, str] | None, said: str, tmp_path: Path) -> None:
    weights: dict[str, Tensor] = {"a": torch.zeros(1)}
    save_file(weights, tmp_path / "w.safetensors", metadata)
    with pytest.raises(UserError, match=said):
        network_file.load(tmp_path / "w.safetensors")
