"""Search-space files as a user writes them: what they give, and how each mistake is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

ROW = "{lambda_1: 2, lambda_2: 0.01, lambda_3: 0.1, delta_e: 0.1, delta_c: 0.05, ramp_up_epochs: 12, epsilon: 3.5}"
FILE = f"""# A sweep of mine.
extends: paper_sets
benchmark: digits
training: {{epochs: 15, optimizer: adam, learning_rate: 1e-3, batch_size: 64}}
backbones:
  conv3_fc2: {ROW}
"""


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own search_spaces/ in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").mkdir()
    return tmp_path / "search_spaces"


def refusal(spaces: Path, text: str) -> str:
    (spaces / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        search_space_file.read("mine")
    said = str(refused.value)
    assert str(spaces / "mine.yaml") in said
    return said


def test_a_file_says_what_it_trains_and_takes_the_rest_from_its_defaults(spaces: Path) -> None:
    (spaces / "mine.yaml").write_text(FILE)
    file = search_space_file.read("mine")
    assert (file.benchmark, file.method, file.baselines, file.seeds, file.points) == (
        "digits",
        "dta",
        ("source_only",),
        1,
        None,
    )
    assert file.training == Training(epochs=15, optimizer="adam", learning_rate=0.001, batch_size=64)
    assert file.labels is None
    assert list(file.backbones) == ["conv3_fc2"]


def test_a_file_is_read_by_path_too(spaces: Path) -> None:
    path = spaces.parent / "elsewhere.yaml"
    path.write_text(FILE)
    assert search_space_file.read(path) == search_space_file.read(str(path))


def test_sets_come_from_the_extended_file_and_its_own_win(spaces: Path) -> None:
    (spaces / "mine.yaml").write_text(FILE + "sets: {lambda_2: [0.01, 0.5]}\n")
    sets = search_space_file.read("mine").sets
    assert sets["lambda_2"] == (0.01, 0.5)
    assert sets["epsilon"] == (0, 3.5, 15)


def test_a_space_holds_only_what_the_method_takes(spaces: Path) -> None:
    (spaces / "mine.yaml").write_text(FILE)
    file = search_space_file.read("mine")
    assert list(file.space({"lambda_2", "delta_c"}).sets) == ["lambda_2", "delta_c"]
    assert len(file.space({"lambda_2", "lambda_3", "epsilon"}).points()) == 3 * 5
    assert file.space(set()).points() == [{}]


def test_a_set_whose_switch_the_method_lacks_stands_alone(spaces: Path) -> None:
    (spaces / "mine.yaml").write_text(FILE)
    assert search_space_file.read("mine").space({"epsilon"}).points() == [
        {"epsilon": 0},
        {"epsilon": 3.5},
        {"epsilon": 15},
    ]


def test_rows_keep_the_files_order_and_an_unlisted_backbone_is_given_the_first(spaces: Path) -> None:
    other = ROW.replace("ramp_up_epochs: 12", "ramp_up_epochs: 30")
    (spaces / "mine.yaml").write_text(
        FILE.replace("conv3_fc2:", f"zebra: {ROW}\n  ant:").replace(f"ant: {ROW}", f"ant: {other}")
    )
    file = search_space_file.read("mine")
    assert list(file.backbones) == ["zebra", "ant"]
    assert file.row("ant")["ramp_up_epochs"] == 30
    assert file.row("timm/convnext_tiny") == file.row("zebra")


def test_a_number_that_pyyaml_reads_as_a_word_is_a_number(spaces: Path) -> None:
    assert yaml.safe_load("[1e-3, 1E-2]") == ["1e-3", "1E-2"]
    (spaces / "mine.yaml").write_text(FILE + "sets: {lambda_2: [1e-3, 1E-2, 2e0]}\n")
    assert repr(search_space_file.read("mine").sets["lambda_2"]) == "(0.001, 0.01, 2)"


@pytest.mark.parametrize("written", ["2", "2.0", "2e0", "'2'"])
def test_one_number_has_one_spelling_so_that_equal_runs_have_equal_identities(spaces: Path, written: str) -> None:
    (spaces / "mine.yaml").write_text(FILE.replace("lambda_1: 2", f"lambda_1: {written}"))
    assert repr(search_space_file.read("mine").row("conv3_fc2")["lambda_1"]) == "2"


def test_words_and_switches_are_values_too(spaces: Path) -> None:
    row = FILE.replace("{lambda_1", "{kl: classes, lambda_1") + "sets: {kl: [classes, per_sample]}\n"
    (spaces / "mine.yaml").write_text(row)
    assert search_space_file.read("mine").sets["kl"] == ("classes", "per_sample")


def test_all_errors_of_a_file_come_at_once_with_what_came_and_what_is_allowed(spaces: Path) -> None:
    said = refusal(
        spaces,
        FILE.replace("epochs: 15", "epochs: -1").replace("adam", "lion").replace("digits", "digit")
        .replace("lambda_2: 0.01", "lambda_2: 0.5").replace("ramp_up_epochs", "ramp_up_epoch")
        + "sedes: 3\nbaselines: [source_onyl]\nlabels: {size: many}\n",
    )  # fmt: skip
    for expected in (
        "training.epochs is -1; should be greater than 0",
        "training.optimizer is 'lion'; should be 'adam', 'adamw' or 'sgd'",
        "no benchmark named 'digit'; did you mean digits?",
        "lambda_2 is 0.5, allowed: 0, 0.01, 0.02",
        "ramp_up_epoch is no parameter, did you mean ramp_up_epochs?; allowed: ",
        "sedes is not a key here, did you mean seeds?; allowed: ",
        "no method named 'source_onyl'; did you mean source_only or source_smoothed?",
        "labels.size is 'many'; should be a valid integer",
    ):
        assert expected in said


@pytest.mark.parametrize(("old", "new", "said"), [
    ("benchmark: digits\n", "", "benchmark is missing"),
    ("epochs: 15", "epoch: 15", "training.epoch is not a key here, did you mean epochs?"),
    ("epochs: 15", "epochs: 1.5", "training.epochs is 1.5"),
    ("epochs: 15", "epochs: many", "training.epochs is 'many'"),
    ("learning_rate: 1e-3", "learning_rate: 0", "training.learning_rate is 0; should be greater than 0"),
    ("batch_size: 64", "batch_size: [64]", "training.batch_size is [64]"),
    (f"conv3_fc2: {ROW}", "{}", "backbones is {}"),
    ("delta_c: 0.05, ", "", "delta_c missing"),
    ("{lambda_1: 2", "{kl: sample, lambda_1: 2", "conv3_fc2.kl is 'sample'; should be 'classes' or 'per_sample'"),
    ("extends: paper_sets", "sets: {lambda_2: [0.01, much]}", "sets.lambda_2 is 'much'; should be a valid number"),
    ("ramp_up_epochs: 12", "ramp_up_epochs: 0", "backbones.conv3_fc2.ramp_up_epochs is 0; it must be 1 or more"),
    ("ramp_up_epochs: 12", "ramp_up_epochs: soon", "backbones.conv3_fc2.ramp_up_epochs is 'soon'; should be a valid"),
    ("delta_c: 0.05", "delta_c: .nan", "backbones.conv3_fc2.delta_c is nan; allowed: a finite number"),
    ("delta_c: 0.05", "delta_c: {a: 1}", "backbones.conv3_fc2.delta_c is {'a': 1}; allowed: a number"),
    ("extends: paper_sets", "sets: {lambda_2: 0.01}", "sets.lambda_2 is 0.01"),
    ("extends: paper_sets", "sets: {lambda_2: [0.01, 1e-2]}", "the set of lambda_2 holds 0.01 more than once"),
    ("extends: paper_sets", "sets: {lambda_2: []}", "lambda_2 has no set of values"),
    ("extends: paper_sets", "active_when: {epsilon: lambda_3}", "epsilon has no set of values"),
    ("extends: paper_sets", "extends: paper_set", "did you mean paper_sets"),
    ("extends: paper_sets", "true: 1", "Keys should be strings"),
])  # fmt: skip
def test_a_mistake_is_told(spaces: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    (spaces / "mine.yaml").write_text(FILE.replace(old, new))
    with pytest.raises(UserError) as refused:
        search_space_file.read("mine")
    assert said in str(refused.value)


@pytest.mark.parametrize(("text", "said"), [
    ("benchmark: [digits\n", "line 2: not YAML"),
    ("benchmark: digits\n\tmethod: dta\n", "line 2: not YAML"),
    ("benchmark: digits\nbenchmark: visda\n", "line 2: benchmark is there twice"),
    ("backbones:\n  conv3_fc2: {lambda_1: 2, lambda_1: 3}\n", "line 2: lambda_1 is there twice"),
    ("", "holds NoneType"),
    ("- digits\n", "holds list"),
    ("!!python/object/apply:os.system [true]\n", "not YAML"),
])  # fmt: skip
def test_what_is_not_a_mapping_in_yaml_is_told_with_its_line(spaces: Path, text: str, said: str) -> None:
    assert said in refusal(spaces, text)


def test_an_error_in_the_extended_file_is_told_with_that_files_name(spaces: Path) -> None:
    (spaces / "base.yaml").write_text("training: {epochs: 0, optimizer: adam, learning_rate: 1e-3, batch_size: 64}\n")
    text = "".join(line for line in FILE.splitlines(keepends=True) if "training" not in line)
    said = refusal(spaces, text.replace("paper_sets", "base"))
    assert f"{spaces / 'base.yaml'}: training.epochs is 0" in said


def test_only_one_level_may_be_extended(spaces: Path) -> None:
    (spaces / "base.yaml").write_text(FILE)
    assert "extends base, which extends paper_sets; allowed: one level" in refusal(spaces, "extends: base\n")


def test_a_file_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.yaml cannot be read: No such file"):
        search_space_file.read(tmp_path / "gone.yaml")


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_every_spelling_of_a_number_is_read_as_that_number(number: float) -> None:
    read = search_space_file.SearchSpaceFile.model_validate(
        {
            "benchmark": "digits",
            "training": {"epochs": 1, "optimizer": "sgd", "learning_rate": f"{number!r}", "batch_size": 2},
            "sets": {"lambda_1": [f"{number:.17e}"]},
            "backbones": {"conv3_fc2": {}},
        }
    )
    assert read.sets["lambda_1"] == (number,)
    assert read.training.learning_rate == number


def spec(**changed: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "benchmark": "digits", "backbone": "conv3_fc2", "weights": "none", "method": "dta",
        "params": {"lambda_1": 2, "lambda_2": 0.01}, "label_subset": LabelSubset(size=100), "seed": 0,
        "training": Training(epochs=1, optimizer="adam", learning_rate=1e-3, batch_size=64),
    }  # fmt: skip
    return RunSpec(**fields | changed)


def test_a_run_spec_survives_the_way_through_json() -> None:
    there_and_back = RunSpec.from_dict(json.loads(json.dumps(spec().to_dict())))
    assert there_and_back == spec()
    assert there_and_back.id == spec().id


@pytest.mark.parametrize("changed", [
    {"benchmark": "fonts_digits"}, {"backbone": "conv9_fc1"}, {"weights": "hub"}, {"method": "dta_released"},
    {"params": {"lambda_1": 2, "lambda_2": 0.02}}, {"label_subset": LabelSubset(size=100, seed=1)}, {"seed": 1},
    {"training": Training(epochs=2, optimizer="adam", learning_rate=1e-3, batch_size=64)},
])  # fmt: skip
def test_everything_in_a_run_spec_is_part_of_its_identity(changed: dict[str, Any]) -> None:
    assert spec(**changed).id != spec().id


def test_the_order_of_parameters_is_not_part_of_a_runs_identity() -> None:
    assert spec(params={"lambda_2": 0.01, "lambda_1": 2}).id == spec().id
