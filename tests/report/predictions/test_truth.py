"""``dta-bench predict --truth``: labels of a user's own are found, counted, and held to the predictions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from kept_networks import SEGMENTATION, classifier, draw_images, saved, untrained
from PIL import Image
from small_runs import spec_of
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.errors import UserError


def predict(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What is on stdout and on stderr."""
    result = CliRunner().invoke(cli.app, ["predict", *words])
    said = str(result.exception) if isinstance(result.exception, UserError) else result.stderr
    return capfd.readouterr().out, said


def network(out: Path) -> str:
    return str(saved(untrained(spec_of("source_only")), out / "network.safetensors"))


def predicted(folder: Path) -> dict[str, str]:
    """Name → class by the network itself."""
    frame = classifier().predict(folder)
    return dict(zip(frame["path"], frame["class"], strict=True))


def write_table(path: Path, rows: dict[str, str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class"), *rows.items()])


def test_a_table_of_labels_gives_the_share_that_is_right_and_tells_what_it_does_not_label(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw_images(out / "photos", 20)
    right = predicted(out / "photos")
    wrong = {"zero": "one"}
    rows = {name: right[name] if i < 12 else wrong.get(right[name], "zero") for i, name in enumerate(sorted(right))}
    del rows["00000.png"], rows["00001.png"]
    write_table(out / "truth.csv", rows)
    stdout, stderr = predict(capfd, network(out), "photos", "--truth", "truth.csv", "--to", "p.csv", "--json")
    found = json.loads(stdout)["truth"]
    assert (found["images"], found["scores"]["accuracy"]) == (18, pytest.approx(100 * 10 / 18))
    assert found["one_run"] == {}
    assert f"accuracy on the 18 images with a label: {100 * 10 / 18:.1f} %" in stderr
    assert "2 images to predict have no label in truth.csv" in stderr
    assert "no prediction interval: the network comes from a file" in stderr


def test_folders_of_classes_are_labels_with_the_names_that_the_network_has(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = draw_images(out / "photos", 6)
    of_class = predicted(out / "photos")
    for path in paths:
        folder = out / "sorted" / of_class[path.name]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    stdout, stderr = predict(capfd, network(out), "sorted", "--truth", "sorted", "--to", "p.csv", "--json")
    found = json.loads(stdout)["truth"]
    assert (found["images"], found["scores"]["accuracy"], found["notes"]) == (6, 100.0, []), stderr


@pytest.mark.parametrize(("rows", "said"), [
    ({"elsewhere.png": "zero"}, "names elsewhere.png, which is no file"), ({"00000.png": "cat"}, "has the class 'cat'"),
    ({"00000.png": ""}, "has no row with a class"),
])  # fmt: skip
def test_labels_that_cannot_be_used_are_one_sentence_and_nothing_is_predicted(
    out: Path, rows: dict[str, str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    draw_images(out / "photos", 2)
    write_table(out / "truth.csv", rows)
    stdout, stderr = predict(capfd, network(out), "photos", "--truth", "truth.csv")
    assert said in stderr
    assert not stdout


def test_labels_that_are_nowhere_are_refused_with_both_places_and_those_under_the_data_root_are_found(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw_images(out / "photos", 2)
    asked = ("photos", "--truth", "t.csv", "--root", "pictures")
    said = predict(capfd, network(out), *asked)[1]
    assert f"--truth t.csv is not there: {out / 't.csv'} and {out / 'pictures/t.csv'} are missing" in said
    (out / "pictures").mkdir()
    write_table(out / "pictures/t.csv", {"elsewhere.png": "zero"})
    assert "names elsewhere.png, which is no file" in predict(capfd, network(out), *asked)[1]


def test_labels_of_other_images_are_refused(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw_images(out / "photos", 2)
    draw_images(out / "others/zero", 2)
    assert "labels none of the images" in predict(capfd, network(out), "photos", "--truth", "others")[1]


def test_the_pairs_file_says_what_the_numbers_of_masks_stand_for_and_a_damaged_one_is_left_out(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded = untrained(SEGMENTATION)
    classes = loaded.card.benchmark.classes
    name = str(saved(loaded, out / "network.safetensors"))
    draw_images(out / "more/images", 3, (32, 64))
    predict(capfd, name, "more/images", "--to", "maps")
    (out / "more/masks").mkdir()
    for path in sorted((out / "maps").glob("*.png")):
        with Image.open(path) as picture:
            Image.fromarray(np.array(picture) + np.uint8(7)).save(out / "more/masks" / path.name)
    Image.new("L", (5, 5)).save(out / "more/masks/00002.png")
    (out / "benchmarks").mkdir()
    values = {one: [index + 7] for index, one in enumerate(classes)}
    pair = {"task": "segmentation", "source": "a", "target": "b", "classes": list(classes), "image_size": [32, 64]}
    (out / "benchmarks/streets_mini.yaml").write_text(yaml.safe_dump(pair | {"values": values}))
    stdout, stderr = predict(capfd, name, "more/images", "--truth", "more", "--to", "again", "--json")
    found = json.loads(stdout)["truth"]
    assert (found["images"], found["scores"]) == (2, {"miou": 100.0}), stderr
    assert "the label of 00002.png was left out" in stderr
