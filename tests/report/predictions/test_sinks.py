"""Rows come back from CSV and Parquet as they were predicted; label maps as indexed pictures with a palette."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from kept_networks import draw_images
from PIL import Image
from pyarrow import parquet

from dta_bench.errors import UserError
from dta_bench.evaluation import scenes
from dta_bench.report.predictions.images_to_predict import NamedImage, find_images
from dta_bench.report.predictions.sinks import CsvRows, FileRows, MapFolder

CLASSES = ("cat", 'T-shirt, "top"')
ROWS = np.array([[0.25, 0.75], [0.9, 0.1]], dtype=np.float32)


def test_csv_has_the_header_and_a_row_an_image() -> None:
    text = io.StringIO()
    with CsvRows(text, CLASSES, probabilities=True) as rows:
        rows.write(["a,b.png", "c.png"], ROWS)
    assert list(csv.reader(io.StringIO(text.getvalue()))) == [
        ["path", "class", "probability", "p_cat", 'p_T-shirt, "top"'],
        ["a,b.png", 'T-shirt, "top"', "0.750000", "0.250000", "0.750000"],
        ["c.png", "cat", "0.900000", "0.900000", "0.100000"],
    ]


def test_without_probabilities_there_are_three_columns() -> None:
    text = io.StringIO()
    with CsvRows(text, CLASSES, probabilities=False) as rows:
        rows.write(["c.png"], ROWS[1:])
    assert text.getvalue() == "path,class,probability\nc.png,cat,0.900000\n"


def test_a_name_that_is_no_utf8_is_written_escaped() -> None:
    text = io.StringIO()
    CsvRows(text, CLASSES, probabilities=False).write([os.fsdecode(b"b\xe4r.png")], ROWS[:1])
    assert r"b\xe4r.png" in text.getvalue()


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    with FileRows(tmp_path / "p.parquet", CLASSES, probabilities=True) as rows:
        rows.write(["a.png"], ROWS[:1])
        rows.write(["c.png"], ROWS[1:])
    table = parquet.read_table(tmp_path / "p.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "string", "float", "float", "float"]
    assert table.to_pydict()["class"] == ['T-shirt, "top"', "cat"]
    assert table.to_pydict()["p_cat"] == pytest.approx([0.25, 0.9])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_was_not_finished_takes_no_place(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"p.{suffix}"
    file.write_text("earlier")
    with pytest.raises(IndexError), FileRows(file, CLASSES, probabilities=False) as rows:
        rows.write(["a.png"], np.array([[0, 0, 1]], dtype=np.float32))  # a third class, which has no name
    assert file.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.csv or \.parquet"):
        FileRows(tmp_path / "p.json", CLASSES, probabilities=False)


def test_a_label_map_is_an_indexed_picture_with_the_palette(tmp_path: Path) -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3) % 3
    classes = ("road", "sky", "car")
    MapFolder(tmp_path / "maps", [NamedImage("in/a.jpg", Path("x"))], classes).write("in/a.jpg", labels)
    with Image.open(tmp_path / "maps/in/a.png") as picture:
        assert picture.mode == "P"
        assert (np.array(picture) == labels).all()
        assert (np.array(picture.convert("RGB")) == scenes.palette(classes)[labels]).all()


def test_maps_of_two_images_never_share_a_file(tmp_path: Path) -> None:
    maps = MapFolder(tmp_path, [NamedImage("a.jpg", Path("x")), NamedImage("a.png", Path("y"))], CLASSES)
    for name in ("a.jpg", "a.png"):
        maps.write(name, np.zeros((2, 2), np.uint8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg.png", "a.png.png"]
    with pytest.raises(UserError, match=r"label map x\.jpg\.png"):
        MapFolder(tmp_path, [NamedImage("../a/x.jpg", Path("x")), NamedImage("../b/x.jpg", Path("y"))], CLASSES)


def test_a_map_never_takes_the_place_of_an_image(tmp_path: Path) -> None:
    draw_images(tmp_path, 1)
    with pytest.raises(UserError, match="would take the place of an image"):
        MapFolder(tmp_path, find_images([str(tmp_path)]), CLASSES)
