"""Towers of open_clip as backbones: the same vectors as open_clip's own, split where CAdD masks."""

from __future__ import annotations

import builtins
import copy
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from tiny_clip import CONFIG, drawn_towers, write_tiny_clip
from torch import Tensor

from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.clip_networks import Whole, open_clip_network
from dta_bench.nn.tuning import tune
from dta_bench.spec.training import Training

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
PROMPTS = ["a photo of a cat.", 'a photo of the number: "7".', "a sketch of an alarm clock."]


@pytest.fixture
def weights(out: Path) -> str:
    return str(write_tiny_clip(out)[1])


def vectors(network: Network) -> Tensor:
    with torch.no_grad():
        return network.eval().hidden(network.features(IMAGES))


def training(**fields: Any) -> Training:
    return Training(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=4, **fields)


def test_the_vectors_are_those_of_open_clip(weights: str) -> None:
    network = open_clip_network(CONFIG, 5, weights)
    with torch.no_grad():
        assert torch.allclose(vectors(network), drawn_towers().encode_image(IMAGES), atol=1e-6)
    assert network(IMAGES).shape == (3, 5)


def test_prompts_are_read_as_open_clip_reads_them(weights: str) -> None:
    read = open_clip_network(CONFIG, 5, weights).read_prompts
    assert read is not None
    found, scale = read(PROMPTS)
    towers = drawn_towers()
    with torch.no_grad():
        expected = towers.encode_text(open_clip.tokenize(PROMPTS), normalize=True)
    assert torch.allclose(found, expected, atol=1e-6)
    assert scale == pytest.approx(towers.logit_scale.exp().item())


def test_cadd_masks_the_tokens_that_enter_the_last_block(weights: str) -> None:
    network = open_clip_network(CONFIG, 5, weights).eval()
    features = network.features(IMAGES)
    assert features.activation.shape == (3, 17, 32)
    assert network.feature_axis == 2
    towers = drawn_towers()
    with torch.no_grad():
        tokens = towers.visual.transformer.resblocks[0](towers.visual._embeds(IMAGES))
    assert torch.allclose(features.activation, tokens, atol=1e-5)


def test_both_parts_hold_each_weight_of_the_image_tower_once(weights: str) -> None:
    network = open_clip_network(CONFIG, 5, weights)
    own = {id(weight) for part in (network.body, network.neck) for weight in part.parameters()}
    tower = drawn_towers().visual
    assert len(own) == len(list(tower.parameters()))
    count = sum(weight.numel() for weight in {*network.body.parameters(), *network.neck.parameters()})
    assert count == sum(weight.numel() for weight in tower.parameters())


def test_a_tower_that_is_no_transformer_is_whole(weights: str) -> None:
    config = copy.deepcopy(CONFIG) | {
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None}
    }
    network = open_clip_network(config, 5)
    assert isinstance(network.body, Whole)
    assert vectors(network).shape == (3, 24)
    with pytest.raises(UserError, match="another shape"):
        open_clip_network(config, 5, weights)


def test_a_width_of_the_neck_takes_the_whole_tower_and_keeps_its_prompts(weights: str) -> None:
    network = tune(open_clip_network(CONFIG, 5, weights), training(tune="head", neck_width=8))
    with torch.no_grad():
        features = network.eval().features(IMAGES).activation
        assert torch.allclose(features, drawn_towers().encode_image(IMAGES), atol=1e-6)
    assert network.read_prompts is not None


def test_another_image_size_resamples_the_position_embedding(weights: str) -> None:
    network = open_clip_network(CONFIG, 5, weights, (48, 48)).eval()
    assert network(torch.zeros(2, 3, 48, 48)).shape == (2, 5)
    with pytest.raises(UserError, match=r"patches of 8 x 8 pixels.*multiples of 8"):
        open_clip_network(CONFIG, 5, weights, (28, 28))


def test_weights_of_another_tower_are_refused_and_nothing_is_unpickled(out: Path) -> None:
    write_tiny_clip(out)
    state = {name: value for name, value in drawn_towers().state_dict().items() if name != "logit_scale"}
    torch.save(state, out / "lacking.pt")
    with pytest.raises(UserError, match=r"lacking.pt is no file of this tower.*logit_scale"):
        open_clip_network(CONFIG, 5, str(out / "lacking.pt"))
    torch.save({"model": drawn_towers()}, out / "pickled.pt")
    with pytest.raises(UserError, match="cannot be read as weights"):
        open_clip_network(CONFIG, 5, str(out / "pickled.pt"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_clip/ViT-B-23", "did you mean ViT-B-32"),
        ("open_clip/ViT-B-32.openia", r"no weights tagged 'openia'; it has openai, "),
        ("open_clip/coca_ViT-B-32", "writes captions"),
    ],
)
def test_an_unknown_name_is_told_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        pretrained.backbone(name).build_on_meta(3)


def test_the_hub_needs_a_tag() -> None:
    with pytest.raises(UserError, match=r"needs a tag .* such as open_clip/ViT-B-32.openai"):
        open_clip_network(CONFIG, 3, "hub")


def test_a_tag_says_activation_and_standardisation() -> None:
    """OpenAI trained with an approximation of GELU; another one would silently give other vectors."""
    with torch.device("meta"):
        network = open_clip_network("ViT-B-32.openai", 3)
        other = open_clip_network("ViT-B-32.laion2b_s34b_b79k", 3)
    kinds = [{type(layer).__name__ for layer in one.modules()} for one in (network, other)]
    assert ["QuickGELU" in kind for kind in kinds] == [True, False]
    assert network.normalisation.mean == open_clip.OPENAI_DATASET_MEAN


def test_without_open_clip_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "open_clip":
            raise ImportError(name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"open_clip need.*not installed; pip install 'dta-bench\[clip\]'"):
        pretrained.backbone("open_clip/ViT-B-32")
