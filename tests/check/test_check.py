"""``dta-bench check``: sound plug-ins pass, and each way of being wrong is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import dta_bench_here

from dta_bench import plugins
from dta_bench.check import check
from dta_bench.check.findings import Findings
from dta_bench.errors import UserError
from dta_bench.nn.pretrained import backbone

SOUND = '''"""A small network."""

from torch import nn

from dta_bench.api import Network, UserError

task = "classification"
channels = 3


def build(num_classes, weights="none"):
    if weights != "none":
        raise UserError("it has no pretrained weights")
    body = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU())
    neck = nn.Sequential(nn.Conv2d(12, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(body, neck, nn.Linear(8, num_classes))
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with empty plug-in folders."""
    monkeypatch.chdir(tmp_path)
    for folder in plugins.FOLDERS.values():
        (tmp_path / folder).mkdir()
    return tmp_path


def checked(kind: str, name: str, text: str, here: Path) -> Findings:
    suffix = ".yaml" if kind == "search-space" else ".py"
    (here / plugins.FOLDERS[kind.replace("-", "_")] / f"{name}{suffix}").write_text(text)
    return check(kind, name, here)


def test_a_users_sound_backbone_passes(here: Path) -> None:
    found = checked("backbone", "mine", SOUND, here)
    assert found.fails == []
    assert len(found.holds) == 9


CARELESS = '''"""A loss."""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Params:
    weight: float = 0.1


def loss(net, source, target, epoch, params):
    task = cross_entropy(net(source.images), source.labels)
    return {"total": task * params.WEIGHT, "task": task}
'''


def test_a_failing_method_is_told_with_file_line_and_the_cure(here: Path) -> None:
    fails = checked("method", "mistyped", CARELESS.replace("WEIGHT", "weigth"), here).fails
    where = f"{here / 'methods' / 'mistyped.py'}, line 15: AttributeError: 'Params' object has no attribute 'weigth'"
    assert f"{where}; did you mean weight?" in fails[0]


def test_a_loss_that_takes_no_ignored_pixel_is_told_what_to_write(here: Path) -> None:
    fails = checked("method", "plain", CARELESS.replace("WEIGHT", "weight"), here).fails
    assert len(fails) == 1
    assert "line 14: IndexError: Target 255 is out of bounds; label maps hold 255" in fails[0]
    mended = CARELESS.replace("WEIGHT", "weight").replace(
        "\n\n@dataclass", '\ntasks = ("classification",)\n\n\n@dataclass'
    )
    assert checked("method", "mended", mended, here).fails == []


DRAWS = "class Draws(nn.Module):\n    def forward(self, x):\n        return nn.functional.dropout(x, 0.5, True)\n"
BLIND = "class Blind(nn.Module):\n    def forward(self, x):\n        return 0 * x\n"


@pytest.mark.parametrize(("name", "wrong", "right", "told"), [
    ("axis", "num_classes), feature_axis=3)", "num_classes))", "feature_axis .* it is 3, but .* axis 1"),
    ("head", "nn.Linear(8, 4)", "nn.Linear(8, num_classes)", r"shape of its task: they are \(2, 4\)"),
    ("inplace", "nn.Tanh())\n    neck = nn.Sequential(nn.ReLU(inplace=True), ", "nn.ReLU())\n    neck = nn.Sequential(",
     "no in-place operation.: neck changes its input"),
    ("blind", "Blind(), nn.Conv2d(12", "nn.Conv2d(12", "can change the logits: none at CAdD's site"),
    ("silent", "if False", 'if weights != "none"', "weights that are not there are refused: build"),
    ("unbuilt", "nn.Conv2d(4, 12, 3)", "nn.Conv2d(3, 12, 3)", "builds and runs .*RuntimeError"),
    ("random", "nn.Flatten(), Draws())", "nn.Flatten())", "masks of ones change no bit .* they do"),
    ("type", "return nn.Linear(8, num_classes)", "return Network(body, neck, nn.Linear(8, num_classes))",
     "build returns a Linear, no dta_bench.nn.network.Network"),
])  # fmt: skip
def test_what_is_wrong_with_a_backbone_is_named(here: Path, name: str, wrong: str, right: str, told: str) -> None:
    assert right in SOUND
    text = SOUND.replace(right, wrong).replace("\n\ndef build", f"\n\n{DRAWS}\n\n{BLIND}\n\ndef build")
    said = "; ".join(checked("backbone", name, text, here).fails)
    assert re.search(told, said), said


@pytest.mark.parametrize(("wrong", "right", "message"), [
    ('task = "detect"', 'task = "classification"', "task is 'detect'; allowed: 'classification' or 'segmentation'"),
    ("channels = 4", "channels = 3", "channels is 4; allowed: 1 or 3"),
])  # fmt: skip
def test_a_backbone_of_no_known_task_or_channels_is_refused(here: Path, wrong: str, right: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked("backbone", "mine", SOUND.replace(right, wrong), here)


def test_a_backbone_without_a_file_is_checked_by_its_name() -> None:
    assert check("backbone", "timm/test_mambaout", Path()).fails == []
    assert check("backbone", "smp/fpn/tu-test_resnet", Path()).fails == []


METHOD = '''"""Cross-entropy."""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    scale: float = 1.0


def loss(net, source, target, epoch, params):
    task = params.scale * cross_entropy(net(source.images), source.labels)
    return {"total": task}
'''


@pytest.mark.parametrize(("name", "wrong", "right", "told"), [
    ("thawed", "@dataclass\n", "@dataclass(frozen=True)\n", "it is not frozen"),
    ("bare", "scale: float\n", "scale: float = 1.0\n", "scale has none"),
    ("nameless", '{"task": task}', '{"total": task}', "loss gives task and no total"),
    ("shaped", '{"total": task.repeat(2)}', '{"total": task}', "only for scalar outputs"),
    ("infinite", '{"total": task / (epoch < 2)}', '{"total": task}', "in epoch 10 its total is tensor.inf"),
    ("detached", "net.head(net.hidden(net.features(source.images).detach()))", "net(source.images)",
     "body.0.weight.* gets no gradient"),
    ("mute", "", '"""Cross-entropy."""\n', "docstring: there is none"),
])  # fmt: skip
def test_what_is_wrong_with_a_method_is_named(here: Path, name: str, wrong: str, right: str, told: str) -> None:
    assert right in METHOD
    found = checked("method", name, METHOD.replace(right, wrong), here)
    assert len(found.fails) == 1
    assert re.search(told, found.fails[0], re.DOTALL), found.fails


def test_every_shipped_benchmarks_definition_passes(tmp_path: Path) -> None:
    for name in plugins.names("benchmark"):
        found = check("benchmark", name, tmp_path)
        assert found.fails == []
        assert all(str(tmp_path) in sentence for sentence in found.skipped)


def test_a_benchmarks_wrong_name_and_augmentation_are_named(here: Path) -> None:
    text = Path(plugins.PACKAGE / "benchmarks" / "digits.py").read_text()
    assert "its name is 'digits'" in checked("benchmark", "other", text, here).fails[0]
    wrong = text.replace('"translate2"', '"transalte2"').replace('"digits"', '"mine"')
    assert "transalte2" in "; ".join(checked("benchmark", "mine", wrong, here).fails)


def test_a_search_space_that_names_no_backbone_is_told(here: Path) -> None:
    text = (plugins.path("search_space", "digits")).read_text().replace("conv3_fc2:", "conv3_fc3:")
    found = checked("search-space", "mine", text, here)
    assert "did you mean conv3_fc2" in "; ".join(found.fails)


def test_an_unknown_kind_lists_the_kinds() -> None:
    with pytest.raises(UserError, match="allowed: backbone, method, benchmark, search-space"):
        check("metric", "accuracy", Path())


def test_the_command_says_it_in_words_and_ends_with_status_2(here: Path) -> None:
    (here / "backbones" / "mine.py").write_text(SOUND.replace("nn.Linear(8, num_classes)", "nn.Linear(8, 4)"))
    told = dta_bench_here("check", "backbone", "mine", cwd=here)
    assert told.returncode == 2
    assert "FAIL  its logits have the shape of its task: they are (2, 4)" in told.stdout
    found = json.loads(dta_bench_here("check", "backbone", "mine", "--json", cwd=here).stdout)
    assert len(found["fails"]) >= 1
    assert found["name"] == "mine"


def test_an_installed_packages_backbone_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, metadata = tmp_path / "their_nets", tmp_path / "their_nets-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text("")
    (package / "width.py").write_text("WIDTH = 8\n")
    (package / "small.py").write_text(SOUND.replace("\n\ndef build", "\nfrom .width import WIDTH\n\n\ndef build"))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-nets\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dta_bench.backbones]\ntheir_small = their_nets.small\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "their_small" in plugins.names("backbone")
    assert plugins.summary("backbone", "their_small") == "A small network."
    assert backbone("their_small").build(3).head.out_features == 3
    assert check("backbone", "their_small", tmp_path).fails == []
