"""``dta-bench predict``: rows alone on stdout, unreadable files named, bounded memory, the choice of a report."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kept_networks import SEGMENTATION, classifier, draw_images, saved, untrained
from PIL import Image
from rich.console import Console
from small_runs import spec_of
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.errors import UserError
from dta_bench.report.predictions import command
from dta_bench.report.predictions.images_to_predict import find_images
from dta_bench.report.predictions.sinks import CsvRows


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_are_in_order_and_what_cannot_be_read_has_none(out: Path) -> None:
    draw_images(out / "photos", 70)
    (out / "photos/00007.png").write_bytes(b"no image")
    (out / "photos/00068.png").write_bytes(b"")
    text, predictor = io.StringIO(), classifier()
    found = command.predict_rows(
        predictor, find_images(["photos"]), CsvRows(text, predictor.classes, False), Console(quiet=True)
    )
    names = [row["path"] for row in rows_of(text.getvalue())]
    assert names == [f"{i:05d}.png" for i in range(70) if i not in (7, 68)]
    assert found.images == 68
    assert list(found.unreadable) == ["00007.png", "00068.png"]
    alone = predictor.probabilities([predictor.read(out / "photos/00069.png")[0]])[0]
    assert rows_of(text.getvalue())[-1]["class"] == predictor.classes[alone.argmax()]


def predict(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The command in this process: its status, what is on stdout, and what is on stderr."""
    result = CliRunner().invoke(cli.app, ["predict", *words])
    said = str(result.exception) if isinstance(result.exception, UserError) else result.stderr
    return result.exit_code, capfd.readouterr().out, said


def test_stdout_has_the_rows_alone_and_stderr_names_run_and_unreadable_files(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = saved(untrained(spec_of("source_only")), out / "network.safetensors")
    draw_images(out / "photos", 3)
    (out / "photos/b.png").write_bytes(b"no image")
    status, stdout, stderr = predict(capfd, network.name, "photos", "--probabilities")
    assert status == 0, stderr
    rows = rows_of(stdout)
    assert list(rows[0])[:5] == ["path", "class", "probability", "p_zero", "p_one"]
    assert (len(rows[0]), len(rows)) == (13, 3)
    assert "3 images predicted by network.safetensors, of run" in stderr
    assert "1 could not be read" in stderr
    assert "b.png: " in stderr
    assert not (out / "mlflow.db").exists()


def test_the_status_is_one_if_nothing_could_be_read(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = saved(untrained(spec_of("source_only")), out / "network.safetensors")
    (out / "photos").mkdir()
    (out / "photos/b.png").write_bytes(b"no image")
    status, stdout, stderr = predict(capfd, network.name, "photos", "--quiet")
    assert (status, stdout) == (1, "path,class,probability\n")
    assert "1 could not be read" in stderr


def test_label_maps_go_to_a_folder_and_json_says_what_was_done(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = saved(untrained(SEGMENTATION), out / "network.safetensors")
    draw_images(out / "photos", 3, (50, 70))
    assert "--to FOLDER" in predict(capfd, network.name, "photos")[2]
    status, stdout, stderr = predict(capfd, network.name, "photos", "--to", "maps", "--json")
    assert status == 0, stderr
    assert json.loads(stdout)["images"] == 3
    with Image.open(out / "maps/00001.png") as picture:
        assert (picture.mode, picture.size) == ("P", (70, 50))
        assert np.array(picture).max() < len(json.loads(stdout)["classes"])


@pytest.mark.parametrize(("words", "said"), [
    (("abc",), "takes a run and then images"), (("abc", "x", "--select", "source"), "--select"),
    (("abc", "x", "--tta", "crop"), "takes none or flip"), (("abc", "x", "--json"), "--to FILE"),
    (("abc", "nowhere"), "there is no nowhere"),
])  # fmt: skip
def test_what_makes_no_sense_is_one_sentence(
    words: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, stdout, stderr = predict(capfd, *words)
    assert status != 0
    assert said in stderr
    assert not stdout


MEASURE = """
import resource, sys
from pathlib import Path
from kept_networks import classifier
from rich.console import Console
from dta_bench.report.predictions import command
from dta_bench.report.predictions.images_to_predict import find_images
from dta_bench.report.predictions.sinks import FileRows
predictor = classifier()
def predict(folder):
    rows = FileRows(Path("p.csv"), predictor.classes, True)
    found = command.predict_rows(predictor, find_images([folder]), rows, Console(quiet=True))
    return found.images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(*predict("few"), *predict("many"))
"""


@pytest.mark.slow  # ten thousand files, half a minute
def test_ten_thousand_images_need_no_more_memory_than_a_few_hundred(out: Path) -> None:
    draw_images(out / "few", 300)
    few = draw_images(out / "template", 1)[0].read_bytes()
    (out / "many").mkdir()
    for index in range(10_000):
        (out / f"many/{index}.png").write_bytes(few)
    script = f"import sys; sys.path[:0] = {sys.path!r}\n{MEASURE}"
    said = subprocess.run([sys.executable, "-c", script], cwd=out, capture_output=True, text=True, check=True).stdout
    few_images, before, many_images, after = map(float, said.split())
    assert (few_images, many_images) == (300, 10_000)
    assert after - before < 60  # MB; decoded, the images would take 360 MB
