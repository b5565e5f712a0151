"""Figures from a run's final network: where it looks, what adversarial dropout takes, what the network's file holds."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from read_only_folder import read_only
from small_runs import spec_of
from torch import Tensor, nn

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.evaluation.probes import sample
from dta_bench.nn import pretrained
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import Features, Network
from dta_bench.report.features import tsne
from dta_bench.report.features.draw import draw_figures
from dta_bench.report.features.gradcam import Deltas, adversarial_masks, as_map, grad_cam, patch_grid
from dta_bench.report.features.tsne import embed
from dta_bench.run import network_file
from dta_bench.run.network_card import card_of
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunResult, RunSpec


class Pool(nn.Module):
    """The mean over space of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class Swap(nn.Module):
    """Channels moved to another axis."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.start, self.end = start, end

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(self.start, self.end)


def linear(classes: int = 3, channels: int = 4) -> Network:
    """A network of which Grad-CAM is known in closed form: the map is the image, the logits weigh its channel means."""
    torch.manual_seed(0)
    return Network(nn.Identity(), Pool(), nn.Linear(channels, classes)).eval()


def test_grad_cam_of_a_linear_network_is_its_weighed_map() -> None:
    net, images = linear(), torch.randn(2, 4, 5, 7)
    cam = grad_cam(net, images)
    weights = net.head.weight[net(images).argmax(dim=1)] / 35  # d mean / d pixel
    expected = torch.relu(torch.einsum("bc,bchw->bhw", weights, images))
    expected = expected / expected.amax(dim=(1, 2), keepdim=True)
    assert cam.maps == pytest.approx(expected.detach().numpy(), abs=1e-5)
    assert cam.guesses.tolist() == net(images).argmax(dim=1).tolist()


def test_a_class_may_be_asked_for() -> None:
    net, images = linear(), torch.randn(1, 4, 5, 5)
    asked = grad_cam(net, images, torch.tensor([1])).maps
    other = grad_cam(net, images, torch.tensor([2])).maps
    assert np.abs(asked - other).max() > 0.1


def test_it_looks_at_the_same_places_wherever_the_channels_are() -> None:
    first, images = linear(), torch.randn(2, 4, 5, 5)
    last = Network(Swap(1, 3), nn.Sequential(Swap(3, 1), Pool()), first.head, feature_axis=3).eval()
    assert grad_cam(last, images).maps == pytest.approx(grad_cam(first, images).maps, abs=1e-6)


@pytest.mark.parametrize(("tokens", "aspect", "expected"), [
    (197, 1.0, (14, 14)), (196, 1.0, (14, 14)), (201, 1.0, (14, 14)),
    (1 + 8 * 4, 2.0, (8, 4)), (5 + 8 * 16, 0.5, (8, 16)),
])  # fmt: skip
def test_patches_are_found_behind_class_and_register_tokens(
    tokens: int, aspect: float, expected: tuple[int, int]
) -> None:
    assert patch_grid(tokens, aspect) == expected


def test_tokens_in_front_of_the_patches_are_left_out() -> None:
    patches = torch.randn(1, 6, 3)  # (B, N, C), 2 x 3 patches
    tokens = torch.cat([torch.full((1, 1, 3), 99.0), patches], dim=1)
    found = as_map(tokens, 2, (20, 30))
    assert torch.equal(found, patches.reshape(1, 2, 3, 3).movedim(3, 1))


def test_a_vector_has_no_places_and_is_refused() -> None:
    with pytest.raises(UserError, match="vector"):
        as_map(torch.randn(2, 8), 1, (4, 4))


@pytest.mark.parametrize("backbone", ["conv3_fc2", "timm/vit_tiny_patch16_224", "timm/convnext_atto", "swin_tiny"])
def test_any_classification_backbone_has_a_map_to_look_at(backbone: str) -> None:
    size = (28, 28) if backbone == "conv3_fc2" else (64, 64)
    found = pretrained.backbone(backbone, size)
    net = found.build(5).eval()
    images = torch.randn(2, found.channels, *size)
    for deltas in (None, Deltas(0.05, 0.1)):
        cam = grad_cam(net, images, deltas=deltas)
        assert cam.maps.shape[0] == 2
        assert min(cam.maps.shape[1:]) >= 1
        assert np.isfinite(cam.maps).all()
        assert cam.maps.max() <= 1


def deep() -> tuple[Network, Tensor]:
    """A network with a bend above both masks, and images."""
    torch.manual_seed(1)
    neck = nn.Sequential(nn.Conv2d(32, 40, 1), nn.ReLU(), Pool())
    net = Network(nn.Conv2d(3, 32, 3), neck, nn.Linear(40, 6))
    return net.eval(), 3 * torch.randn(64, 3, 8, 8)


def test_adversarial_dropout_takes_just_its_budget_and_rescales_the_rest() -> None:
    net, images = deep()
    m_f, m_c = adversarial_masks(net, net.features(images), Deltas(0.125, 0.1))
    for mask in (m_f, m_c):  # 0.125 of 32 channels, 0.1 of 40 units
        dropped = (mask == 0).flatten(1).sum(dim=1)
        assert (dropped <= 4).all()
        assert dropped.float().mean() > 1
    assert torch.allclose(m_f.mean(dim=1), torch.ones(()))


def test_what_it_takes_changes_the_prediction_more_than_chance_does() -> None:
    net, images = deep()
    with torch.no_grad():
        features = net.features(images)

        def divergence(m_f: Tensor, m_c: Tensor) -> float:
            return float(kl_divergence(net(images), net.head(m_c * net.hidden(features.masked(m_f)))))

        def at_random(like: Tensor, dropped: int) -> Tensor:
            order = torch.rand(like.flatten(1).shape).argsort(dim=1)
            return (order >= dropped).float().view_as(like) * like[0].numel() / (like[0].numel() - dropped)

    m_f, m_c = adversarial_masks(net, Features(features.activation), Deltas(0.125, 0.1))
    with torch.no_grad():
        chance = [divergence(at_random(m_f, 4), at_random(m_c, 4)) for _ in range(20)]
        assert divergence(m_f, m_c) > 2 * float(np.mean(chance))


def test_without_a_budget_nothing_is_taken() -> None:
    net, images = deep()
    m_f, m_c = adversarial_masks(net, net.features(images), Deltas(0.0, 0.0))
    assert (m_f == 1).all()
    assert (m_c == 1).all()


def test_t_sne_keeps_far_groups_apart_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    far = np.concatenate([rng.standard_normal((40, 8)), 50 + rng.standard_normal((40, 8))]).astype(np.float32)
    places = embed(far)
    assert np.array_equal(places, embed(far))
    middle = [places[:40].mean(axis=0), places[40:].mean(axis=0)]
    spread = max(
        np.linalg.norm(part - m, axis=1).max() for part, m in zip((places[:40], places[40:]), middle, strict=True)
    )
    assert np.linalg.norm(middle[0] - middle[1]) > spread


def kept(workspace: Workspace, spec: RunSpec, with_network: bool = True) -> None:
    """A finished run of an untrained network, as a worker leaves it."""
    tracker, benchmark = workspace.tracker(), benchmark_of(spec.benchmark)
    tracker.check()
    tracker.experiment(benchmark)
    labels = np.arange(40) % 10
    scored = metrics.scores(metrics.confusion_matrix(labels, labels, 10), benchmark.classes)
    log = tracker.open_run(spec, None, "run", set(), {})
    torch.manual_seed(spec.seed)
    if with_network:
        net = pretrained.backbone(spec.backbone, benchmark.image_size).build(10)
        with network_file.temporary_file(net, card_of(spec, 1, net.normalisation, 40)) as path:
            log.add_file(path)
    arrays = {"target_validation_ids": np.array(["a"])}
    confusion = metrics.confusion_matrix(labels, labels, 10)
    log.finish(RunResult(spec.id, scored, scored, scored, False, 2, 1.0, 0.5), arrays, confusion, benchmark.classes)


@pytest.fixture
def workspace(out: Path) -> Workspace:
    return Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}")


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """t-SNE gets 40 images of each domain: of 500 it takes many seconds."""
    monkeypatch.setattr(tsne, "sample", lambda count: sample(count)[:40])


@pytest.mark.usefixtures("few_images")
def test_a_runs_figures_stand_beside_source_only_on_a_page_and_on_its_run(workspace: Workspace) -> None:
    kept(workspace, spec_of("dta"))
    kept(workspace, spec_of("source_only"))
    found = draw_figures(spec_of("dta").id[:8], None, workspace)
    assert found.beside == spec_of("source_only").id
    assert found.note == ""
    page = Path(found.page).read_text()
    assert page.count('src="data:image/png;base64,') == 2
    assert found.link in page
    (run,) = [r for r in workspace.tracker().runs("fonts_digits") if r.run_id == found.run_id]
    for name, path in found.files.items():
        assert Path(path).read_bytes()[:4] == b"\x89PNG"
        with workspace.tracker().artifact(run, f"figures/{name}.png") as there:
            assert there.read_bytes() == Path(path).read_bytes()


@pytest.mark.slow  # t-SNE and Grad-CAM once more
def test_figures_of_a_store_that_can_only_be_read_go_where_to_says(workspace: Workspace, out: Path) -> None:
    kept(workspace, spec_of("dta"))
    results = Path(shutil.copytree(out, out / "copy"))
    copied = Workspace(
        workspace.root, str(results), f"sqlite:///{results / 'mlflow.db'}", to=str(out / "page")
    )  # fmt: skip
    with read_only(results):
        found = draw_figures(spec_of("dta").id, None, copied)
    assert found.note.endswith("They are not kept with the MLflow run, as its store can only be read.")
    assert Path(found.page) == out / "page" / "figures.html"


def test_a_run_without_its_network_says_how_to_get_it(workspace: Workspace) -> None:
    kept(workspace, spec_of("dta"), with_network=False)
    with pytest.raises(UserError, match=r"kept no network.*--keep-network"):
        draw_figures(spec_of("dta").id, None, workspace)


def test_an_unknown_run_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="there are no runs"):
        draw_figures("abc", None, workspace)
    kept(workspace, spec_of("dta"), with_network=False)
    with pytest.raises(UserError, match="no run's identity begins with 'xyz'"):
        draw_figures("xyz", None, workspace)
